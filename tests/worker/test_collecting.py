import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.races import CardPage
from darkhorses.store.errors import LeaseLostError
from darkhorses.store.pool import Database
from darkhorses.store.writing import lease as leases
from darkhorses.store.writing.lease import Lease
from darkhorses.upstream.reading import CardReader
from darkhorses.worker.collecting import Collected, Collector
from tests.cards import page_of, quote, race, runner
from tests.waiting import cut_off_who_waits

NOON = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def a_page(*races: Any) -> CardPage:
    reader = CardReader(now=NOON)
    reader.read_page(page_of(*races))
    return reader.page()


def at(decimal: str, fractional: str = "-", bookmaker: str = "Bet365", **fields: Any) -> Any:
    return quote(bookmaker, decimal=decimal, fractional=fractional, **fields)


@pytest.fixture
async def lease(database: Database) -> Lease:
    async with database.transaction() as connection:
        lease = await leases.acquire(connection, "live", "the test")
    assert lease is not None
    return lease


class Desk:
    """A collector and its database, and a clock that moves a minute with every look."""

    def __init__(self, database: Database, lease: Lease) -> None:
        self.database = database
        self.lease = lease
        self.clock = Clock()
        self.collector = Collector(database, self.clock)

    async def look(self, *races: Any, whole_cycle: bool = False) -> Collected:
        self.clock.now += timedelta(minutes=1)
        return await self.collector.collect(
            a_page(*races),
            self.lease,
            asked_at=self.clock.now,
            seen_at=self.clock.now,
            whole_cycle=whole_cycle,
        )

    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *values)]


@pytest.fixture
async def desk(database: Database, lease: Lease) -> Desk:
    return Desk(database, lease)


async def test_a_first_look_is_stored_in_full(desk: Desk) -> None:
    found = await desk.look(
        race(runner(odds=[at("4.33", "10/3"), at("17.5", "17.5", "Betfair Exchange")])),
        whole_cycle=True,
    )

    assert (found.races, found.runners, found.quotes, found.changed) == (1, 1, 2, 2)
    assert await desk.rows(
        "SELECT bookmaker_id, odds_decimal::text, odds_fractional, market_status, ew_places"
        " FROM ra_odds_live ORDER BY bookmaker_id"
    ) == [("bet365", "4.330", "10/3", "OPEN", 3), ("betfairexchange", "17.500", None, "OPEN", 3)]
    assert await desk.rows("SELECT count(*), min(source) FROM ra_odds_changes") == [(2, "poll")]
    assert await desk.rows("SELECT bookmaker_id, bookmaker_type FROM ra_bookmakers ORDER BY 1") == [
        ("bet365", "fixed"),
        ("betfairexchange", "exchange"),
    ]
    assert await desk.rows(
        "SELECT races_count, horses_count, total_odds_fetched, changed_count, bookmaker_list"
        " FROM ra_odds_statistics"
    ) == [(1, 1, 2, 2, ["Bet365", "Betfair Exchange"])]


async def test_a_look_that_finds_nothing_new_writes_no_quote_and_says_that_it_looked(
    desk: Desk,
) -> None:
    card = race(runner(odds=[at("4.33", "10/3"), at("-", "-", "Coral")]))
    await desk.look(card)
    before = await desk.rows("SELECT xmin::text, * FROM ra_odds_live")

    found = await desk.look(card)

    assert (found.changed, found.written, found.unchanged) == (0, 0, 2)
    assert await desk.rows("SELECT xmin::text, * FROM ra_odds_live") == before
    assert await desk.rows("SELECT count(*) FROM ra_odds_changes") == [(1,)]
    assert await desk.rows("SELECT checked_at, updated_at FROM ra_races") == [
        (NOON + timedelta(minutes=2), NOON + timedelta(minutes=1))
    ]


async def test_exactly_what_changed_is_written(desk: Desk) -> None:
    books = [f"Book {number}" for number in range(50)]
    await desk.look(race(runner(odds=[at("5", "4/1", book) for book in books])))

    found = await desk.look(
        race(runner(odds=[at("4.5", "7/2", books[0]), *(at("5", "4/1", b) for b in books[1:])]))
    )

    assert (found.changed, found.written, found.unchanged) == (1, 1, 49)
    assert await desk.rows(
        "SELECT bookmaker_id, odds_decimal::text FROM ra_odds_changes"
        " ORDER BY change_id DESC LIMIT 1"
    ) == [("book0", "4.500")]


async def test_a_pulled_price_leaves_no_old_price_standing(desk: Desk) -> None:
    await desk.look(race(runner(odds=[at("5", "4/1"), at("6", "5/1", "Coral")])))

    await desk.look(race(runner(odds=[at("SP", "SP")])))

    assert await desk.rows("SELECT odds_decimal, market_status FROM ra_odds_live") == [
        (None, "SUSPENDED"),
        (None, "SUSPENDED"),
    ]
    assert await desk.rows(
        "SELECT count(*) FROM ra_odds_changes"
        " WHERE odds_decimal IS NULL AND odds_fractional IS NULL"
    ) == [(2,)]


