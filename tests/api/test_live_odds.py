from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, card, race, runner

OFF = NOON + timedelta(hours=1)
ADA, BOB = runner("Ada", 1), runner("Bob", 2)

CONTRACT = [
    "race_id",
    "race_date",
    "race_time",
    "off_dt",
    "course",
    "race_name",
    "race_class",
    "race_type",
    "distance",
    "going",
    "runners",
    "horse_id",
    "horse_name",
    "horse_number",
    "jockey",
    "trainer",
    "draw",
    "weight",
    "age",
    "form",
    "bookmaker_id",
    "bookmaker_name",
    "bookmaker_type",
    "odds_decimal",
    "odds_fractional",
    "market_status",
    "in_play",
    "odds_timestamp",
    "fetched_at",
    "updated_at",
]


async def test_a_row_carries_the_fields_of_the_contract(
    api: RunningApi, writer: MarketWriter
) -> None:
    revision = await writer.look(
        card(race(off_dt=OFF), (ADA, {"Bet365": "10/3"}), (BOB, {})), seen_at=NOON
    )
    await api.seen(revision)
    answer = await api.get("/api/live-odds")
    body = answer.json()
    assert list(body)[:4] == ["success", "count", "total", "limit"]
    assert (body["success"], body["count"], body["total"]) == (True, 1, 1)
    assert (body["limit"], body["offset"]) == (100, 0)
    (row,) = body["data"]
    assert [field for field in CONTRACT if field not in row] == []
    assert (
        row
        | {
            "race_time": "14:00",
            "off_dt": "2026-06-20T13:00:00Z",
            "race_date": "2026-06-20",
            "runners": 2,
            "weight": 158,
            "horse_number": 1,
            "bookmaker_id": "bet365",
            "bookmaker_name": "Bet365",
            "bookmaker_type": "fixed",
            "odds_decimal": 4.33,
            "odds_fractional": "10/3",
            "market_status": "OPEN",
            "in_play": False,
            "fetched_at": "2026-06-20T12:00:00Z",
            "checked_at": "2026-06-20T12:00:00Z",
            "stale": False,
        }
        == row
    )
    assert '"odds_decimal":4.33,' in answer.text


async def test_a_look_without_changes_moves_checked_at_and_not_fetched_at(
    api: RunningApi, writer: MarketWriter
) -> None:
    same = card(race(off_dt=OFF), (ADA, {"Bet365": "4/1"}))
    await writer.look(same, seen_at=NOON)
    await api.seen(await writer.look(same, seen_at=NOON + timedelta(seconds=30)))
    (row,) = (await api.json("/api/live-odds"))["data"]
    assert row["checked_at"] == "2026-06-20T12:00:30Z"
    assert row["fetched_at"] == "2026-06-20T12:00:00Z"


async def test_rows_are_in_order_of_off_number_and_bookmaker(
    api: RunningApi, writer: MarketWriter
) -> None:
    both = {"William Hill": "4/1", "Bet365": "5/1"}
    early = card(race("rac_2", off_dt=OFF), (BOB, both), (ADA, both))
    late = card(race("rac_1", off_dt=OFF + timedelta(minutes=5)), (ADA, both))
    await api.seen(await writer.look(late, early, seen_at=NOON))
    rows = (await api.json("/api/live-odds"))["data"]
    assert [(row["race_id"], row["horse_number"], row["bookmaker_id"]) for row in rows] == [
        ("rac_2", 1, "bet365"),
        ("rac_2", 1, "williamhill"),
        ("rac_2", 2, "bet365"),
        ("rac_2", 2, "williamhill"),
        ("rac_1", 1, "bet365"),
        ("rac_1", 1, "williamhill"),
    ]


async def test_pages_put_together_are_the_whole(api: RunningApi, writer: MarketWriter) -> None:
    prices = {"William Hill": "4/1", "Bet365": "5/1", "Coral": "9/2"}
    cards = [
        card(race(f"rac_{n}", off_dt=OFF + timedelta(minutes=n)), (ADA, prices), (BOB, prices))
        for n in range(3)
    ]
    await api.seen(await writer.look(*cards, seen_at=NOON))
    whole = await api.json("/api/live-odds")
    pages = [await api.json(f"/api/live-odds?limit=4&offset={start}") for start in range(0, 24, 4)]
    assert [row for page in pages for row in page["data"]] == whole["data"]
    assert [page["count"] for page in pages] == [4, 4, 4, 4, 2, 0]
    assert {page["total"] for page in pages} == {18}


