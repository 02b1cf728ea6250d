"""The worker's composition root: makes the parts, joins them, and runs until told to stop."""

import asyncio
import os
import signal
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import structlog

from darkhorses import __version__
from darkhorses.database import open_database
from darkhorses.domain.errors import SettingError
from darkhorses.domain.retention import Retention
from darkhorses.settings import Settings, read_environment, redaction_of
from darkhorses.store.errors import DatabaseUnavailableError, StoreError
from darkhorses.store.lease import DONE_ONCE, collecting, is_for_everything
from darkhorses.store.migrations import require_current_schema
from darkhorses.store.pool import Database
from darkhorses.store.worker_figures import WorkerFigures
from darkhorses.store.writing.lease import Lease
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.pacing import Paces
from darkhorses.upstream.requests import FeedAccess
from darkhorses.webhooks.sending import Sender
from darkhorses.worker.collecting import Collector
from darkhorses.worker.collecting_status import CollectingStatus
from darkhorses.worker.delivering import WEBHOOKS, Deliveries
from darkhorses.worker.gap_repair import gap_repair_job
from darkhorses.worker.heartbeat import Heart
from darkhorses.worker.historical_odds import historical_odds_job
from darkhorses.worker.jobs import JobBoundary
from darkhorses.worker.leadership import Leadership
from darkhorses.worker.live_odds import LiveOdds
from darkhorses.worker.reference import reference_job
from darkhorses.worker.retention import retention_job
from darkhorses.worker.shift import HOT_RACES, LIVE_ODDS, Duties, Plan, Shift
from darkhorses.worker.statistics import statistics_job

_log = structlog.get_logger("darkhorses.worker")

_CONNECTIONS = 2
_WAIT_FOR_DATABASE = 2.0


def clock() -> datetime:
    """The present instant, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  # the composition root's clock


def feed_access(settings: Settings) -> FeedAccess:
    """How to reach the feed; raises SettingError when user name or password is not set."""
    if settings.racing_api_username is None:
        raise SettingError("RACING_API_USERNAME: not set, expected your user name at the feed")
    if settings.racing_api_password is None:
        raise SettingError("RACING_API_PASSWORD: not set, expected your password at the feed")
    return FeedAccess(
        base_url=settings.racing_api_base_url,
        username=settings.racing_api_username,
        password=settings.racing_api_password,
        paces=Paces(
            racecards_per_second=settings.racecards_per_second,
            races_per_second=settings.races_per_second,
            courses_per_second=settings.courses_per_second,
            requests_per_ten_seconds=settings.requests_per_ten_seconds,
        ),
    )


def retention_of(settings: Settings) -> Retention | None:
    """How long the change log is kept; None for ever. Raises SettingError."""
    if settings.retention_months is None:
        return None
    if settings.retention_action == "detach":
        return Retention(months=settings.retention_months)
    if settings.retention_dir is None:
        raise SettingError(
            "DARKHORSES_RETENTION_DIR: not set, expected a folder: a month is dropped only once it "
            "stands in a file there"
        )
    return Retention(months=settings.retention_months, drop_into=Path(settings.retention_dir))


def worker_id() -> str:
    """A name for this process that no other has had."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"


