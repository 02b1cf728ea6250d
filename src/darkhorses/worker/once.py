"""A job run once from the command line, with the lease held for as long as it runs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date, timedelta

import msgspec

from darkhorses.database import open_database
from darkhorses.settings import Settings
from darkhorses.store.errors import LeaseLostError, StoreError
from darkhorses.store.lease import DONE_ONCE, Scope, collecting
from darkhorses.store.migrations import require_current_schema
from darkhorses.store.pool import Database
from darkhorses.store.writing import lease as leases
from darkhorses.store.writing.lease import TTL, Lease
from darkhorses.upstream.client import RacingApi
from darkhorses.worker.app import clock, feed_access, worker_id
from darkhorses.worker.collecting import Collected, Collector
from darkhorses.worker.gap_repair import GapRepair, Repaired
from darkhorses.worker.live_odds import LiveOdds
from darkhorses.worker.statistics import Refreshed, Updater


class OneLook(msgspec.Struct, frozen=True, kw_only=True):
    """What one cycle of the live odds job found, what it asked for, and how long it took."""

    found: Collected
    requests: int
    milliseconds: int


async def look_once(settings: Settings, days: Sequence[date]) -> OneLook:
    """Look at the whole card of some days (none: today and tomorrow) and write what changed.

    Raises LeaseLostError when a worker collects one of the regions: two must not write.
    """
    access = feed_access(settings)
    async with (
        open_database(settings, max_connections=2, application_name="darkhorses run") as database,
        RacingApi.open(access, clock=clock) as feed,
    ):
        await require_current_schema(database)
        async with held_lease(database, collecting(settings.regions)) as lease:
            started = clock()
            live = LiveOdds(feed, Collector(database, clock), regions=settings.regions, clock=clock)
            found = await live.poll_cards(lease, days)
            took = clock() - started
            return OneLook(
                found=found,
                requests=feed.requests,
                milliseconds=int(took.total_seconds() * 1000),
            )


async def repair_once(settings: Settings) -> Repaired:
    """Repair the gaps of every race that is due, as far as the feed has room.

    Raises LeaseLostError when a worker collects one of the regions: two must not write.
    """
    access = feed_access(settings)
    async with (
        open_database(settings, max_connections=2, application_name="darkhorses run") as database,
        RacingApi.open(access, clock=clock) as feed,
    ):
        await require_current_schema(database)
        repair = GapRepair(feed, database, asyncio.Lock(), clock, regions=settings.regions)
        async with held_lease(database, collecting(settings.regions)) as lease:
            return await repair.run(lease)


async def refresh_statistics_once(settings: Settings) -> Refreshed:
    """Bring the statistics up to date, however long it takes.

    Raises LeaseLostError when a worker leads: it does so itself.
    """
    async with open_database(
        settings, max_connections=2, application_name="darkhorses run"
    ) as database:
        await require_current_schema(database)
        updater = Updater(
            database, clock=clock, card_interval=timedelta(seconds=settings.poll_interval)
        )
        async with held_lease(database, DONE_ONCE) as lease:
            return await updater.refresh(lease)


@asynccontextmanager
async def held_lease(database: Database, scope: Scope) -> AsyncIterator[Lease]:
    """Hold a lease while the block runs; raises LeaseLostError when a worker has its duties."""
    async with database.transaction() as connection:
        lease = await leases.acquire(connection, scope.name, worker_id(), duties=scope.duties)
    if lease is None:
        raise LeaseLostError("a worker leads and runs its jobs already: stop it first")
    renewing = asyncio.create_task(_keep(database, lease))
    try:
        yield lease
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        async with database.transaction() as connection:
            await leases.release(connection, lease)


async def _keep(database: Database, lease: Lease) -> None:
    """Renew the lease; a renewal that fails shows in the write, which is fenced."""
    while True:
        await asyncio.sleep(TTL.total_seconds() / 4)
        with suppress(StoreError):
            async with database.transaction() as connection:
                await leases.renew(connection, lease)
