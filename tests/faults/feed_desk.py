"""A worker's looks at a simulated feed that can be broken, beside the truth of another simulator.

The simulated world is a function of its seed and the time, so a second source says what the feed
would have said at any instant, whatever went wrong on the way.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.london import race_day
from darkhorses.simulator import Options, Simulator, running_simulator
from darkhorses.store.heartbeats import JobStatus
from darkhorses.store.pool import Database
from darkhorses.store.writing import lease as leases
from darkhorses.store.writing.lease import Lease
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.requests import FeedAccess
from darkhorses.worker.collecting import Collected, Collector
from darkhorses.worker.jobs import JobBoundary
from darkhorses.worker.live_odds import LiveOdds
from tests.collecting import DOUBLED
from tests.feeds import UNPACED
from tests.market import StoppedClock
from tests.simulator.worlds import cards, is_non_runner, ordinary

SEED = 7
REGIONS = ("ire",)
MORNING = datetime(2026, 10, 10, 8, 0, tzinfo=UTC)
Offers = dict[tuple[str, str, str], str]
"""Decimals on offer by race, horse and bookmaker."""

_LIVE = """
    SELECT race_id, horse_id, bookmaker_id, trim_scale(odds_decimal)::text FROM ra_odds_live
    WHERE odds_decimal IS NOT NULL
"""
_LOGGED = """
    SELECT race_id, horse_id, bookmaker_id, trim_scale(odds_decimal)::text FROM (
        SELECT DISTINCT ON (race_id, horse_id, bookmaker_id)
            race_id, horse_id, bookmaker_id, odds_decimal
        FROM ra_odds_changes WHERE coalesce(changed_at, seen_at) <= $1
        ORDER BY race_id, horse_id, bookmaker_id, coalesce(changed_at, seen_at) DESC,
            change_id DESC
    ) AS newest WHERE odds_decimal IS NOT NULL
"""


class FeedDesk:
    """The parts of a worker that look at the feed, on a clock that a test moves.

    ``apart`` is how far the feed's clock is before ours.
    """

    def __init__(
        self,
        *,
        database: Database,
        lease: Lease,
        simulator: Simulator,
        feed: RacingApi,
        clock: StoppedClock,
        apart: timedelta,
    ) -> None:
        self.database = database
        self.lease = lease
        self.simulator = simulator
        self.feed = feed
        self.clock = clock
        self._apart = apart
        self._truth = ordinary(SEED)
        self._boundary = JobBoundary(database, clock, on_lease_lost=_never)
        self.collector = Collector(database, clock)
        self.live = LiveOdds(feed, self.collector, regions=REGIONS, clock=clock)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        database: Database,
        start: datetime,
        *,
        apart: timedelta = timedelta(0),
        timeout: timedelta = timedelta(seconds=5),
    ) -> AsyncIterator[Self]:
        clock = StoppedClock(start)
        async with database.transaction() as connection:
            lease = await leases.acquire(connection, "live", "the test", timedelta(hours=1))
        assert lease is not None
        options = Options(seed=SEED, limits=False)
        async with running_simulator(options, clock=lambda: clock() + apart) as simulator:
            access = FeedAccess(
                base_url=simulator.base_url,
                username="simulator",
                password="simulator",
                paces=UNPACED,
                timeout=timeout,
                attempts=2,
                backoff=timedelta(milliseconds=1),
                longest_wait=timedelta(0),
                breaker_threshold=1000,
            )
            async with RacingApi.open(access, clock=clock) as feed:
                yield cls(
                    database=database,
                    lease=lease,
                    simulator=simulator,
                    feed=feed,
                    clock=clock,
                    apart=apart,
                )

    async def look(self) -> bool:
        """Look at the whole card as the job does; whether it succeeded."""
        return await self._boundary.run("live_odds", self._look, reason="a test")

    async def look_at(self, race_id: RaceId) -> bool:
        """Look at one race as the job does; whether it succeeded."""

        async def work() -> Collected:
            return await self.live.poll_race(race_id, self.lease)

        return await self._boundary.run("hot_races", work, reason="a test", record_failure=False)

    def status(self, job: str = "live_odds") -> JobStatus:
        return self._boundary.statuses[job]

    async def truth(self) -> Offers:
        """What is on offer now, by the other simulator; a card says nothing of days gone by."""
        now = self.clock() + self._apart
        today = race_day(self.clock())
        races = [
            race
            for day in (today, today + timedelta(days=1))
            for race in await cards(self._truth, day, now)
            if race["region"].lower() in REGIONS
        ]
        return {key: decimal for race in races for key, decimal in offers_of(race).items()}

    async def on_offer(self) -> Offers:
        """What is stored as on offer."""
        rows = await self.rows(_LIVE)
        return {(race, horse, book): decimal for race, horse, book, decimal in rows}

    async def check_log(self) -> None:
        """No entry says what the one before it said, and the log in order of time leads to now."""
        assert await self.rows(DOUBLED) == [(0,)]
        rows = await self.rows(_LOGGED, self.clock())
        logged = {(race, horse, book): decimal for race, horse, book, decimal in rows}
        assert logged == await self.on_offer()

    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *values)]

    async def _look(self) -> Collected:
        return await self.live.poll_cards(self.lease)


def offers_of(race: dict[str, Any]) -> Offers:
    """The decimals on offer that a card in the feed's JSON says."""
    found: Offers = {}
    for runner in race["runners"]:
        for quote in runner["odds"]:
            book = bookmaker_named(quote["bookmaker"]).bookmaker_id
            text = quote["decimal"]
            if (
                text.replace(".", "", 1).isdecimal()
                and float(text) > 1
                and not is_non_runner(runner)
            ):
                found[race["race_id"], runner["horse_id"], book] = plain(text)
    return found


def plain(decimal: str) -> str:
    """A decimal without needless zeros, as the database writes it."""
    return decimal.rstrip("0").rstrip(".") if "." in decimal else decimal


def _never(_: str | None) -> None:
    raise AssertionError("the lease is held for as long as the test runs")
