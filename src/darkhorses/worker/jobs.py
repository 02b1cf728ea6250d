"""The boundary of a job: what it did is remembered, how it failed is recorded, nothing escapes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import msgspec
import structlog

from darkhorses.domain.errors import DarkHorsesError
from darkhorses.error_reports import report
from darkhorses.store.errors import LeaseLostError, StoreError
from darkhorses.store.heartbeats import JobStatus
from darkhorses.store.pool import Database
from darkhorses.store.worker_figures import WorkerFigures, add
from darkhorses.store.writing import job_runs
from darkhorses.tracing import span

_log = structlog.get_logger("darkhorses.worker")

_RECORD_PATIENCE = timedelta(seconds=5)

Clock = Callable[[], datetime]
"""Gives the present instant, in UTC."""


class JobBoundary:
    """Runs jobs and knows how each is doing.

    ``on_lease_lost`` is called with the lease's name when a write is refused, ``on_news`` when a
    job begins to fail or has recovered.
    A run that failed is recorded in ``job_runs`` unless it comes by the thousand
    (``record_failure``); with ``record_success`` one that succeeded is too. Errors are kept and
    shown to whoever asks the API: they pass through ``hide``.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        on_lease_lost: Callable[[str | None], None],
        on_news: Callable[[], None] = lambda: None,
        figures: WorkerFigures | None = None,
        hide: Callable[[str], str] = str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._on_lease_lost = on_lease_lost
        self._on_news = on_news
        self._figures = figures if figures is not None else WorkerFigures()
        self._hide = hide
        self._statuses: dict[str, JobStatus] = {}

    @property
    def statuses(self) -> Mapping[str, JobStatus]:
        """Each job's last run, last success, state and error."""
        return self._statuses

    def expect(self, job: str) -> None:
        """Let a job be shown before its first run."""
        self._statuses.setdefault(job, JobStatus(status="waiting"))

    async def run(
        self,
        job: str,
        work: Callable[[], Awaitable[job_runs.Detail | None]],
        *,
        reason: str,
        record_success: bool = False,
        record_failure: bool = True,
    ) -> bool:
        """Run ``work``; True when it succeeded. Only cancellation gets out of here."""
        started = self._clock()
        before = self._statuses.get(job, JobStatus(status="waiting"))
        running = msgspec.structs.replace(before, status="running", last_run=started, reason=reason)
        self._statuses[job] = running
        begun = time.monotonic()
        try:
            with span(f"job {job}"):
                detail = await work()
        except asyncio.CancelledError:
            self._statuses[job] = before
            raise
        except LeaseLostError as error:
            self._figures.fenced_writes += 1
            self._fail(job, running, str(error))
            self._count(job, "failed", begun, says=_log.info)
            self._on_lease_lost(error.lease)
            return False
        except Exception as error:  # noqa: BLE001  # a job's boundary: it is recorded here
            known = isinstance(error, DarkHorsesError)
            message = self._hide(str(error) if known else f"{type(error).__name__}: {error}")
            if message != before.error:
                _log.error("job.failed", job=job, error=message, exc_info=None if known else error)
                report(error, job=job)
            self._fail(job, running, message)
            self._count(job, "failed", begun, says=_log.info if record_failure else _log.debug)
            if message != before.error:
                self._on_news()
            if record_failure:
                await self._record(job, started, error=message)
            return False
        self._statuses[job] = msgspec.structs.replace(
            running, status="ok", last_success=self._clock(), error=None
        )
        self._count(job, "ok", begun, says=_log.info if record_failure else _log.debug, of=detail)
        if before.error is not None or before.last_success is None:
            self._on_news()
        if before.error is not None:
            _log.info("job.recovered", job=job)
        if record_success:
            await self._record(job, started, detail=detail)
        return True

    def _count(
        self,
        job: str,
        outcome: str,
        begun: float,
        *,
        says: Callable[..., object],
        of: job_runs.Detail | None = None,
    ) -> None:
        """Count a run and leave its line in the log; those by the thousand say it at DEBUG."""
        took = time.monotonic() - begun
        add(self._figures.job_runs.setdefault(job, {}), outcome)
        seconds = self._figures.job_seconds
        seconds[job] = round(seconds.get(job, 0.0) + took, 3)
        found = msgspec.to_builtins(of) if of is not None else None
        says("job.finished", job=job, outcome=outcome, ms=round(took * 1000), found=found)

    def _fail(self, job: str, running: JobStatus, message: str) -> None:
        self._statuses[job] = msgspec.structs.replace(running, status="failed", error=message)

    async def _record(
        self,
        job: str,
        started: datetime,
        *,
        detail: job_runs.Detail | None = None,
        error: str | None = None,
    ) -> None:
        try:
            async with self._database.connection(patience=_RECORD_PATIENCE) as connection:
                await job_runs.record(
                    connection,
                    job=job,
                    started_at=started,
                    finished_at=self._clock(),
                    detail=detail,
                    error=error,
                )
        except StoreError as store_error:
            _log.warning("job.not_recorded", job=job, error=str(store_error))
