"""Workers of split regions as the database knows them, without the workers."""

from datetime import timedelta
from typing import Any

from darkhorses.domain.workers import Role
from darkhorses.store.lease import DONE_ONCE, Scope, collecting
from darkhorses.store.pool import Database
from darkhorses.store.writing.lease import acquire
from tests.market import beat_now

GB = collecting(["gb"])
IRE = collecting(["ire"])


async def lead(database: Database, scope: Scope, worker_id: str, **facts: Any) -> None:
    """Have a worker hold a lease for an hour; with the one of regions, it says so itself."""
    async with database.connection() as connection:
        lease = await acquire(
            connection, scope.name, worker_id, timedelta(hours=1), duties=scope.duties
        )
    assert lease is not None
    if scope != DONE_ONCE:
        await beat_now(
            database, worker_id=worker_id, role=Role.LEADER, regions=scope.duties, **facts
        )


async def die(database: Database, scope: Scope, *, ago: str = "40 s") -> None:
    """Have the holder of a lease of regions die so long ago, or let go of what is done once."""
    async with database.connection() as connection:
        if scope != DONE_ONCE:
            await connection.execute(
                "UPDATE worker_heartbeats SET beat_at = clock_timestamp() - $2::text::interval"
                " WHERE worker_id = (SELECT holder FROM worker_lease WHERE name = $1)",
                scope.name,
                ago,
            )
        await connection.execute(
            "UPDATE worker_lease SET expires_at = clock_timestamp() - $2::text::interval"
            " WHERE name = $1",
            scope.name,
            ago,
        )
