from datetime import timedelta
from typing import Any

from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, card, race, runner

ADA, BOB, CIT = runner("Ada", 1), runner("Bob", 2), runner("Cit", 3)

RACE_FIELDS = {
    "race_id", "race_date", "race_time", "off_dt", "course", "race_name", "race_type", "distance",
    "runners", "minutes_until", "last_updated", "next_phase_name", "next_phase_time",
    "next_phase_minutes", "runners_data", "checked_at", "stale",
}  # fmt: skip
RUNNER_FIELDS = {
    "horse_id", "horse_name", "horse_number", "best_odds_decimal", "best_odds_fractional",
    "best_bookmaker", "is_favorite", "all_odds",
}  # fmt: skip


async def stages_of(api: RunningApi) -> dict[str, list[str]]:
    body = await api.json("/api/live-odds/races-by-stage")
    return {stage: [race["race_id"] for race in races] for stage, races in body["stages"].items()}


async def only_race(api: RunningApi, query: str = "") -> dict[str, Any]:
    body = await api.json(f"/api/live-odds/races-by-stage{query}")
    (found,) = (race for races in body["stages"].values() for race in races)
    assert isinstance(found, dict)
    return found


async def test_races_stand_in_the_stage_of_their_minutes_to_the_off(
    api: RunningApi, writer: MarketWriter
) -> None:
    cards = [
        card(race(f"rac_{minutes}", off_dt=NOON + timedelta(minutes=minutes)), (ADA, {}))
        for minutes in (121, 120, 119, 30, 29, 5, 4, 0, -5)
    ]
    await api.seen(await writer.look(*cards, seen_at=NOON))
    assert await stages_of(api) == {
        "early_market": ["rac_120", "rac_121"],
        "pre_race": ["rac_30", "rac_119"],
        "going_to_post": ["rac_5", "rac_29"],
        "at_post": ["rac_-5", "rac_0", "rac_4"],
    }


async def test_races_move_on_with_time_alone_and_leave_when_over(
    api: RunningApi, writer: MarketWriter
) -> None:
    off = NOON + timedelta(minutes=31)
    await api.seen(
        await writer.look(card(race(off_dt=off), (ADA, {"Bet365": "4/1"})), seen_at=NOON)
    )
    seen = []
    for moment in (
        off - timedelta(minutes=30),
        off - timedelta(minutes=30) + timedelta(microseconds=1),
        off - timedelta(minutes=5),
        off - timedelta(minutes=4, seconds=59),
        off + timedelta(minutes=20),
        off + timedelta(minutes=20, microseconds=1),
    ):
        api.clock.now = moment
        seen += [stage for stage, races in (await stages_of(api)).items() if races] or ["over"]
    assert seen == ["pre_race", "going_to_post", "going_to_post", "at_post", "at_post", "over"]


async def test_minutes_and_the_next_phase_are_of_the_present_minute(
    api: RunningApi, writer: MarketWriter
) -> None:
    off = NOON + timedelta(minutes=40)
    await api.seen(await writer.look(card(race(off_dt=off), (ADA, {})), seen_at=NOON))
    found = await only_race(api)
    assert found.keys() >= RACE_FIELDS
    assert (found["minutes_until"], found["next_phase_minutes"]) == (40, 10)
    assert found["next_phase_name"] == "Going To Post"
    assert found["next_phase_time"] == "2026-06-20T12:10:00Z"
    api.clock.forward(microseconds=1)
    found = await only_race(api)
    assert (found["minutes_until"], found["next_phase_minutes"]) == (39, 9)
    api.clock.now = off + timedelta(seconds=90)
    found = await only_race(api)
    assert found["minutes_until"] == -2
    assert found["next_phase_name"] is None


