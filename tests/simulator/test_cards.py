from datetime import datetime, timedelta

import msgspec
import pytest

from darkhorses.domain.london import LONDON
from darkhorses.upstream.reading import CardReader
from tests.simulator.worlds import (
    BRITAIN_AND_IRELAND,
    NOW,
    anchored,
    cards,
    decimals,
    is_non_runner,
    leaves,
    ordinary,
    selection,
)

TODAY = NOW.date()


async def test_the_same_question_at_the_same_instant_gets_the_same_bytes() -> None:
    asked_before = ordinary()
    await asked_before.racecards(TODAY, selection(), NOW - timedelta(minutes=7))

    assert await asked_before.racecards(TODAY, selection(), NOW) == await ordinary().racecards(
        TODAY, selection(), NOW
    )


async def test_another_seed_is_another_world() -> None:
    assert await ordinary(1).racecards(TODAY, selection(), NOW) != await ordinary(2).racecards(
        TODAY, selection(), NOW
    )


@pytest.mark.parametrize("source", [ordinary(), anchored()])
async def test_our_reader_understands_every_race_runner_and_quote(source: object) -> None:
    body = await source.racecards(TODAY, selection(), NOW)  # type: ignore[attr-defined]
    reader = CardReader(now=NOW, regions=BRITAIN_AND_IRELAND)
    raw = msgspec.json.decode(body)

    reader.read_page(body)
    page = reader.page()

    assert page.unreadable == ()
    assert len(raw["racecards"]) == len(page.cards)
    assert len(page.bookmakers) == 28


async def test_every_leaf_is_text_but_the_two_flags_and_the_counters() -> None:
    page = msgspec.json.decode(await ordinary().racecards(TODAY, selection(), NOW))

    odd = {name for name, value in leaves(page) if not isinstance(value, str)}

    assert odd == {"big_race", "is_abandoned", "total", "limit", "skip"}


async def test_a_race_is_as_large_as_a_real_one() -> None:
    body = await ordinary().racecards(TODAY, selection(), NOW)
    races = msgspec.json.decode(body)["racecards"]
    runners = sum(len(race["runners"]) for race in races)

    assert 4_500 < len(body) / runners < 5_800
    assert 30 <= len(races) <= 60


async def test_off_times_are_on_a_twelve_hour_clock_in_london() -> None:
    for race in await cards(ordinary(), TODAY, NOW):
        off = datetime.fromisoformat(race["off_dt"])
        hour, minute = map(int, race["off_time"].split(":"))

        assert off.utcoffset() == off.astimezone(LONDON).utcoffset()
        assert (hour % 12, minute) == (off.hour % 12, off.minute)
        assert race["date"] == str(off.date())


async def test_quotes_carry_one_local_stamp_that_is_at_most_a_refresh_old() -> None:
    races = [
        race
        for race in await cards(ordinary(), TODAY, NOW)
        if datetime.fromisoformat(race["off_dt"]) > NOW
    ]
    assert races

    for race in races:
        stamps = {quote["updated"] for runner in race["runners"] for quote in runner["odds"]}
        (stamp,) = stamps
        local = datetime.fromisoformat(stamp).replace(tzinfo=LONDON)
        assert timedelta() <= NOW - local < timedelta(seconds=20)


async def test_a_non_runner_has_no_number_no_jockey_no_price_and_is_not_counted() -> None:
    races = await cards(ordinary(), TODAY, NOW)
    withdrawn = [
        (race, runner) for race in races for runner in race["runners"] if is_non_runner(runner)
    ]
    assert withdrawn

    for _, runner in withdrawn:
        assert runner["jockey"].startswith("NON-RUNNER")
        assert set(decimals(runner).values()) == {"-"}
    for race in races:
        running = [
            runner
            for runner in race["runners"]
            if not is_non_runner(runner) and not runner["number"].startswith("R")
        ]
        assert race["field_size"] == str(len(running))


async def test_a_runner_is_withdrawn_in_the_last_hour_and_stays_withdrawn() -> None:
    source = ordinary()
    late = 0
    for race in await cards(source, TODAY, NOW.replace(hour=22)):
        for runner in filter(is_non_runner, race["runners"]):
            off = datetime.fromisoformat(race["off_dt"])
            before = await source.racecard(race["race_id"], off - timedelta(hours=1))
            assert before is not None
            (then,) = (
                other
                for other in msgspec.json.decode(before)["runners"]
                if other["horse_id"] == runner["horse_id"]
            )
            late += not is_non_runner(then)

    assert late > 0


async def test_reserves_have_a_number_of_their_own_and_neither_jockey_nor_odds() -> None:
    reserves = [
        runner
        for race in await cards(anchored(), TODAY, NOW)
        for runner in race["runners"]
        if runner["number"].startswith("R")
    ]
    assert reserves

    for runner in reserves:
        assert (runner["jockey"], runner["odds"]) == ("", [])
        assert runner["number"][1:].isdecimal()


async def test_claims_stand_in_the_jockeys_name() -> None:
    jockeys = [
        runner["jockey"]
        for race in await cards(ordinary(), TODAY, NOW)
        for runner in race["runners"]
    ]

    assert any(jockey.endswith(("(3)", "(5)", "(7)")) for jockey in jockeys)


async def test_irish_races_have_no_class_and_prizes_in_euros() -> None:
    for race in await cards(ordinary(), TODAY, NOW):
        irish = race["region"] == "IRE"
        assert (race["race_class"] == "") == irish
        assert race["prize"].startswith("€" if irish else "£")


async def test_a_race_days_ahead_has_entries_without_odds() -> None:
    for race in await cards(ordinary(), TODAY + timedelta(days=5), NOW):
        assert (race["race_status"], race["field_size"]) == ("entry", "0")
        assert all(
            (runner["odds"], runner["jockey"], runner["draw"]) == ([], "", "0")
            for runner in race["runners"]
        )


async def test_there_is_nothing_more_than_a_week_ahead() -> None:
    assert await cards(ordinary(), TODAY + timedelta(days=7), NOW)
    assert await cards(ordinary(), TODAY + timedelta(days=8), NOW) == []


async def test_each_way_terms_differ_between_bookmakers_and_are_empty_on_the_exchange() -> None:
    terms: dict[str, set[tuple[str, str]]] = {}
    for race in await cards(ordinary(), TODAY, NOW):
        for runner in race["runners"]:
            for quote in runner["odds"]:
                places = (quote["ew_places"], quote["ew_denom"])
                terms.setdefault(quote["bookmaker"], set()).add(places)

    assert terms.pop("Betfair Exchange") == {("", "")}
    assert len(set(map(frozenset, terms.values()))) > 1


async def test_the_exchange_repeats_its_decimal_as_fraction() -> None:
    quotes = [
        quote
        for race in await cards(ordinary(), TODAY, NOW)
        for runner in race["runners"]
        for quote in runner["odds"]
        if quote["bookmaker"] == "Betfair Exchange"
    ]

    assert quotes
    assert all(quote["fractional"] == quote["decimal"] for quote in quotes)
