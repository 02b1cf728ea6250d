"""What a leader does while it leads: the scheduler, its jobs, hot races, and services.

A shift begins with a lease and ends with it. Stopping one lets the write in hand finish, within
limits, and cancels everything else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.london import race_day
from darkhorses.store.writing.job_runs import Detail
from darkhorses.store.writing.lease import Lease
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.errors import NotFoundError
from darkhorses.worker.collecting import Collector
from darkhorses.worker.hot_races import HotRaces
from darkhorses.worker.jobs import JobBoundary
from darkhorses.worker.live_odds import LiveOdds
from darkhorses.worker.scheduling import ScheduledJob
from darkhorses.worker.triggers import RaceTrigger

_log = structlog.get_logger("darkhorses.worker")

LIVE_ODDS = "live_odds"
HOT_RACES = "hot_races"

_IN_FLIGHT = 4
_FINISH_WRITE = 2.0
_RACE = "race:"


Service = Callable[[Lease], Coroutine[object, object, None]]
"""Works beside the jobs from the beginning of a shift until it is cancelled at its end."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker collects and how often it looks at the whole card."""

    regions: tuple[str, ...]
    poll_interval: timedelta


class Duties:
    """Jobs and services under a lease, from when it is gained until it is lost."""

    def __init__(
        self,
        lease: Lease,
        *,
        boundary: JobBoundary,
        jobs: Sequence[ScheduledJob],
        clock: Callable[[], datetime],
        services: Sequence[Service] = (),
    ) -> None:
        self._lease = lease
        self._boundary = boundary
        self._jobs = jobs
        self._clock = clock
        self._services = services
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )
        self._tasks: set[asyncio.Task[object]] = set()

    def start(self) -> None:
        """Begin: every job at its times, some of them at once."""
        now = self._clock()
        self._scheduler.start()
        for job in self._jobs:
            self._scheduler.add_job(
                self._tracked(partial(self._run, job)),
                job.trigger,
                id=job.name,
                **({"next_run_time": now} if job.at_once else {}),
            )
        for service in self._services:
            self._begin(service(self._lease))

    async def stop(self) -> None:
        """End: no new job, and what runs is cancelled."""
        self._scheduler.remove_all_jobs()
        await self._settle()
        self._scheduler.shutdown(wait=False)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def next_runs(self) -> dict[str, datetime]:
        """When each job runs next (UTC); the hot races' by the first of them."""
        runs: dict[str, datetime] = {}
        for job in self._scheduler.get_jobs():
            if job.next_run_time is None:
                continue
            name = HOT_RACES if job.id.startswith(_RACE) else job.id
            at = job.next_run_time.astimezone(UTC)
            runs[name] = min(runs.get(name, at), at)
        return runs

    async def _settle(self) -> None:
        """Let what must not be cut off end, within limits."""

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tracked(self, work: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
        """Let a stop find and await the job's task."""

        async def run() -> None:
            task = asyncio.current_task()
            if task is not None:
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            with suppress(asyncio.CancelledError):  # the shift ends, and APScheduler would object
                await work()

        return run

    async def _run(self, job: ScheduledJob) -> None:
        succeeded = await self._boundary.run(
            job.name,
            partial(job.work, self._lease),
            reason=job.reason,
            record_success=job.record_success,
        )
        scheduled = self._scheduler.get_job(job.name)
        if succeeded or job.again_after is None or scheduled is None:
            return
        again = min(self._clock() + job.again_after, scheduled.next_run_time)
        scheduled.modify(next_run_time=again)


class Shift(Duties):
    """The jobs of the lease of some regions: looking at their races beside everything else."""

    def __init__(
        self,
        lease: Lease,
        *,
        plan: Plan,
        feed: RacingApi,
        collector: Collector,
        live: LiveOdds,
        boundary: JobBoundary,
        jobs: Sequence[ScheduledJob],
        clock: Callable[[], datetime],
        services: Sequence[Service] = (),
    ) -> None:
        super().__init__(lease, boundary=boundary, jobs=jobs, clock=clock, services=services)
        self._plan = plan
        self._feed = feed
        self._collector = collector
        self._live = live
        self._hot = HotRaces(self._look_at_race)

    def start(self) -> None:
        """Begin: the live odds run at once, every job at its times."""
        self._collector.forget()
        self._scheduler.add_job(
            self._tracked(self._poll_cards),
            IntervalTrigger(seconds=self._plan.poll_interval.total_seconds(), timezone=UTC),
            id=LIVE_ODDS,
            next_run_time=self._clock(),
        )
        super().start()
        self._begin(self._hot.run(_IN_FLIGHT))

    async def _settle(self) -> None:
        """No race is looked at any more, and the write in hand may finish."""
        self._hot.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._collector.settled(), _FINISH_WRITE)

    async def _poll_cards(self) -> None:
        async def work() -> Detail | None:
            found = await self._live.poll_cards(self._lease)
            await self._live.note_results(self._lease)
            return found

        await self._boundary.run(
            LIVE_ODDS, work, reason=f"every {self._plan.poll_interval.total_seconds():g} s"
        )
        self._collector.drop_before(race_day(self._clock()) - timedelta(days=1))
        self._schedule_races()

    def _schedule_races(self) -> None:
        """Give each race that is not over a trigger of its own, by what is known of it now."""
        now = self._clock()
        live = {
            race_id: known
            for race_id, known in self._collector.known.items()
            if not self._live.is_over(known, now)
        }
        for race_id, known in live.items():
            self._scheduler.add_job(
                self._race_is_due,
                self._trigger(race_id, known.race.off_dt),
                args=[race_id],
                id=f"{_RACE}{race_id}",
                replace_existing=True,
            )

    def _trigger(self, race_id: RaceId, off_dt: datetime) -> RaceTrigger:
        def is_over(now: datetime) -> bool:
            known = self._collector.known.get(race_id)
            return known is not None and self._live.is_over(known, now)

        return RaceTrigger(
            off_dt=lambda: off_dt,
            looked_at=lambda: self._collector.looked_at(race_id),
            is_over=is_over,
            card_interval=self._plan.poll_interval,
        )

    async def _race_is_due(self, race_id: RaceId) -> None:
        self._hot.add(race_id, self._clock())

    async def _look_at_race(self, race_id: RaceId, due: datetime) -> None:
        looked_at = self._collector.looked_at(race_id)
        if looked_at is not None and looked_at >= due:
            return  # the look at the whole card came first
        if self._feed.outcomes.refused:
            return  # the look at the whole card will find out when we are let in again

        async def work() -> Detail | None:
            try:
                return await self._live.poll_race(race_id, self._lease)
            except NotFoundError as error:
                _log.warning("poll.race_gone", race_id=race_id, error=str(error))
                return None

        await self._boundary.run(
            HOT_RACES, work, reason="a race is near its off", record_failure=False
        )
