"""The races of a day."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, card, race, runner

OFF = NOON + timedelta(hours=1)
ADA, BOB, CIT, DOT = (runner(name, number) for number, name in enumerate("ABCD", start=1))


async def ids(api: RunningApi, query: str = "") -> list[str]:
    body = await api.json(f"/api/races{query}")
    assert body["count"] == len(body["data"])
    return [one["race_id"] for one in body["data"]]


@pytest.fixture
async def filled(api: RunningApi, writer: MarketWriter) -> RunningApi:
    """Races of three days, two regions and three courses."""
    cards = [
        card(race("rac_now", off_dt=NOON + timedelta(minutes=2)), (ADA, {})),
        card(race("rac_early", off_dt=NOON - timedelta(hours=2)), (ADA, {})),
        card(
            race("rac_ire", off_dt=OFF, region="IRE", course="Naas", course_id="crs_2"), (ADA, {})
        ),
        card(race("rac_next", off_dt=OFF + timedelta(days=1), course="Ayr"), (ADA, {})),
        card(race("rac_old", off_dt=OFF - timedelta(days=40), course="Bath"), (ADA, {})),
    ]
    await api.seen(await writer.look(*cards, seen_at=NOON - timedelta(minutes=1)))
    return api


async def test_todays_races_are_listed_by_off_time(filled: RunningApi) -> None:
    assert await ids(filled) == ["rac_early", "rac_now", "rac_ire"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?date=2026-06-21", ["rac_next"]),
        ("?date=2026-05-11", ["rac_old"]),
        ("?date=2019-01-01", []),
        ("?region=ire", ["rac_ire"]),
        ("?region=GB", ["rac_early", "rac_now"]),
        ("?course=naas", ["rac_ire"]),
        ("?course=crs_2", ["rac_ire"]),
        ("?stage=at_post", ["rac_now"]),
        ("?stage=pre_race&region=ire", ["rac_ire"]),
        ("?stage=early_market", []),
        ("?date=2026-05-11&course=bath&region=gb", ["rac_old"]),
        ("?date=2026-05-11&stage=at_post", []),
    ],
)
async def test_a_list_has_what_was_asked_for(
    filled: RunningApi, query: str, expected: list[str]
) -> None:
    assert await ids(filled, query) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("region=mars", "region"),
        ("course=Atlantis", "course"),
        ("stage=after", "stage"),
        ("date=20-06-2026", "date"),
        ("date=", "date"),
        ("day=2026-06-20", "day"),
        ("date=2026-05-11&course=Naas", "course"),
    ],
)
async def test_an_unknown_value_is_named(filled: RunningApi, query: str, field: str) -> None:
    answer = await filled.get(f"/api/races?{query}")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_region_without_a_race_today_is_no_mistake(api: RunningApi) -> None:
    assert await ids(api, "?region=ire") == []


async def test_a_listed_race_has_its_favourites_shortest_prices_and_completeness(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(
        race(off_dt=OFF),
        (ADA, {"Bet365": "2/1", "Coral": "9/4", "Betfair Exchange": "1.5"}),
        (BOB, {"Bet365": "9/4", "Coral": None}),
        (CIT, {"Bet365": "8/1", "Coral": "7/1"}),
        (DOT, {"Bet365": "10/3"}),
        (runner("E", None, is_non_runner=True), {"Bet365": None}),
    )
    await api.seen(await writer.look(look, seen_at=NOON))
    (found,) = (await api.json("/api/races"))["data"]
    assert (found["runners"], found["non_runners"], found["course_id"]) == (4, 1, "crs_1")
    assert [(one["horse_name"], one["mark"]) for one in found["favourites"]] == [
        ("A", "JF"),
        ("B", "JF"),
    ]
    assert [
        (one["horse_name"], one["best_odds_fractional"], one["best_bookmakers"])
        for one in found["shortest"]
    ] == [("A", "9/4", ["Coral"]), ("B", "9/4", ["Bet365"]), ("D", "10/3", ["Bet365"])]
    assert found["completeness"] == {
        "bookmakers": 2,
        "complete_bookmakers": 1,
        "priced": 6,
        "possible": 8,
        "share": 0.75,
        "unpriced_runners": [],
    }


async def test_a_list_turns_stale_and_moves_on_by_itself(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(race(off_dt=NOON + timedelta(minutes=5)), (ADA, {"Bet365": "2/1"}))
    await api.seen(await writer.look(look, seen_at=NOON))
    assert await ids(api, "?stage=at_post") == []
    api.clock.forward(seconds=46)
    assert await ids(api, "?stage=at_post") == ["rac_1"]
    body: dict[str, Any] = await api.json("/api/races")
    assert (body["stale"], body["data"][0]["stale"]) == (True, True)
    assert body["checked_at"] == "2026-06-20T12:00:00Z"
