from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from darkhorses.domain.race_days import Completeness, RaceDay
from darkhorses.simulator.generated import GeneratedSource
from darkhorses.simulator.schedule import OrdinarySchedule
from darkhorses.store.errors import LeaseLostError
from darkhorses.store.pool import Database
from darkhorses.store.writing.lease import Lease, acquire
from darkhorses.worker.historical_odds import (
    DaysUnreadError,
    DueDay,
    Filled,
    due_days,
    historical_odds_job,
)
from tests.feeds import Feed
from tests.market import StoppedClock
from tests.past_days import checksums, table

NIGHT = datetime(2026, 10, 10, 0, 0, tzinfo=UTC)
"""01:00 in London."""

TODAY = NIGHT.date()
REGIONS = ("gb", "ire")


def days_ago(days: int) -> date:
    return TODAY - timedelta(days=days)


class Nights:
    """The nightly job at a simulated feed, run by hand."""

    def __init__(self, database: Database, feed: Feed, clock: StoppedClock, lease: Lease) -> None:
        self.database = database
        self.feed = feed
        self.clock = clock
        self._lease = lease
        self._job = historical_odds_job(feed.client, database, regions=REGIONS, clock=clock)

    async def run(self) -> Filled:
        found = await self._job.work(self._lease)
        assert isinstance(found, Filled)
        return found

    async def ledger(self) -> dict[date, tuple[str, str]]:
        rows = await table(
            self.database, "SELECT race_date, cards, results FROM race_days WHERE region = 'gb'"
        )
        return {day: (cards, results) for day, cards, results in rows}

    async def sums(self) -> tuple[Any, ...]:
        async with self.database.connection() as connection:
            return await checksums(connection)


@pytest.fixture
async def nights(database: Database) -> AsyncIterator[Nights]:
    clock = StoppedClock(NIGHT)
    source = GeneratedSource(seed=7, schedule=OrdinarySchedule(7))
    async with database.transaction() as connection:
        lease = await acquire(connection, "live", "the test", timedelta(hours=1))
    assert lease is not None
    async with Feed.serving(source, clock) as feed:
        yield Nights(database, feed, clock, lease)


async def test_a_first_run_fills_the_last_seven_days_and_a_second_asks_for_nothing(
    nights: Nights,
) -> None:
    first = await nights.run()
    ledger = await nights.ledger()
    before = await nights.sums()

    assert (first.days, first.gaps, first.failed) == (14, {}, 0)
    assert first.races > 250
    assert first.written == first.rows > 2500
    assert ledger == {
        days_ago(n): ("complete", "provisional" if n < 3 else "complete") for n in range(1, 8)
    }
    assert nights.feed.asked()["racecards/pro"] == 7

    nights.clock.forward(hours=5)
    assert await nights.run() == Filled()
    assert nights.feed.asked() == {}
    assert await nights.sums() == before


async def test_a_provisional_day_is_read_again_once_a_day_until_it_is_settled(
    nights: Nights,
) -> None:
    await nights.run()
    read = []
    for _ in range(4):
        nights.feed.asked()
        nights.clock.forward(days=1)
        await nights.run()
        await nights.run()
        rows = await table(
            nights.database,
            "SELECT DISTINCT race_date FROM race_days WHERE checked_at = $1 ORDER BY race_date",
            nights.clock.now,
        )
        assert nights.feed.asked()["racecards/pro"] == len(rows)
        read.append([(nights.clock.now.date() - day).days for (day,) in rows])

    assert read == [[3, 2, 1]] * 4
    # Read in the night there was no exchange's starting price yet; read again there was.
    without = await table(
        nights.database,
        "SELECT DISTINCT date_of_race FROM ra_odds_historical WHERE NOT is_non_runner"
        " AND sp_win_return IS NOT NULL AND finishing_position IS NOT NULL AND bsp IS NULL",
    )
    assert without == [(nights.clock.now.date() - timedelta(days=1),)]
    said = await table(
        nights.database,
        "SELECT DISTINCT jsonb_object_keys(said) FROM ra_odds_historical_revisions",
    )
    assert said == [("bsp",)]


