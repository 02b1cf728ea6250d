"""The real shift, its scheduler and the nightly job, on a clock that a test moves to each timer.

Nothing waits: the clock jumps to the next moment at which APScheduler would wake up, so that days
pass in seconds and every timer fires at its exact instant.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta, tzinfo
from typing import Self

import pytest
from apscheduler.schedulers import base
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers import interval

from darkhorses.domain.london import race_day
from darkhorses.simulator.generated import GeneratedSource
from darkhorses.simulator.schedule import OrdinarySchedule
from darkhorses.store.pool import Database
from darkhorses.store.writing.lease import acquire
from darkhorses.worker.collecting import Collector
from darkhorses.worker.historical_odds import HISTORICAL_ODDS, historical_odds_job
from darkhorses.worker.jobs import JobBoundary
from darkhorses.worker.live_odds import LiveOdds
from darkhorses.worker.shift import Plan, Shift
from tests.feeds import Feed
from tests.market import StoppedClock
from tests.past_days import checksums, table

REGIONS = ("ire",)
ELSEWHERE = ("uae",)
"""A region without races: live odds are collected all the same, and find none."""


class CompressedTime:
    """APScheduler's time: its clock, and the moment at which it would wake up."""

    def __init__(self, now: datetime) -> None:
        self.clock = StoppedClock(now)
        self.wakes_at: datetime | None = None

    @classmethod
    def of_apscheduler(cls, now: datetime, monkeypatch: pytest.MonkeyPatch) -> Self:
        """Give APScheduler this clock instead of the machine's, and no timer."""
        time = cls(now)

        class Moment(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return time.clock.now.astimezone(tz)

        def start_timer(_scheduler: AsyncIOScheduler, wait: float | None) -> None:
            time.wakes_at = None if wait is None else time.clock.now + timedelta(seconds=wait)

        monkeypatch.setattr(base, "datetime", Moment)
        monkeypatch.setattr(interval, "datetime", Moment)
        monkeypatch.setattr(AsyncIOScheduler, "_start_timer", start_timer)
        return time


class Night:
    """A worker's shifts across some nights."""

    def __init__(self, time: CompressedTime, database: Database, feed: Feed) -> None:
        self.time = time
        self.database = database
        self.feed = feed
        self._boundary = JobBoundary(database, time.clock, on_lease_lost=_never)

    @asynccontextmanager
    async def shift(self) -> AsyncIterator[Shift]:
        """A shift as a worker that has just taken the lease begins it."""
        async with self.database.transaction() as connection:
            lease = await acquire(connection, "live", "the test", timedelta(hours=1))
        assert lease is not None
        clock = self.time.clock
        collector = Collector(self.database, clock)
        shift = Shift(
            lease,
            plan=Plan(regions=ELSEWHERE, poll_interval=timedelta(hours=6)),
            feed=self.feed.client,
            collector=collector,
            live=LiveOdds(self.feed.client, collector, regions=ELSEWHERE, clock=clock),
            boundary=self._boundary,
            jobs=[
                historical_odds_job(self.feed.client, self.database, regions=REGIONS, clock=clock)
            ],
            clock=clock,
        )
        shift.start()
        yield shift
        await shift.stop()
        async with self.database.transaction() as connection:
            await connection.execute("UPDATE worker_lease SET expires_at = '-infinity'")

    async def until(self, shift: Shift, end: datetime) -> None:
        """Let time pass to ``end``, from timer to timer."""
        scheduler = shift._scheduler
        while True:
            await self._quiet(scheduler)
            wakes_at = self.time.wakes_at
            if wakes_at is None or wakes_at > end:
                self.time.clock.now = end
                return
            self.time.clock.now = max(wakes_at, self.time.clock.now)
            scheduler.wakeup()

    async def _quiet(self, scheduler: AsyncIOScheduler) -> None:
        """Wait until no job runs and the scheduler has set its timer."""
        await asyncio.sleep(0)
        while running := scheduler._executors["default"]._pending_futures:
            await asyncio.gather(*running)
            await asyncio.sleep(0)

    async def runs(self) -> list[datetime]:
        """When the nightly job ran."""
        rows = await table(
            self.database,
            "SELECT started_at FROM job_runs WHERE job = $1 AND status = 'succeeded' ORDER BY 1",
            HISTORICAL_ODDS,
        )
        return [started_at for (started_at,) in rows]


def _never(_: str | None) -> None:
    raise AssertionError("the lease was lost")


@pytest.fixture
def start(request: pytest.FixtureRequest) -> datetime:
    at: datetime = request.param
    return at


@pytest.fixture
async def night(
    start: datetime, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Night]:
    time = CompressedTime.of_apscheduler(start, monkeypatch)
    source = GeneratedSource(seed=7, schedule=OrdinarySchedule(7))
    async with Feed.serving(source, time.clock) as feed:
        yield Night(time, database, feed)


def at(day: str, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}Z")


MARCH = [
    at("2026-03-27", "12:00"),
    at("2026-03-28", "01:00"),
    at("2026-03-29", "01:00"),  # there is no 01:00: clocks jump to 02:00
    at("2026-03-30", "00:00"),
    at("2026-03-31", "00:00"),
    at("2026-04-01", "00:00"),
    at("2026-04-02", "00:00"),
]
OCTOBER = [
    at("2026-10-23", "12:00"),
    at("2026-10-24", "00:00"),
    at("2026-10-25", "00:00"),  # 01:00 strikes again an hour later
    at("2026-10-26", "01:00"),
    at("2026-10-27", "01:00"),
    at("2026-10-28", "01:00"),
    at("2026-10-29", "01:00"),
]


@pytest.mark.parametrize(
    ("start", "nights"), [(MARCH[0], MARCH), (OCTOBER[0], OCTOBER)], indirect=["start"]
)
async def test_across_a_clock_change_each_race_day_is_completed_once_and_on_time(
    start: datetime, nights: list[datetime], night: Night
) -> None:
    async with night.shift() as shift:
        await night.until(shift, start + timedelta(days=6))

    # It runs when the shift begins and once a night, at 01:00 or as the clocks jump over it.
    assert await night.runs() == nights
    days = [race_day(start) + timedelta(days=n) for n in range(-7, 6)]
    written = await table(
        night.database,
        "SELECT date_of_race, min(created_at), max(created_at) FROM ra_odds_historical"
        " GROUP BY 1 ORDER BY 1",
    )
    assert written == [
        (day, run, run) for day, run in zip(days, [*[start] * 7, *nights[1:]], strict=True)
    ]
    # Every day is read on each of its three nights, then complete and left alone.
    ledger = await table(
        night.database, "SELECT race_date, results, attempts FROM race_days ORDER BY race_date"
    )
    expected = [
        *((day, "complete", 1) for day in days[:5]),
        (days[5], "complete", 2),
        *((day, "complete", 3) for day in days[6:11]),
        (days[11], "provisional", 2),
        (days[12], "provisional", 1),
    ]
    assert ledger == expected


def in_the_hour_that_comes_twice() -> list[datetime]:
    return [at("2026-10-25", clock) for clock in ("00:20", "00:40", "01:00", "01:20", "01:40")]


@pytest.mark.parametrize("start", [at("2026-10-24", "23:30")], indirect=True)
async def test_a_worker_that_starts_again_in_the_hour_that_comes_twice_reads_nothing_twice(
    night: Night,
) -> None:
    async with night.shift() as shift:
        await night.until(shift, at("2026-10-25", "00:10"))
    async with night.database.connection() as connection:
        before = await checksums(connection)
    night.feed.asked()
    for moment in in_the_hour_that_comes_twice():
        async with night.shift() as shift:
            await night.until(shift, moment)
    asked = night.feed.asked()
    async with night.database.connection() as connection:
        after = await checksums(connection)

    assert "results" not in asked
    assert after == before
    (attempts,) = await table(
        night.database,
        "SELECT attempts FROM race_days WHERE race_date = $1",
        date(2026, 10, 24),
    )
    assert attempts == (1,)


@pytest.mark.parametrize("start", [at("2026-03-28", "23:30")], indirect=True)
async def test_a_night_without_an_answer_is_made_up_for_soon_after(night: Night) -> None:
    night.feed.fail("500")
    async with night.shift() as shift:
        await night.until(shift, at("2026-03-29", "01:10"))
        night.feed.fail()
        await night.until(shift, at("2026-03-29", "02:00"))
        # It failed at 23:30, 00:00 and 00:30, and at 01:00, its own time; then came 01:30.
        assert await night.runs() == [at("2026-03-29", "01:30")]
        assert shift.next_runs()[HISTORICAL_ODDS] == at("2026-03-30", "00:00")
    failed = await table(
        night.database,
        "SELECT started_at FROM job_runs WHERE job = $1 AND status = 'failed' ORDER BY 1",
        HISTORICAL_ODDS,
    )
    assert [moment for (moment,) in failed] == [
        at("2026-03-28", "23:30"),
        at("2026-03-29", "00:00"),
        at("2026-03-29", "00:30"),
        at("2026-03-29", "01:00"),
    ]


@pytest.mark.parametrize("start", [at("2026-06-20", "23:45")], indirect=True)
async def test_a_retry_is_never_later_than_the_nights_own_time(night: Night) -> None:
    night.feed.fail("500")
    async with night.shift() as shift:
        await night.until(shift, at("2026-06-20", "23:50"))
        assert shift.next_runs()[HISTORICAL_ODDS] == at("2026-06-21", "00:00")
