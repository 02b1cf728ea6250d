"""What the workers say of themselves every few seconds."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from darkhorses.domain.workers import FeedState, Role
from darkhorses.store.errors import StoreError
from darkhorses.store.lease import ALL_REGIONS
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


_WORSE = (FeedState.OK, FeedState.UNKNOWN, FeedState.FAILING, FeedState.REFUSED)

_JOBS = msgspec.json.Decoder(dict[str, JobStatus])
_FEED = msgspec.json.Decoder(FeedStatus)
_FIGURES = msgspec.json.Decoder(WorkerFigures)


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself; ``started_at`` by its own clock.

    ``regions`` are those that it collects while it leads.
    """

    worker_id: str
    hostname: str
    pid: int
    version: str
    role: Role
    started_at: datetime
    jobs: dict[str, JobStatus]
    feed: FeedStatus
    regions: tuple[str, ...] = tuple(sorted(ALL_REGIONS))
    figures: WorkerFigures = msgspec.field(default_factory=WorkerFigures)


class ReceivedHeartbeat(Heartbeat, frozen=True, kw_only=True):
    """A heartbeat as it was stored: when, and how long ago, by the database's clock."""

    beat_at: datetime
    age: timedelta

    @property
    def is_alive(self) -> bool:
        """Whether the worker has been heard of lately."""
        return self.age < ALIVE


def jobs_together(workers: Sequence[Heartbeat]) -> dict[str, JobStatus]:
    """The jobs of the leaders of all regions: of several that do a job, what fares worst is told.

    The last success is the earliest of theirs.
    """
    if len(workers) == 1:
        return workers[0].jobs
    by_job: dict[str, list[tuple[Heartbeat, JobStatus]]] = {}
    for worker in workers:
        for job, status in worker.jobs.items():
            by_job.setdefault(job, []).append((worker, status))
    return {job: _together(told) for job, told in by_job.items()}


def _together(told: Sequence[tuple[Heartbeat, JobStatus]]) -> JobStatus:
    statuses = [status for _, status in told]
    errors = [f"{', '.join(w.regions)}: {status.error}" for w, status in told if status.error]
    successes = [status.last_success for status in statuses if status.last_success is not None]
    runs = [status.last_run for status in statuses if status.last_run is not None]
    next_runs = [status.next_run for status in statuses if status.next_run is not None]
    worst = next((status for status in statuses if status.error), statuses[0])
    return JobStatus(
        last_run=max(runs, default=None),
        last_success=min(successes) if len(successes) == len(statuses) else None,
        next_run=min(next_runs, default=None),
        status=worst.status,
        reason=worst.reason,
        error="; ".join(errors) or None,
    )


def feed_together(workers: Sequence[Heartbeat]) -> FeedStatus:
    """The feed as the leader finds it who finds it worst; requests are those of all."""
    worst = max(workers, key=lambda worker: _WORSE.index(worker.feed.state)).feed
    return msgspec.structs.replace(
        worst,
        requests=sum(worker.feed.requests for worker in workers),
        failures=sum(worker.feed.failures for worker in workers),
    )


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
    fields["regions"] = tuple(fields["regions"])
    fields["role"] = Role(fields["role"])
    return ReceivedHeartbeat(**fields)
