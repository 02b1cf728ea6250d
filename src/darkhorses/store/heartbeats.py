"""What the workers say of themselves every few seconds."""

from datetime import datetime, timedelta

import asyncpg
import msgspec

from darkhorses.domain.workers import FeedState, Role
from darkhorses.store.errors import StoreError
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries
from darkhorses.store.worker_figures import WorkerFigures

ALIVE = timedelta(seconds=15)
"""A worker whose last heartbeat is older than this counts as gone."""


class FeedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The feed as a worker sees it, since when (UTC), and what it cost since the worker began."""

    state: FeedState = FeedState.UNKNOWN
    detail: str | None = None
    since: datetime | None = None
    requests: int = 0
    failures: int = 0
    breaker: str | None = None


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A job of a worker: when it ran, when it will (UTC), and why it failed or does not run."""

    last_run: datetime | None = None
    last_success: datetime | None = None
    next_run: datetime | None = None
    status: str = "waiting"
    reason: str | None = None
    error: str | None = None


_JOBS = msgspec.json.Decoder(dict[str, JobStatus])
_FEED = msgspec.json.Decoder(FeedStatus)
_FIGURES = msgspec.json.Decoder(WorkerFigures)


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself; ``started_at`` by its own clock."""

    worker_id: str
    hostname: str
    pid: int
    version: str
    role: Role
    started_at: datetime
    jobs: dict[str, JobStatus]
    feed: FeedStatus
    figures: WorkerFigures = msgspec.field(default_factory=WorkerFigures)


class ReceivedHeartbeat(Heartbeat, frozen=True, kw_only=True):
    """A heartbeat as it was stored: when, and how long ago, by the database's clock."""

    beat_at: datetime
    age: timedelta

    @property
    def is_alive(self) -> bool:
        """Whether the worker has been heard of lately."""
        return self.age < ALIVE


async def heartbeats(connection: Connection) -> list[ReceivedHeartbeat]:
    """Every worker's last heartbeat, alive or not; leaders first, the latest first."""
    return [_received(row) async for row in queries.heartbeats_all(connection)]


def _received(row: asyncpg.Record) -> ReceivedHeartbeat:
    fields = dict(row)
    try:
        fields["jobs"] = _JOBS.decode(fields["jobs"])
        fields["feed"] = _FEED.decode(fields["feed"])
        fields["figures"] = _FIGURES.decode(fields["figures"])
    except msgspec.DecodeError as error:
        raise StoreError(
            f"the heartbeat of {row['worker_id']} cannot be understood: {error}"
        ) from error
    fields["role"] = Role(fields["role"])
    return ReceivedHeartbeat(**fields)