async def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; raises when the database's schema does not fit."""
    access = feed_access(settings)
    retention = retention_of(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with (
        open_database(
            settings, max_connections=_CONNECTIONS, application_name="darkhorses worker"
        ) as database,
        RacingApi.open(access, clock=clock) as feed,
        Sender.open(clock, private_targets=settings.webhook_private_targets) as sender,
    ):
        if await _database_is_ready(database, stop):
            plan = Plan(
                regions=settings.regions, poll_interval=timedelta(seconds=settings.poll_interval)
            )
            await _Worker(plan, database, feed, sender, retention).run(stop)
    _log.info("worker.stopped")


class _Worker:
    """One worker process: leads when it can, and always tells how it is.

    A worker of all regions does everything under one lease. Others collect their regions under
    one, and while they do try for the second one, for what is done once for all regions.
    """

    def __init__(
        self,
        plan: Plan,
        database: Database,
        feed: RacingApi,
        sender: Sender,
        retention: Retention | None,
    ) -> None:
        self._plan = plan
        self._database = database
        self._feed = feed
        self._id = worker_id()
        self._scope = collecting(plan.regions)
        self._shift: Shift | None = None
        self._once: Duties | None = None
        self._news = asyncio.Event()
        to_deliver = asyncio.Event()
        figures = WorkerFigures()
        self._collector = Collector(database, clock, on_messages=to_deliver.set, figures=figures)
        self._live = LiveOdds(feed, self._collector, regions=plan.regions, clock=clock)
        self._leadership = Leadership(
            database,
            self._id,
            scope=self._scope,
            on_gain=self._begin_shift,
            on_loss=self._end_shift,
        )
        self._leadership_once = Leadership(
            database,
            self._id,
            scope=DONE_ONCE,
            on_gain=self._begin_once,
            on_loss=self._end_once,
        )
        self._boundary = JobBoundary(
            database,
            clock,
            on_lease_lost=self._step_down,
            on_news=self._news.set,
            figures=figures,
            hide=redaction_of(read_environment()),
        )
        self._jobs = (
            reference_job(feed, database, regions=plan.regions, clock=clock),
            historical_odds_job(feed, database, regions=plan.regions, clock=clock),
            gap_repair_job(
                feed,
                database,
                self._collector.writing,
                regions=plan.regions,
                clock=clock,
                figures=figures,
            ),
        )
        self._jobs_once = (
            retention_job(database, retention, self._collector.writing, clock=clock),
            statistics_job(database, card_interval=plan.poll_interval, clock=clock),
        )
        self._deliveries = Deliveries(
            database,
            sender,
            clock,
            boundary=self._boundary,
            news=to_deliver,
            status=CollectingStatus(
                database,
                clock,
                by_myself=is_for_everything(self._scope),
                live_odds=lambda: self._boundary.statuses.get(LIVE_ODDS),
            ).now,
            figures=figures,
        )
        names_once = (WEBHOOKS, *(job.name for job in self._jobs_once))
        for job in (LIVE_ODDS, HOT_RACES, *(job.name for job in self._jobs), *names_once):
            self._boundary.expect(job)
        self._heart = Heart(
            self._id,
            database=database,
            feed=feed,
            boundary=self._boundary,
            regions=plan.regions,
            is_leader=lambda: self._shift is not None,
            done_elsewhere=lambda: names_once if self._is_done_elsewhere() else (),
            next_runs=self._next_runs,
            started_at=clock(),
            news=self._news,
            figures=figures,
            leases=self._leases,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set; then end the shift, release the lease, and be forgotten."""
        _log.info("worker.started", worker_id=self._id, version=__version__)
        tasks = [
            asyncio.create_task(self._leadership.run()),
            asyncio.create_task(self._heart.run()),
        ]
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        _log.info("worker.stopping")
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)
        with suppress(StoreError, TimeoutError):
            await asyncio.wait_for(self._heart.stop(), 1)
        for task in done:
            if task is not stopping:
                task.result()

    def _leases(self) -> list[Lease]:
        """The leases that it holds, that of its regions first."""
        held = (self._leadership.lease, self._leadership_once.lease)
        return [lease for lease in held if lease is not None]

    def _is_done_elsewhere(self) -> bool:
        """Whether another leader may be doing what is done once for all regions."""
        return self._shift is not None and self._once is None and not is_for_everything(self._scope)

    def _next_runs(self) -> dict[str, datetime]:
        runs: dict[str, datetime] = {}
        for duties in (self._shift, self._once):
            if duties is not None:
                runs |= duties.next_runs()
        return runs

    def _step_down(self, lease: str | None) -> None:
        self._leadership.step_down(lease)
        self._leadership_once.step_down(lease)

    async def _begin_shift(self, lease: Lease) -> None:
        everything = is_for_everything(self._scope)
        self._shift = Shift(
            lease,
            plan=self._plan,
            feed=self._feed,
            collector=self._collector,
            live=self._live,
            boundary=self._boundary,
            jobs=(*self._jobs, *self._jobs_once) if everything else self._jobs,
            clock=clock,
            services=[self._deliveries.run if everything else self._lead_once],
        )
        self._shift.start()
        self._news.set()

    async def _end_shift(self) -> None:
        shift, self._shift = self._shift, None
        if shift is not None:
            await shift.stop()
        self._news.set()

    async def _lead_once(self, _lease: Lease) -> None:
        """Try for what is done once, for as long as the worker collects its regions."""
        await self._leadership_once.run()

    async def _begin_once(self, lease: Lease) -> None:
        self._once = Duties(
            lease,
            boundary=self._boundary,
            jobs=self._jobs_once,
            clock=clock,
            services=[self._deliveries.run],
        )
        self._once.start()
        self._news.set()

    async def _end_once(self) -> None:
        once, self._once = self._once, None
        if once is not None:
            await once.stop()
        self._news.set()


async def _database_is_ready(database: Database, stop: asyncio.Event) -> bool:
    """Wait for a database that is away; False when told to stop while waiting."""
    said = False
    while not stop.is_set():
        try:
            await require_current_schema(database)
        except DatabaseUnavailableError as error:
            if not said:
                _log.error("database.unavailable", error=str(error), then="waiting for it")
                said = True
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _WAIT_FOR_DATABASE)
        else:
            return True
    return False
