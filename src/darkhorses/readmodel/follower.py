"""Following the database: the market and the workers as they were last seen.

```
 start ──first load──▶ up to date ──two reads fail──▶ away ──a read succeeds──▶ up to date
   └─────── two reads fail: away, with nothing loaded ──┘
```

A turn is one cheap question ("how far are the market and the change log?") a second; rows are read
only when one of them moved. A wake-up makes the next turn come at once.
"""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta

import msgspec
import structlog

from darkhorses.domain.london import race_day
from darkhorses.readmodel.loading import MARKS_PATIENCE, refreshed
from darkhorses.readmodel.market import Market
from darkhorses.readmodel.tail import Tail
from darkhorses.store.errors import SchemaOutdatedError, SchemaTooNewError, StoreError
from darkhorses.store.heartbeats import ReceivedHeartbeat, heartbeats
from darkhorses.store.lease import LeaseState, wanted_leases
from darkhorses.store.listening import MARKET_CHANNEL, listen
from darkhorses.store.migrations import require_current_schema
from darkhorses.store.pool import Database

log = structlog.get_logger()

DAYS_KEPT = timedelta(days=1)
"""Races of yesterday (London) stay in memory: some are still run past midnight."""

POLL_INTERVAL = timedelta(seconds=1)
WORKERS_INTERVAL = timedelta(seconds=2)
LONGEST_TURN = timedelta(seconds=30)
FAILURES_TO_BE_AWAY = 2
"""One connection that was cut between two turns is no database that is away."""

LONGEST_PAUSE = timedelta(seconds=5)


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the database's market, and since when the database is away (UTC)."""

    market: Market
    loaded: bool = False
    away_since: datetime | None = None
    away_reason: str | None = None


class SeenWorkers(msgspec.Struct, frozen=True, kw_only=True):
    """The workers' heartbeats, and the leases that are wanted, as they were at ``seen_at``."""

    heartbeats: tuple[ReceivedHeartbeat, ...]
    leases: tuple[LeaseState, ...] = ()
    seen_at: datetime


class Follower:
    """Keeps ``now`` and ``workers`` up to date while ``run`` runs; never writes.

    ``workers`` stays None where nobody asks for them. ``read_at`` is the last turn that read the
    database, ``lag`` how long the newest price change took from being seen to being here.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        poll_interval: timedelta = POLL_INTERVAL,
        with_workers: bool = True,
    ) -> None:
        self._database = database
        self._clock = clock
        self._poll_interval = poll_interval
        self._with_workers = with_workers
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()
        self.now = Followed(market=Market(from_day=_first_day(clock())))
        self.tail = Tail(self.now.market.from_day)
        self.workers: SeenWorkers | None = None
        self.read_at: datetime | None = None
        self.lag: timedelta | None = None

    def wake(self) -> None:
        """Have the next turn come at once."""
        self._wake.set()

    async def until(self, condition: Callable[["Follower"], bool]) -> None:
        """Wait until what is followed fulfils a condition."""
        async with self._moved:
            await self._moved.wait_for(lambda: condition(self))

    async def run(self) -> None:
        """Follow until cancelled; raises SchemaOutdatedError and SchemaTooNewError at the start."""
        schema_checked = False
        failures = 0
        while True:
            self._wake.clear()
            try:
                async with asyncio.timeout(LONGEST_TURN.total_seconds()):
                    if not schema_checked:
                        await require_current_schema(self._database)
                        schema_checked = True
                    await self._turn()
                failures = 0
            except (SchemaOutdatedError, SchemaTooNewError):
                raise
            except Exception as error:  # noqa: BLE001  # the boundary: told, kept, tried again
                failures += 1
                if failures >= FAILURES_TO_BE_AWAY:
                    await self._set_away(error)
            await self._pause(failures)

    async def _turn(self) -> None:
        market = self.now.market
        now = self._clock()
        first_day = _first_day(now)
        if market.from_day != first_day:
            market = market.from_day_on(first_day)
        seen_before = self.tail.newest_seen_at
        market = await refreshed(self._database, market, self.tail, now)
        self.read_at = self._clock()
        if self.tail.newest_seen_at not in (None, seen_before):
            self.lag = self.read_at - self.tail.newest_seen_at
        workers = await self._seen_workers()
        await self._set_up_to_date(market, workers)

    async def _seen_workers(self) -> SeenWorkers | None:
        if not self._with_workers:
            return None
        now = self._clock()
        if self.workers is not None and now - self.workers.seen_at < WORKERS_INTERVAL:
            return self.workers
        async with self._database.connection(patience=MARKS_PATIENCE) as connection:
            return SeenWorkers(
                heartbeats=tuple(await heartbeats(connection)),
                leases=tuple(await wanted_leases(connection)),
                seen_at=now,
            )

    async def _set_up_to_date(self, market: Market, workers: SeenWorkers | None) -> None:
        before = self.now
        is_news = not before.loaded or before.away_since is not None or market is not before.market
        if not is_news and workers is self.workers:
            return
        if before.away_since is not None:
            log.info("market.database_back", away_since=before.away_since.isoformat())
        if not before.loaded:
            log.info("market.loaded", races=len(market.races), revision=market.revision)
        if is_news:
            self.now = Followed(market=market, loaded=True)
        self.workers = workers
        await self._tell()

    async def _set_away(self, error: Exception) -> None:
        if self.now.away_since is not None:
            return
        reason = str(error) if isinstance(error, StoreError) else type(error).__name__
        log.warning("market.database_away", reason=reason, exc_info=not _is_expected(error))
        self.now = msgspec.structs.replace(self.now, away_since=self._clock(), away_reason=reason)
        await self._tell()

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _pause(self, failures: int) -> None:
        seconds = self._poll_interval.total_seconds()
        if failures:
            seconds = min(LONGEST_PAUSE.total_seconds(), 0.25 * 2 ** min(failures, 10))
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass


async def keep_listening(url: str, follower: Follower) -> None:
    """Wake the follower at every write, over a connection that is made again when it is lost."""
    failures = 0
    while True:
        try:
            await listen(url, MARKET_CHANNEL, follower.wake)
            failures = 0
        except Exception as error:  # noqa: BLE001  # the boundary: the poll does without it
            failures += 1
            log.debug("market.not_listening", reason=str(error))
        await asyncio.sleep(min(LONGEST_PAUSE.total_seconds(), 0.25 * 2 ** min(failures, 10)))


def _first_day(now: datetime) -> date:
    return race_day(now) - DAYS_KEPT


def _is_expected(error: Exception) -> bool:
    return isinstance(error, (StoreError, TimeoutError))