async def test_rows_are_chosen_by_day_course_and_bookmaker(
    api: RunningApi, writer: MarketWriter
) -> None:
    prices = {"William Hill": "4/1", "Bet365": "5/1"}
    today = card(race("rac_1", off_dt=OFF), (ADA, prices))
    ascot = card(race("rac_2", off_dt=OFF, course="Ascot"), (ADA, prices))
    tomorrow = card(race("rac_3", off_dt=OFF + timedelta(days=1)), (ADA, prices))
    await api.seen(await writer.look(today, ascot, tomorrow, seen_at=NOON))

    async def found(query: str) -> set[tuple[str, str]]:
        rows = (await api.json(f"/api/live-odds?{query}"))["data"]
        return {(row["race_id"], row["bookmaker_id"]) for row in rows}

    assert await found("race_date=2026-06-21") == {("rac_3", "bet365"), ("rac_3", "williamhill")}
    assert await found("course=aSCOT") == {("rac_2", "bet365"), ("rac_2", "williamhill")}
    assert await found("course=Nowhere") == set()
    assert await found("bookmaker=William%20Hill") == {
        ("rac_1", "williamhill"),
        ("rac_2", "williamhill"),
    }
    assert await found("bookmaker=bet365&course=Ascot") == {("rac_2", "bet365")}


async def test_a_day_that_memory_has_left_behind_is_read_from_the_database(
    api: RunningApi, writer: MarketWriter
) -> None:
    long_ago = card(race(off_dt=OFF - timedelta(days=40)), (ADA, {"Bet365": "4/1"}))
    await writer.look(long_ago, seen_at=NOON - timedelta(days=40))
    body = await api.json("/api/live-odds?race_date=2026-05-11")
    (row,) = body["data"]
    assert (row["odds_decimal"], row["market_status"]) == (5, "SUSPENDED")
    assert body["checked_at"] is None


@pytest.mark.parametrize(
    "what", ["a pulled price", "a non-runner", "an abandoned race", "a race that is over"]
)
async def test_nothing_that_cannot_be_taken_is_open(
    api: RunningApi, writer: MarketWriter, what: str
) -> None:
    facts: dict[str, Any] = {"is_abandoned": True} if what == "an abandoned race" else {}
    if what == "a race that is over":
        facts = {"race_status": "result"}
    await writer.look(card(race(off_dt=OFF), (ADA, {"Bet365": "4/1"})), seen_at=NOON)
    horse = runner("Ada", 1, is_non_runner=what == "a non-runner")
    prices = {"Bet365": None if what in ("a pulled price", "a non-runner") else "4/1"}
    await api.seen(
        await writer.look(card(race(off_dt=OFF, **facts), (horse, prices)), seen_at=NOON)
    )
    (row,) = (await api.json("/api/live-odds"))["data"]
    assert row["market_status"] == "SUSPENDED"
    assert row["is_non_runner"] is (what == "a non-runner")


async def test_a_race_that_was_not_looked_at_in_time_is_stale_until_it_is(
    api: RunningApi, writer: MarketWriter
) -> None:
    same = card(race(off_dt=OFF), (ADA, {"Bet365": "4/1"}))
    await api.seen(await writer.look(same, seen_at=NOON))
    api.clock.forward(minutes=3)
    assert (await api.json("/api/live-odds"))["stale"] is False
    api.clock.forward(seconds=1)
    body = await api.json("/api/live-odds")
    assert (body["stale"], body["data"][0]["stale"]) == (True, True)
    await api.seen(await writer.look(same, seen_at=api.clock()))
    assert (await api.json("/api/live-odds"))["stale"] is False


async def test_the_default_day_is_londons(api: RunningApi, writer: MarketWriter) -> None:
    tomorrow = card(race(off_dt=OFF + timedelta(days=1)), (ADA, {"Bet365": "4/1"}))
    await api.seen(await writer.look(tomorrow, seen_at=NOON))
    api.clock.now = NOON.replace(hour=22, minute=59)
    assert (await api.json("/api/live-odds"))["race_date"] == "2026-06-20"
    api.clock.now = NOON.replace(hour=23)
    body = await api.json("/api/live-odds")
    assert (body["race_date"], body["count"]) == ("2026-06-21", 1)