async def test_a_change_of_terms_keeps_the_time_at_which_the_price_was_first_seen(
    desk: Desk,
) -> None:
    await desk.look(race(runner(odds=[at("5", "4/1", ew_places="3")])))

    found = await desk.look(race(runner(odds=[at("5", "4/1", ew_places="4")])))

    assert (found.changed, found.written) == (0, 1)
    assert await desk.rows("SELECT ew_places, fetched_at, updated_at FROM ra_odds_live") == [
        (4, NOON + timedelta(minutes=1), NOON + timedelta(minutes=2))
    ]


async def test_a_non_runner_is_marked_once_and_keeps_its_number(desk: Desk) -> None:
    await desk.look(race(runner(number="4", jockey="A Rider", odds=[at("5", "4/1")])))
    withdrawn = race(runner(number="NR", jockey="NON-RUNNER", odds=[at("-", "-")]))

    await desk.look(withdrawn)
    await desk.look(withdrawn)

    assert await desk.rows(
        "SELECT is_non_runner, non_runner_at, horse_number, jockey FROM ra_runners"
    ) == [(True, NOON + timedelta(minutes=2), 4, "A Rider")]
    assert await desk.rows("SELECT odds_decimal FROM ra_odds_live") == [(None,)]


async def test_a_new_worker_knows_what_the_last_one_stored(desk: Desk) -> None:
    card = race(
        runner(odds=[at("4.33", "10/3"), at("17.5", "17.5", "Smarkets"), at("-", "-", "Coral")])
    )
    await desk.look(card)

    successor = Desk(desk.database, desk.lease)
    found = await successor.look(card)

    assert (found.changed, found.written) == (0, 0)
    assert await desk.rows("SELECT count(*) FROM ra_odds_changes") == [(2,)]


async def test_a_worker_that_lost_the_lease_writes_nothing(desk: Desk) -> None:
    card = race(runner(odds=[at("5", "4/1")]))
    await desk.look(card)
    await desk.rows("UPDATE worker_lease SET expires_at = now() - interval '1 s' RETURNING 1")
    async with desk.database.transaction() as connection:
        successor = await leases.acquire(connection, "live", "another")
    assert successor is not None

    with pytest.raises(LeaseLostError):
        await desk.look(race(runner(odds=[at("6", "5/1")])))

    assert await desk.rows("SELECT odds_decimal::text FROM ra_odds_live") == [("5.000",)]
    assert desk.collector.known == {}


async def test_after_a_write_that_failed_nothing_is_lost_or_doubled(
    desk: Desk, database_url: str
) -> None:
    await desk.look(race(runner(odds=[at("5", "4/1")])))
    blocker = await asyncpg.connect(database_url)
    try:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE ra_odds_changes")
            look = asyncio.create_task(desk.look(race(runner(odds=[at("6", "5/1")]))))
            await cut_off_who_waits(blocker)
            with pytest.raises(Exception, match="database"):
                await look
    finally:
        await blocker.close()

    found = await desk.look(race(runner(odds=[at("6", "5/1")])))

    assert found.changed == 1
    assert await desk.rows("SELECT odds_decimal::text FROM ra_odds_changes ORDER BY change_id") == [
        ("5.000",),
        ("6.000",),
    ]


async def test_what_the_log_has_numbered_is_not_asked_for_again(
    desk: Desk, database_url: str
) -> None:
    await desk.look(race(runner(odds=[at("5", "4/1"), at("6", "5/1", "Coral")])))
    blocker = await asyncpg.connect(database_url)
    try:
        async with blocker.transaction(), asyncio.timeout(20):
            await blocker.execute("LOCK odds_log_races, odds_log_runners, odds_log_prices")
            found = await desk.look(race(runner(odds=[at("6", "5/1"), at("5", "4/1", "Coral")])))
    finally:
        await blocker.close()

    assert found.changed == 2
    assert await desk.rows(
        "SELECT bookmaker_id, odds_decimal::text FROM ra_odds_changes ORDER BY change_id"
    ) == [("bet365", "5.000"), ("coral", "6.000"), ("bet365", "6.000"), ("coral", "5.000")]