async def test_a_worker_that_was_down_catches_up(nights: Nights) -> None:
    await nights.run()
    nights.clock.forward(days=5)
    nights.feed.asked()
    await nights.run()

    # The five new days, and the two that were provisional when it went down.
    assert nights.feed.asked()["racecards/pro"] == 7
    today = nights.clock.now.date()
    ledger = await nights.ledger()
    assert [ledger[today - timedelta(days=n)][1] for n in range(1, 13)] == [
        "provisional", "provisional", *["complete"] * 10,
    ]  # fmt: skip


async def test_days_that_could_not_be_read_fail_the_run_and_are_read_by_the_next(
    nights: Nights,
) -> None:
    nights.feed.fail("429")
    with pytest.raises(DaysUnreadError, match=r"2026-10-09 gb is not complete: .* \(and 13 more"):
        await nights.run()

    assert set((await nights.ledger()).values()) == {("missing", "missing")}
    assert await table(nights.database, "SELECT DISTINCT reason FROM race_days") == [
        ("the feed is asked too often: /racecards/pro gave 429: Too Many Requests",)
    ]
    nights.feed.fail()
    assert (await nights.run()).days == 14


async def test_a_leader_that_has_lost_its_lease_writes_nothing(nights: Nights) -> None:
    async with nights.database.transaction() as connection:
        await connection.execute("UPDATE worker_lease SET expires_at = '-infinity'")
        assert await acquire(connection, "live", "another", timedelta(hours=1)) is not None
    with pytest.raises(LeaseLostError):
        await nights.run()

    assert await nights.ledger() == {}
    assert (await nights.sums())[-2:] == (0, 0)


async def test_a_run_that_breaks_off_keeps_the_days_that_it_wrote(
    nights: Nights, database: Database
) -> None:
    class Broken(Exception):  # noqa: N818
        pass

    ticks = iter(range(4))

    def clock() -> datetime:
        if next(ticks, None) is None:
            raise Broken
        return NIGHT

    job = historical_odds_job(nights.feed.client, database, regions=REGIONS, clock=clock)
    with pytest.raises(Broken):
        await job.work(nights._lease)
    written = await table(database, "SELECT count(*) FROM race_days WHERE cards = 'complete'")
    nights.feed.asked()
    await nights.run()

    assert written == [(6,)]
    assert nights.feed.asked()["racecards/pro"] == 7 - 3


GAP = RaceDay(
    race_date=TODAY,
    region="gb",
    cards=Completeness.COMPLETE,
    results=Completeness.MISSING,
    checked_at=NIGHT - timedelta(days=1),
)
PROVISIONAL = msgspec.structs.replace(GAP, results=Completeness.PROVISIONAL)
COMPLETE = msgspec.structs.replace(GAP, results=Completeness.COMPLETE)


def test_gaps_come_first_then_the_newest_days_and_complete_ones_never() -> None:
    known = {1: PROVISIONAL, 2: PROVISIONAL, 3: COMPLETE, 4: GAP, 5: COMPLETE}
    ledger = {(days_ago(n), "gb"): day for n, day in known.items()}

    assert due_days(days_ago(6), days_ago(1), ["gb"], ledger, NIGHT) == [
        DueDay(day=days_ago(n), regions=("gb",)) for n in (4, 6, 1, 2)
    ]


def test_only_the_regions_that_lack_a_day_are_asked_for() -> None:
    ledger = {(days_ago(4), "gb"): COMPLETE, (days_ago(5), "ire"): GAP, (days_ago(5), "gb"): GAP}

    assert due_days(days_ago(5), days_ago(4), ["ire", "gb"], ledger, NIGHT) == [
        DueDay(day=days_ago(4), regions=("ire",)),
        DueDay(day=days_ago(5), regions=("gb", "ire")),
    ]
