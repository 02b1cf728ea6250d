"""Heartbeats are written with or without the lease: a standby lives, too."""

from datetime import timedelta

import msgspec

from darkhorses.store.heartbeats import Heartbeat
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

_SILENCE = timedelta(days=1)


async def beat(connection: Connection, heartbeat: Heartbeat) -> None:
    """Store what a worker says of itself; when is the database's to say."""
    await queries.heartbeat_write(
        connection,
        worker_id=heartbeat.worker_id,
        hostname=heartbeat.hostname,
        pid=heartbeat.pid,
        version=heartbeat.version,
        role=heartbeat.role.value,
        started_at=heartbeat.started_at,
        jobs=msgspec.json.encode(heartbeat.jobs).decode(),
        feed=msgspec.json.encode(heartbeat.feed).decode(),
        figures=msgspec.json.encode(heartbeat.figures).decode(),
        regions=list(heartbeat.regions),
    )


async def forget(connection: Connection, worker_id: str) -> None:
    """Remove a worker that stops in order."""
    await queries.heartbeat_forget(connection, worker_id=worker_id)


async def forget_silent(connection: Connection, silence: timedelta = _SILENCE) -> None:
    """Remove the workers that have said nothing for so long."""
    await queries.heartbeats_forget_silent(connection, silence=silence)
