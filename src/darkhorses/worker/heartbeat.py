"""The worker's heartbeat: every few seconds, and at once when its role changes."""

import asyncio
import os
import resource
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from darkhorses import __version__
from darkhorses.domain.workers import FeedState, Role
from darkhorses.store.errors import StoreError
from darkhorses.store.heartbeats import FeedStatus, Heartbeat, JobStatus
from darkhorses.store.pool import Database
from darkhorses.store.worker_figures import WorkerFigures
from darkhorses.store.writing import heartbeats
from darkhorses.store.writing.lease import Lease
from darkhorses.upstream.client import RacingApi
from darkhorses.worker.jobs import JobBoundary

_log = structlog.get_logger("darkhorses.worker")

_EVERY = 5.0
_PATIENCE = timedelta(seconds=_EVERY)


class Heart:
    """Tells the database what the worker is doing, every 5 s and at once when there is ``news``.

    Jobs that are ``done_elsewhere`` are another leader's to tell of; the first of the ``leases``
    is that of the worker's regions.
    A database that is away is left in peace.
    """

    def __init__(
        self,
        worker_id: str,
        *,
        database: Database,
        feed: RacingApi,
        boundary: JobBoundary,
        regions: Sequence[str],
        is_leader: Callable[[], bool],
        done_elsewhere: Callable[[], Collection[str]],
        next_runs: Callable[[], Mapping[str, datetime]],
        started_at: datetime,
        news: asyncio.Event,
        figures: WorkerFigures,
        leases: Callable[[], Sequence[Lease]],
    ) -> None:
        self._worker_id = worker_id
        self._database = database
        self._feed = feed
        self._boundary = boundary
        self._regions = tuple(regions)
        self._is_leader = is_leader
        self._done_elsewhere = done_elsewhere
        self._next_runs = next_runs
        self._started_at = started_at
        self._news = news
        self._figures = figures
        self._leases = leases

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._news.clear()
            with suppress(StoreError):  # leadership logs that the database is away
                async with self._database.transaction(patience=_PATIENCE) as connection:
                    await heartbeats.beat(connection, self.heartbeat())
                    await heartbeats.forget_silent(connection)
            # Not wait_for: before Python 3.12 it swallows a cancellation that comes with news.
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await self._news.wait()

    async def stop(self) -> None:
        """Be forgotten: a worker that stopped in order is not one that died."""
        async with self._database.connection() as connection:
            await heartbeats.forget(connection, self._worker_id)

    def heartbeat(self) -> Heartbeat:
        """What the worker says of itself at this moment."""
        return Heartbeat(
            worker_id=self._worker_id,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            role=Role.LEADER if self._is_leader() else Role.STANDBY,
            started_at=self._started_at,
            jobs=self._jobs(),
            feed=feed_status(self._feed),
            regions=self._regions,
            figures=self._counted(),
        )

    def _counted(self) -> WorkerFigures:
        outcomes = self._feed.outcomes
        leases = self._leases()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return msgspec.structs.replace(
            self._figures,
            feed_requests={name: dict(counts) for name, counts in outcomes.by_endpoint.items()},
            feed_retries=outcomes.retries,
            epoch=leases[0].epoch if leases else None,
            leases={lease.name: lease.epoch for lease in leases},
            cpu_seconds=round(usage.ru_utime + usage.ru_stime, 2),
            memory_bytes=_resident_bytes(),
            asyncio_tasks=len(asyncio.all_tasks()),
        )

    def _jobs(self) -> dict[str, JobStatus]:
        next_runs = self._next_runs()
        elsewhere = self._done_elsewhere()
        jobs = {
            job: msgspec.structs.replace(status, next_run=next_runs.get(job))
            for job, status in self._boundary.statuses.items()
            if job not in elsewhere
        }
        if self._is_leader():
            return jobs
        return {
            job: msgspec.structs.replace(status, reason="standby: another worker leads")
            for job, status in jobs.items()
        }


def _resident_bytes() -> int:
    """The memory that this process has at present; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def feed_status(feed: RacingApi) -> FeedStatus:
    """How the feed answers, as its last answers say."""
    outcomes = feed.outcomes
    failing = outcomes.failing
    if failing is not None:
        state = FeedState.REFUSED if outcomes.refused else FeedState.FAILING
    else:
        state = FeedState.UNKNOWN if outcomes.last_success_at is None else FeedState.OK
    return FeedStatus(
        state=state,
        detail=None if failing is None else str(failing),
        since=outcomes.last_success_at if failing is None else outcomes.last_failure_at,
        requests=feed.requests,
        failures=feed.requests - outcomes.counts["ok"],
        breaker=feed.breaker.value,
    )
