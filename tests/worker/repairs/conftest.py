"""A feed with histories, a log that missed much of them, and the means to repair it."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from darkhorses.domain.gaps import PricePoint
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.races import QuoteKey
from darkhorses.simulator import Options, Simulator, running_simulator
from darkhorses.store.gap_repairs import GapRepair as StoredRepair
from darkhorses.store.gap_repairs import quote_logs_of, repairs_of
from darkhorses.store.pool import Database
from darkhorses.store.writing import lease as leases
from darkhorses.store.writing.lease import Lease
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.errors import NotFoundError
from darkhorses.upstream.pacing import Paces
from darkhorses.upstream.requests import FeedAccess
from darkhorses.worker.collecting import Collector
from darkhorses.worker.gap_repair import GapRepair, Repaired
from darkhorses.worker.live_odds import LiveOdds
from tests.feeds import UNPACED
from tests.market import StoppedClock

DAY = date(2026, 10, 10)
MORNING = datetime(2026, 10, 10, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ODDS = "odds/{race_id}/{horse_id}"


class Yard:
    """A worker's parts by hand: a simulated feed, a collector, and the repair of its gaps."""

    def __init__(
        self, database: Database, lease: Lease, simulator: Simulator, clock: StoppedClock
    ) -> None:
        self.database = database
        self.lease = lease
        self.simulator = simulator
        self.clock = clock
        self.feed: RacingApi
        self.collector: Collector
        self.live: LiveOdds
        self.gaps: GapRepair

    def employ(self, feed: RacingApi) -> None:
        """Have a worker that knows nothing yet ask the feed this way."""
        self.feed = feed
        self.collector = Collector(self.database, self.clock)
        self.live = LiveOdds(feed, self.collector, regions=("ire",), clock=self.clock)
        self.gaps = GapRepair(
            feed, self.database, self.collector.writing, self.clock, regions=("ire",)
        )

    async def look(self, race_id: RaceId, *, at: datetime) -> None:
        self.clock.now = at
        await self.live.poll_race(race_id, self.lease)

    async def off_of(self, race_id: RaceId) -> datetime:
        (card,) = (await self.feed.race(race_id)).cards
        return card.race.off_dt

    async def repair(self, *, at: datetime | None = None) -> Repaired:
        if at is not None:
            self.clock.now = at
        return await self.gaps.run(self.lease)

    async def stored(self, race_id: RaceId) -> StoredRepair:
        async with self.database.connection() as connection:
            return (await repairs_of(connection, [race_id]))[race_id]

    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *values)]

    def asked(self) -> int:
        return sum(self.simulator.requests.get(ODDS, {}).values())

    async def true_paths(self, race_id: RaceId) -> dict[QuoteKey, list[PricePoint]]:
        """The simulator's own path of every quote, repeats left out."""
        (card,) = (await self.feed.race(race_id)).cards
        paths: dict[QuoteKey, list[PricePoint]] = {}
        for horse_id in card.runners:
            try:
                history = await self.feed.odds_history(race_id, horse_id)
            except NotFoundError:
                continue
            for bookmaker_id, path in history.paths.items():
                found = changes(path)
                if found:
                    paths[horse_id, bookmaker_id] = found
        return paths

    async def logged_paths(self, race_id: RaceId) -> dict[QuoteKey, list[PricePoint]]:
        """What the log says of every quote, in the order in which its prices took effect."""
        async with self.database.connection() as connection:
            log = await quote_logs_of(connection, DAY, race_id)
        paths = {key: changes(entries) for key, entries in log.entries.items()}
        return {key: path for key, path in paths.items() if path}


def changes(path: Collection[PricePoint]) -> list[PricePoint]:
    found: list[PricePoint] = []
    for point in path:
        if point.price != (found[-1].price if found else None):
            found.append(PricePoint(at=point.at, price=point.price))
    return found


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(MORNING)


@pytest.fixture
async def simulator(clock: StoppedClock) -> AsyncIterator[Simulator]:
    # A refresh a minute: what a look sees is what the history of its minute says.
    async with running_simulator(Options(refresh=60, limits=False), clock=clock) as running:
        yield running


def access_to(simulator: Simulator, paces: Paces = UNPACED) -> FeedAccess:
    return FeedAccess(
        base_url=simulator.base_url,
        username="simulator",
        password="simulator",
        paces=paces,
        attempts=1,
    )


@pytest.fixture
async def yard(
    database: Database, simulator: Simulator, clock: StoppedClock
) -> AsyncIterator[Yard]:
    async with database.transaction() as connection:
        lease = await leases.acquire(connection, "market", "the test", ttl=HOUR)
    assert lease is not None
    async with RacingApi.open(access_to(simulator), clock=clock) as feed:
        yard = Yard(database, lease, simulator, clock)
        yard.employ(feed)
        yield yard


@pytest.fixture
async def race_id(yard: Yard) -> RaceId:
    """A race with a non-runner, from a card that was looked at."""
    page = await yard.feed.racecards(DAY, ("ire",))
    run = [card for card in page.cards if not card.race.is_abandoned]
    return min(run, key=lambda card: (card.race.off_dt, card.race.race_id)).race.race_id


async def look_now_and_then(yard: Yard, race_id: RaceId) -> datetime:
    """Look at a race eight times in its last three hours, which misses much; its off."""
    off_dt = await yard.off_of(race_id)
    for minutes in (180, 120, 90, 45, 20, 8, 3, -15):
        await yard.look(race_id, at=off_dt - minutes * MINUTE + timedelta(seconds=7))
    return off_dt