async def test_the_best_price_is_the_highest_of_bookmakers_and_favourites_come_first(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(
        race(off_dt=NOON + timedelta(minutes=40)),
        (ADA, {"Bet365": "4/1", "Coral": "9/2", "William Hill": "9/2", "Betfair Exchange": "6"}),
        (BOB, {"Bet365": "13/8", "Coral": None}),
        (CIT, {}),
    )
    await api.seen(await writer.look(look, seen_at=NOON))
    bob, ada, cit = (await only_race(api))["runners_data"]
    assert bob.keys() >= RUNNER_FIELDS
    assert (ada["horse_name"], bob["horse_name"], cit["horse_name"]) == ("Ada", "Bob", "Cit")
    assert (ada["best_odds_decimal"], ada["best_odds_fractional"]) == (5.5, "9/2")
    assert (ada["best_bookmaker"], ada["best_bookmakers"]) == ("Coral", ["Coral", "William Hill"])
    assert (bob["is_favorite"], bob["favorite_mark"], bob["favorite_rank"]) == (True, "F", 1)
    assert (ada["is_favorite"], ada["favorite_mark"], ada["favorite_rank"]) == (False, None, 2)
    assert [(odds["bookmaker"], odds["odds_decimal"]) for odds in ada["all_odds"]] == [
        ("Coral", 5.5),
        ("William Hill", 5.5),
        ("Bet365", 5),
        ("Betfair Exchange", 6),
    ]
    assert [odds["bookmaker"] for odds in bob["all_odds"]] == ["Bet365"]
    assert (cit["best_odds_decimal"], cit["best_bookmaker"], cit["is_favorite"]) == (
        None,
        None,
        False,
    )


async def test_joint_favourites_are_marked_as_such(api: RunningApi, writer: MarketWriter) -> None:
    look = card(
        race(off_dt=NOON + timedelta(minutes=40)),
        (ADA, {"Bet365": "2/1"}),
        (BOB, {"Coral": "2/1"}),
        (CIT, {"Coral": "3/1"}),
    )
    await api.seen(await writer.look(look, seen_at=NOON))
    runners = (await only_race(api))["runners_data"]
    assert [(one["favorite_mark"], one["favorite_rank"]) for one in runners] == [
        ("JF", 1),
        ("JF", 1),
        (None, 3),
    ]


async def test_non_runners_and_reserves_stand_apart_and_are_not_counted(
    api: RunningApi, writer: MarketWriter
) -> None:
    off = NOON + timedelta(minutes=40)
    await writer.look(
        card(race(off_dt=off), (ADA, {"Bet365": "2/1"}), (BOB, {"Bet365": "1/1"})), seen_at=NOON
    )
    look = card(
        race(off_dt=off),
        (ADA, {"Bet365": "2/1"}),
        (runner("Bob", None, is_non_runner=True), {"Bet365": None}),
        (runner("Cit", 17, is_reserve=True), {}),
    )
    await api.seen(await writer.look(look, seen_at=NOON))
    found = await only_race(api)
    assert found["runners"] == 1
    assert [(one["horse_name"], one["favorite_rank"]) for one in found["runners_data"]] == [
        ("Ada", 1)
    ]
    assert [
        (one["horse_name"], one["horse_number"], one["reason"]) for one in found["absent_runners"]
    ] == [("Bob", 2, "non_runner"), ("Cit", 17, "reserve")]


async def test_every_offer_can_be_left_out(api: RunningApi, writer: MarketWriter) -> None:
    look = card(race(off_dt=NOON + timedelta(minutes=40)), (ADA, {"Bet365": "2/1"}))
    await api.seen(await writer.look(look, seen_at=NOON))
    (ada,) = (await only_race(api, "?all_odds=false"))["runners_data"]
    assert "all_odds" not in ada
    assert ada["best_odds_decimal"] == 3


async def test_a_race_is_marked_stale_by_itself(api: RunningApi, writer: MarketWriter) -> None:
    near = card(race("rac_1", off_dt=NOON + timedelta(minutes=3)), (ADA, {"Bet365": "4/1"}))
    far = card(race("rac_2", off_dt=NOON + timedelta(hours=5)), (ADA, {"Bet365": "4/1"}))
    await api.seen(await writer.look(near, far, seen_at=NOON))
    api.clock.forward(seconds=46)
    body = await api.json("/api/live-odds/races-by-stage")
    marks = {race["race_id"]: race["stale"] for races in body["stages"].values() for race in races}
    assert marks == {"rac_1": True, "rac_2": False}
    assert (body["stale"], body["checked_at"]) == (True, "2026-06-20T12:00:00Z")


async def test_upcoming_races_end_at_the_hours_asked_for(
    api: RunningApi, writer: MarketWriter
) -> None:
    offs = [-1, 0, 59, 60, 61]
    cards = [
        card(race(f"rac_{minutes}", off_dt=NOON + timedelta(minutes=minutes)), (ADA, {}))
        for minutes in offs
    ]
    await api.seen(await writer.look(*cards, seen_at=NOON))
    body = await api.json("/api/live-odds/upcoming-races?hours_ahead=1")
    assert [race["race_id"] for race in body["data"]] == ["rac_0", "rac_59", "rac_60"]
    assert (body["success"], body["count"], body["hours_ahead"]) == (True, 3, 1)
    api.clock.forward(minutes=1)
    body = await api.json("/api/live-odds/upcoming-races?hours_ahead=1")
    assert [race["race_id"] for race in body["data"]] == ["rac_59", "rac_60", "rac_61"]


async def test_the_next_race_and_todays_card(api: RunningApi, writer: MarketWriter) -> None:
    cards = [
        card(race("rac_over", off_dt=NOON - timedelta(hours=1), race_status="result"), (ADA, {})),
        card(race("rac_late", off_dt=NOON - timedelta(minutes=2)), (ADA, {})),
        card(race("rac_next", off_dt=NOON + timedelta(minutes=20)), (ADA, {}), (BOB, {})),
        card(race("rac_tomorrow", off_dt=NOON + timedelta(days=1)), (ADA, {})),
    ]
    await api.seen(await writer.look(*cards, seen_at=NOON))
    body = await api.json("/api/live-odds/next-race")
    assert {
        "success", "next_race", "races_today", "total_races_today", "races_finished",
        "races_upcoming", "current_interval",
    } <= body.keys()  # fmt: skip
    assert body["next_race"]["race_id"] == "rac_next"
    assert (body["next_race"]["minutes_until"], body["next_race"]["runners"]) == (20, 2)
    assert [race["race_id"] for race in body["races_today"]] == ["rac_over", "rac_late", "rac_next"]
    assert (body["total_races_today"], body["races_finished"], body["races_upcoming"]) == (3, 1, 1)
    assert body["current_interval"] == 10


async def test_no_race_at_all_is_no_next_race(api: RunningApi) -> None:
    body = await api.json("/api/live-odds/next-race")
    assert (body["next_race"], body["total_races_today"], body["current_interval"]) == (
        None,
        0,
        None,
    )