async def test_numbers_of_a_write_that_failed_may_become_another_runners(
    desk: Desk, database_url: str
) -> None:
    first = runner(horse_id="hrs_1", odds=[at("5", "4/1")])
    second = runner(horse_id="hrs_2", odds=[at("6", "5/1")])
    await desk.look(race(first))
    blocker = await asyncpg.connect(database_url)
    try:
        async with blocker.transaction():
            # What a look writes after the log.
            await blocker.execute("LOCK TABLE ra_odds_statistics")
            look = asyncio.create_task(desk.look(race(first, second), whole_cycle=True))
            await cut_off_who_waits(blocker)
            with pytest.raises(Exception, match="database"):
                await look
        await blocker.execute(
            "INSERT INTO ra_odds_changes"
            " (race_date, race_id, horse_id, bookmaker_id, odds_decimal, seen_at, source)"
            " SELECT race_date, race_id, 'hrs_3', bookmaker_id, 7, seen_at, source"
            " FROM ra_odds_changes"
        )
    finally:
        await blocker.close()

    await desk.look(race(first, second))

    assert await desk.rows(
        "SELECT horse_id, odds_decimal::text FROM ra_odds_changes ORDER BY change_id"
    ) == [("hrs_1", "5.000"), ("hrs_3", "7.000"), ("hrs_2", "6.000")]


def a_full_day(changed: int) -> list[Any]:
    """50 races of 10 runners and 28 books; the first ``changed`` quotes are another price."""
    number = 0

    def odds() -> list[Any]:
        nonlocal number
        quotes = []
        for book in range(28):
            price = ("6", "5/1") if number < changed else ("5", "4/1")
            quotes.append(at(*price, f"Book {book}"))
            number += 1
        return quotes

    return [
        race(*(runner(horse_id=f"hrs_{r}_{h}", odds=odds()) for h in range(10)), race_id=f"rac_{r}")
        for r in range(50)
    ]


async def test_of_a_day_with_14000_quotes_exactly_the_2_percent_that_changed_are_written(
    desk: Desk,
) -> None:
    first = await desk.look(*a_full_day(changed=0))
    unchanged = await desk.look(*a_full_day(changed=0))
    before = await desk.rows("SELECT max(revision) FROM ra_odds_live")
    moved = await desk.look(*a_full_day(changed=280))

    assert (first.quotes, first.changed) == (14_000, 14_000)
    assert (unchanged.changed, unchanged.written, unchanged.unchanged) == (0, 0, 14_000)
    assert (moved.changed, moved.written, moved.unchanged) == (280, 280, 13_720)
    assert await desk.rows(
        "SELECT count(*), min(odds_decimal)::text FROM ra_odds_live WHERE revision > $1",
        before[0][0],
    ) == [(280, "6.000")]
    assert await desk.rows("SELECT count(*) FROM ra_odds_changes") == [(14_280,)]


async def test_what_cannot_be_understood_is_kept_once_with_how_often_it_came(desk: Desk) -> None:
    broken = race(runner(odds=[at("four"), at("6", "5/1", "Coral")]))

    await desk.look(broken)
    found = await desk.look(broken)

    assert found.quarantined == 1
    assert await desk.rows("SELECT kind, horse_id, seen_count FROM quarantine") == [
        ("quote", "hrs_1", 2)
    ]


async def test_an_answer_that_was_overtaken_by_a_newer_one_changes_nothing(desk: Desk) -> None:
    older = a_page(race(runner(odds=[at("5", "4/1", updated="2026-06-20 13:00:00")])))
    newer = a_page(race(runner(odds=[at("6", "5/1", updated="2026-06-20 13:01:00")])))
    await desk.collector.collect(
        newer, desk.lease, asked_at=NOON + timedelta(seconds=1), seen_at=NOON + timedelta(seconds=2)
    )

    found = await desk.collector.collect(
        older, desk.lease, asked_at=NOON, seen_at=NOON + timedelta(seconds=3)
    )

    assert found.changed == 0
    assert await desk.rows("SELECT odds_decimal::text FROM ra_odds_live") == [("6.000",)]


async def test_a_result_ends_a_race_and_a_later_card_does_not_revive_it(desk: Desk) -> None:
    card = race(runner(odds=[at("5", "4/1")]))
    await desk.look(card)

    noted = await desk.collector.note_results([RaceId("rac_1"), RaceId("rac_9")], desk.lease)
    await desk.look(card)

    assert noted == 1
    assert await desk.rows("SELECT race_status FROM ra_races") == [("result",)]


async def test_revisions_follow_the_order_of_commits_and_touch_what_changed(desk: Desk) -> None:
    both = [
        race(runner(odds=[at("5", "4/1")])),
        race(runner(odds=[at("3", "2/1")]), race_id="rac_2"),
    ]
    await desk.look(*both)
    first = await desk.rows("SELECT max(revision) FROM ra_odds_live")

    await desk.look(both[0], race(runner(odds=[at("4", "3/1")]), race_id="rac_2"))

    assert await desk.rows("SELECT race_id, revision FROM ra_odds_live ORDER BY race_id") == [
        ("rac_1", first[0][0]),
        ("rac_2", first[0][0] + 1),
    ]
    assert await desk.rows("SELECT DISTINCT revision FROM ra_races") == [(first[0][0] + 1,)]
