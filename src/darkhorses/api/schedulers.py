"""What the jobs do and how they fare, as the leading worker's heartbeat tells it."""

from datetime import datetime

import msgspec

from darkhorses.domain.london import LONDON
from darkhorses.domain.workers import Role
from darkhorses.store.heartbeats import JobStatus, ReceivedHeartbeat, jobs_together
from darkhorses.store.poll_cycles import PollCycle

NOT_CONFIGURED = "not_configured"


class Scheduler(msgspec.Struct, frozen=True, kw_only=True):
    """A job: what it does and when, and how its last run went.

    ``status`` is the worker's word for it, ``not_running`` while no worker leads, or
    ``not_configured`` for a job that this version does not run.
    """

    name: str
    schedule: str
    description: str
    details: dict[str, str | int | float | None]
    last_run: datetime | None
    last_success: datetime | None
    next_run: datetime | None
    status: str
    error: str | None


class Schedulers(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs by the names of the earlier system, and those that are new beside them."""

    live_odds: Scheduler
    historical_odds: Scheduler
    statistics_updater: Scheduler
    reference: Scheduler
    gap_repair: Scheduler
    retention: Scheduler
    webhooks: Scheduler


class WorkerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as last heard of."""

    role: Role
    alive: bool
    version: str
    started_at: datetime
    beat_at: datetime
    age_seconds: float


class SystemInfo(msgspec.Struct, frozen=True, kw_only=True):
    """This service: its version, its clock, and the zone in which race days are decided."""

    version: str
    server_time: datetime
    timezone: str


class SchedulerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the collecting of prices fares."""

    success: bool
    schedulers: Schedulers
    workers: tuple[WorkerRow, ...]
    system_info: SystemInfo


class _Job(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    name: str
    schedule: str
    description: str


_LIVE_ODDS = _Job(
    key="live_odds",
    name="Live odds",
    schedule="every 10 s to 15 min, by each race's stage",
    description="Looks at the races of today and tomorrow and keeps every change of a price.",
)
_HISTORICAL_ODDS = _Job(
    key="historical_odds",
    name="Historical odds",
    schedule="nightly, by race day",
    description="Keeps the results and starting prices of each race day.",
)
_STATISTICS = _Job(
    key="statistics",
    name="Statistics",
    schedule="every 10 minutes",
    description="Counts what has been collected.",
)
_REFERENCE = _Job(
    key="reference",
    name="Courses and bookmakers",
    schedule="daily",
    description="Reads the feed's courses and notes which bookmakers still quote.",
)
_GAP_REPAIR = _Job(
    key="gap_repair",
    name="Gap repair",
    schedule="every 5 minutes, while the feed has room",
    description="Adds what polling missed of a race from the feed's price histories.",
)
_RETENTION = _Job(
    key="retention",
    name="Months of the change log",
    schedule="daily",
    description="Makes room for the coming months; retires old ones where that is asked for.",
)
_WEBHOOKS = _Job(
    key="webhooks",
    name="Webhooks",
    schedule="when there is something to tell",
    description="Delivers to the registered webhooks what happens, until it has arrived.",
)
_COLLECTING = frozenset(
    job.key for job in (_LIVE_ODDS, _STATISTICS, _REFERENCE, _GAP_REPAIR, _RETENTION, _WEBHOOKS)
)


def scheduler_status(
    workers: tuple[ReceivedHeartbeat, ...],
    leaders: tuple[ReceivedHeartbeat, ...],
    cycle: PollCycle | None,
    *,
    now: datetime,
    version: str,
) -> SchedulerStatus:
    """Tell of every job what the leaders, or else the last to lead, say of it."""
    tellers = leaders or tuple(worker for worker in workers if worker.role is Role.LEADER)[:1]
    jobs = jobs_together(tellers)
    runs = bool(leaders)
    return SchedulerStatus(
        success=True,
        schedulers=Schedulers(
            live_odds=_scheduler(_LIVE_ODDS, jobs, runs=runs, details=_details_of(cycle)),
            historical_odds=_scheduler(_HISTORICAL_ODDS, jobs, runs=runs),
            statistics_updater=_scheduler(_STATISTICS, jobs, runs=runs),
            reference=_scheduler(_REFERENCE, jobs, runs=runs),
            gap_repair=_scheduler(_GAP_REPAIR, jobs, runs=runs),
            retention=_scheduler(_RETENTION, jobs, runs=runs),
            webhooks=_scheduler(_WEBHOOKS, jobs, runs=runs),
        ),
        workers=tuple(
            WorkerRow(
                role=worker.role,
                alive=worker.is_alive,
                version=worker.version,
                started_at=worker.started_at,
                beat_at=worker.beat_at,
                age_seconds=round(worker.age.total_seconds(), 1),
            )
            for worker in workers
        ),
        system_info=SystemInfo(version=version, server_time=now, timezone=LONDON.key),
    )


def _scheduler(
    job: _Job,
    jobs: dict[str, JobStatus],
    *,
    runs: bool,
    details: dict[str, str | int | float | None] | None = None,
) -> Scheduler:
    told = jobs.get(job.key)
    if told is not None:
        status = told.status if runs else "not_running"
    else:
        status = "not_running" if job.key in _COLLECTING else NOT_CONFIGURED
    told = told or JobStatus()
    return Scheduler(
        name=job.name,
        schedule=job.schedule,
        description=job.description,
        details={**(details or {}), **({"reason": told.reason} if told.reason else {})},
        last_run=told.last_run,
        last_success=told.last_success,
        next_run=told.next_run if runs else None,
        status=status,
        error=told.error,
    )


def _details_of(cycle: PollCycle | None) -> dict[str, str | int | float | None]:
    if cycle is None:
        return {}
    return {
        "last_card_at": cycle.fetch_timestamp.isoformat(),
        "races": cycle.races_count,
        "horses": cycle.horses_count,
        "bookmakers": cycle.bookmakers_found,
        "quotes": cycle.total_odds_fetched,
        "changed": cycle.changed_count,
        "milliseconds": cycle.fetch_duration_ms,
        "errors": cycle.errors_count,
    }
