"""``darkhorses status``: who works, what the jobs did, and what was last seen of the market."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from darkhorses.domain.london import race_day
from darkhorses.domain.stages import is_over
from darkhorses.domain.workers import Role
from darkhorses.store.heartbeats import (
    FeedStatus,
    JobStatus,
    ReceivedHeartbeat,
    feed_together,
    heartbeats,
    jobs_together,
)
from darkhorses.store.lease import LIVE, ONCE, LeaseState, missed_duties, wanted_leases
from darkhorses.store.poll_cycles import PollCycle, latest_poll_cycle
from darkhorses.store.pool import Database
from darkhorses.store.races import StoredRace, races_of_day


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as it last told of itself; ``age_seconds`` by the database's clock."""

    worker_id: str
    hostname: str
    pid: int
    version: str
    role: Role
    started_at: datetime
    beat_at: datetime
    age_seconds: float
    is_alive: bool
    regions: tuple[str, ...]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one look; ``healthy`` when live workers lead in all regions (times UTC).

    ``leader`` is the first of the ``leaders`` of regions, ``lease`` its lease or the last that
    ended; ``leases`` are those that are held, and those that ended within a day and left a duty to
    nobody. ``missed`` are these duties: regions, or ``once``.
    """

    healthy: bool
    leader: WorkerStatus | None
    leaders: list[WorkerStatus]
    standbys: list[WorkerStatus]
    lost: list[WorkerStatus]
    lease: LeaseState | None
    leases: list[LeaseState]
    missed: tuple[str, ...]
    jobs: dict[str, JobStatus]
    feed: FeedStatus
    last_poll: PollCycle | None
    races_today: int
    races_live: int


async def look(database: Database, now: datetime) -> Status:
    """Read the status; ``jobs`` and ``feed`` are the leaders'."""
    async with database.connection() as connection:
        leases = await wanted_leases(connection)
        workers = await heartbeats(connection)
        last_poll = await latest_poll_cycle(connection)
        races = await races_of_day(connection, race_day(now))
    collecting = [lease for lease in leases if lease.is_live and lease.regions]
    alive = {each.worker_id: each for each in workers if each.is_alive}
    leaders = [alive[lease.holder] for lease in collecting if lease.holder in alive]
    others = [each for each in workers if each not in leaders]
    missed = missed_duties(leases)
    return Status(
        healthy=bool(leaders) and len(leaders) == len(collecting) and not missed,
        leader=_worker(leaders[0]) if leaders else None,
        leaders=[_worker(each) for each in leaders],
        standbys=[_worker(each) for each in others if each.is_alive],
        lost=[_worker(each) for each in others if not each.is_alive],
        lease=next(iter(collecting or leases), None),
        leases=leases,
        missed=missed,
        jobs=jobs_together(leaders),
        feed=feed_together(leaders) if leaders else FeedStatus(),
        last_poll=last_poll,
        races_today=len(races),
        races_live=len([race for race in races if not _is_over(race, now)]),
    )


def lines(status: Status) -> list[str]:
    """The status for a person."""
    told = list(_leaders(status))
    told += [f"standby     {_named(worker)}" for worker in status.standbys]
    told += [f"lost        {_named(worker)}" for worker in status.lost]
    told += [
        f"job         {name}: {job.status}, last run {_time(job.last_run)}, last success "
        f"{_time(job.last_success)}, next {_time(job.next_run)}"
        + (f", error: {job.error}" if job.error else "")
        for name, job in sorted(status.jobs.items())
    ]
    feed = status.feed
    told.append(f"feed        {feed.state.value}" + (f": {feed.detail}" if feed.detail else ""))
    poll = status.last_poll
    told.append(
        "last poll   none yet"
        if poll is None
        else f"last poll   {_time(poll.fetch_timestamp)}, {poll.races_count} races, "
        f"{poll.horses_count} horses, {poll.total_odds_fetched} quotes, "
        f"{poll.changed_count} changed, {poll.fetch_duration_ms} ms, {poll.errors_count} errors"
    )
    told.append(f"races       {status.races_today} today, {status.races_live} still live")
    return told


def _leaders(status: Status) -> Iterator[str]:
    """Who leads: one line where one worker collects everything, else one for each duty."""
    if not status.leaders or all(lease.name == LIVE for lease in status.leases):
        yield f"leader      {_named(status.leader)}"
        return
    for worker in status.leaders:
        yield f"leader      {', '.join(worker.regions)}: {_named(worker)}"
    for lease in status.leases:
        if lease.is_live and lease.duties == (ONCE,):
            yield f"once        {lease.holder} does what is done once for all regions"
    for duty in status.missed:
        yield f"leader      {duty}: {_named(None)}"


def _worker(heartbeat: ReceivedHeartbeat) -> WorkerStatus:
    return WorkerStatus(
        worker_id=heartbeat.worker_id,
        hostname=heartbeat.hostname,
        pid=heartbeat.pid,
        version=heartbeat.version,
        role=heartbeat.role,
        started_at=heartbeat.started_at,
        beat_at=heartbeat.beat_at,
        age_seconds=round(heartbeat.age.total_seconds(), 1),
        is_alive=heartbeat.is_alive,
        regions=heartbeat.regions,
    )


def _is_over(stored: StoredRace, now: datetime) -> bool:
    return is_over(
        off_dt=stored.race.off_dt,
        race_status=stored.race.race_status,
        is_abandoned=stored.race.is_abandoned,
        last_change_at=stored.odds_changed_at,
        now=now,
    )


def _named(worker: WorkerStatus | None) -> str:
    if worker is None:
        return "none: start `darkhorses worker`"
    return (
        f"{worker.worker_id} (version {worker.version}, pid {worker.pid} on {worker.hostname}), "
        f"last heard of {worker.age_seconds:.0f} s ago"
    )


def _time(instant: datetime | None) -> str:
    return "never" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S} UTC"
