from datetime import UTC, datetime, timedelta
from itertools import groupby

import msgspec

from darkhorses.simulator.schedule import OrdinarySchedule
from tests.simulator.worlds import (
    NOW,
    cards,
    is_non_runner,
    leaves,
    ordinary,
    results,
    selection,
)

TODAY = NOW.date()
YESTERDAY = TODAY - timedelta(days=1)


async def test_favourites_win_about_as_often_as_their_prices_say() -> None:
    source = ordinary()
    favourites: list[tuple[float, bool]] = []
    outsiders: list[tuple[float, bool]] = []
    for day in range(8):
        for race in await results(source, YESTERDAY - timedelta(days=day), NOW):
            for runner in race["runners"]:
                odds = float(runner["sp_dec"])
                won = runner["position"] == "1"
                if runner["sp"].endswith("F"):
                    favourites.append((1 / odds, won))
                elif odds > 21:
                    outsiders.append((1 / odds, won))
    won_by_favourites = sum(won for _, won in favourites) / len(favourites)
    won_by_outsiders = sum(won for _, won in outsiders) / len(outsiders)
    expected = sum(chance for chance, _ in favourites) / len(favourites)

    assert len(favourites) > 200
    assert expected - 0.1 < won_by_favourites < expected + 0.04
    assert won_by_outsiders < 0.05 < won_by_favourites


async def test_a_result_holds_all_who_ran_and_names_who_did_not() -> None:
    source = ordinary()
    by_id = {race["race_id"]: race for race in await cards(source, YESTERDAY, NOW)}
    for result in await results(source, YESTERDAY, NOW):
        card = by_id[result["race_id"]]
        ran = {
            runner["horse_id"]
            for runner in card["runners"]
            if not is_non_runner(runner) and runner["odds"]
        }
        assert {runner["horse_id"] for runner in result["runners"]} == ran
        for runner in filter(is_non_runner, card["runners"]):
            assert f"{runner['horse']} (" in result["non_runners"]


async def test_names_carry_the_country_in_results_only() -> None:
    source = ordinary()
    (result, *_) = await results(source, YESTERDAY, NOW)
    card = msgspec.json.decode(await source.racecard(result["race_id"], NOW) or b"")
    names = {runner["horse_id"]: runner["horse"] for runner in card["runners"]}

    for runner in result["runners"]:
        assert runner["horse"].startswith(f"{names[runner['horse_id']]} (")


async def test_the_shortest_starting_price_is_marked_favourite_joint_or_co() -> None:
    marks = set()
    for day in range(3):
        for race in await results(ordinary(), YESTERDAY - timedelta(days=day), NOW):
            shortest = min(float(runner["sp_dec"]) for runner in race["runners"])
            first = [runner for runner in race["runners"] if float(runner["sp_dec"]) == shortest]
            mark = {1: "F", 2: "J"}.get(len(first), "C")
            marks.add(mark)
            assert all(runner["sp"].endswith(mark) for runner in first)

    assert {"F", "J"} <= marks


async def test_non_finishers_have_a_code_and_no_distances() -> None:
    codes = set()
    for race in await results(ordinary(), YESTERDAY, NOW):
        for runner in race["runners"]:
            if not runner["position"].isdecimal():
                codes.add(runner["position"])
                assert (runner["btn"], runner["ovr_btn"], runner["time"]) == ("-", "-", "-")

    assert "PU" in codes


async def test_a_dead_heat_is_one_position_twice() -> None:
    source = ordinary()
    tied = 0
    for day in range(6):
        for race in await results(source, YESTERDAY - timedelta(days=day), NOW):
            finished = [runner for runner in race["runners"] if runner["position"].isdecimal()]
            for _, group in groupby(finished, key=lambda runner: runner["position"]):
                first, *others = group
                tied += len(others)
                assert all(other["ovr_btn"] == first["ovr_btn"] for other in others)

    assert tied > 0


async def test_exchange_starting_prices_come_the_next_morning() -> None:
    evening = datetime(2026, 10, 9, 21, tzinfo=UTC)
    for now, shown in ((evening, False), (NOW, True)):
        for race in await results(ordinary(), YESTERDAY, now):
            assert all((runner["bsp"] != "") == shown for runner in race["runners"])


async def test_results_are_newest_first_and_paged() -> None:
    source = ordinary()
    first = TODAY - timedelta(days=2)
    pages = [
        msgspec.json.decode(await source.results(first, TODAY, selection(limit=50, skip=skip), NOW))
        for skip in (0, 50, 100)
    ]
    races = [race for page in pages for race in page["results"]]
    offs = [race["off_dt"] for race in races]

    assert [page["total"] for page in pages] == [len(races)] * 3
    assert offs == sorted(offs, reverse=True)
    assert len({race["race_id"] for race in races}) == len(races) > 80


async def test_an_abandoned_meeting_has_cards_that_say_so_and_no_results() -> None:
    source = ordinary()
    schedule = OrdinarySchedule(7)
    slots = [
        slot
        for day in range(30)
        for slot in schedule.races_on(YESTERDAY - timedelta(days=day))
        if slot.meeting.abandoned_at is not None
    ]
    races = [msgspec.json.decode(await source.racecard(slot.race_id, NOW) or b"") for slot in slots]
    lost = [race for race in races if race["is_abandoned"]]
    assert lost

    for race in lost:
        assert race["race_status"] == "declared"
        assert await source.result(race["race_id"], NOW) is None


async def test_every_leaf_of_a_result_is_text() -> None:
    for race in await results(ordinary(), YESTERDAY, NOW):
        assert all(isinstance(value, str) for _, value in leaves(race))
