"""The workers: who leads, who is alive, and how jobs and feed are doing for the leader."""

from collections.abc import Collection, Sequence

from darkhorses.doctor.findings import Finding, broken, doubtful, fine
from darkhorses.domain.workers import FeedState
from darkhorses.store.heartbeats import (
    FeedStatus,
    JobStatus,
    ReceivedHeartbeat,
    feed_together,
    jobs_together,
)
from darkhorses.store.heartbeats import heartbeats as stored_heartbeats
from darkhorses.store.lease import LIVE, ONCE, LeaseState, missed_duties, wanted_leases
from darkhorses.store.pool import Database

_START = "start `darkhorses worker`"


async def examine_workers(database: Database) -> list[Finding]:
    """Look at the leases, the heartbeats, and what the leaders say in their own."""
    async with database.connection() as connection:
        leases = await wanted_leases(connection)
        workers = await stored_heartbeats(connection)
    live = [lease for lease in leases if lease.is_live]
    holders = {lease.holder for lease in live}
    if not any(lease.regions for lease in live):
        return [_nobody_leads(leases), *_silent(workers, holders=holders)]
    leaders = {worker.worker_id: worker for worker in workers if worker.worker_id in holders}
    findings = [_lease(lease) for lease in live]
    findings += [_missed(duty, leases) for duty in missed_duties(leases)]
    findings += [_leader(lease, leaders.get(lease.holder)) for lease in live if lease.regions]
    findings.append(_standbys(workers, holders))
    findings += _silent(workers, holders=holders)
    alive = [worker for worker in leaders.values() if worker.is_alive]
    if alive:
        findings += [_job(name, job) for name, job in sorted(jobs_together(alive).items())]
        findings.append(_feed(feed_together(alive)))
    return findings


def _lease(lease: LeaseState) -> Finding:
    of = "" if lease.name == LIVE else f"{lease.name} "
    return fine("worker.lease", f"{of}held by {lease.holder}, epoch {lease.epoch}")


def _missed(duty: str, leases: Sequence[LeaseState]) -> Finding:
    since = max(lease.expires_at for lease in leases if not lease.is_live and duty in lease.duties)
    at = f"{since:%Y-%m-%d %H:%M:%S} UTC"
    if duty == ONCE:
        what = f"nobody does what is done once since {at}: no statistics, no webhooks"
        return broken(
            "worker.lease", what, "it is tried for all the time: look at the leaders' logs"
        )
    return broken(
        "worker.lease",
        f"nobody collects {duty} since {at}",
        f"start `darkhorses worker` with DARKHORSES_REGIONS={duty}; unwanted, it is forgotten in "
        f"a day",
    )


def _nobody_leads(leases: Sequence[LeaseState]) -> Finding:
    if not leases:
        return doubtful("worker.lease", "no worker has ever led: nothing is collected", _START)
    since = max(lease.expires_at for lease in leases)
    return broken(
        "worker.lease",
        f"nobody leads since {since:%Y-%m-%d %H:%M:%S} UTC: nothing is collected",
        _START,
    )


def _leader(lease: LeaseState, leader: ReceivedHeartbeat | None) -> Finding:
    if leader is None:
        return doubtful(
            "worker.leader",
            f"{lease.holder} holds the lease and sends no heartbeat",
            "wait if `darkhorses run` is at work; it lets go when it ends",
        )
    seconds = leader.age.total_seconds()
    if not leader.is_alive:
        return broken(
            "worker.leader",
            f"{leader.worker_id} holds the lease and was last heard of {seconds:.0f} s ago",
            f"look at its log, and restart it (pid {leader.pid} on {leader.hostname})",
        )
    return fine("worker.leader", f"{leader.worker_id}, last heard of {seconds:.0f} s ago")


def _standbys(workers: list[ReceivedHeartbeat], holders: Collection[str]) -> Finding:
    names = [worker.worker_id for worker in workers if worker.is_alive]
    others = [name for name in names if name not in holders]
    return fine("worker.standby", ", ".join(others) or "none; a second worker would be one")


def _silent(workers: list[ReceivedHeartbeat], *, holders: Collection[str]) -> list[Finding]:
    return [
        doubtful(
            "worker.silent",
            f"{worker.worker_id} was last heard of {worker.age.total_seconds():.0f} s ago and "
            f"never said that it stops",
            f"see what became of pid {worker.pid} on {worker.hostname}; it is forgotten in a day",
        )
        for worker in workers
        if not worker.is_alive and worker.worker_id not in holders
    ]


def _job(name: str, job: JobStatus) -> Finding:
    check = f"job.{name}"
    if job.error is not None:
        return broken(check, f"failed: {job.error}", "mend what it says; it is tried again")
    if job.last_success is None:
        return fine(check, f"{job.status}, has not ended yet")
    return fine(check, f"{job.status}, last succeeded {job.last_success:%Y-%m-%d %H:%M:%S} UTC")


def _feed(feed: FeedStatus) -> Finding:
    detail = feed.detail or "no reason given"
    if feed.state is FeedState.REFUSED:
        return broken(
            "worker.feed",
            f"the feed refuses the worker: {detail}",
            "mend RACING_API_USERNAME, RACING_API_PASSWORD or the plan, and restart the worker",
        )
    if feed.state is FeedState.FAILING:
        return broken(
            "worker.feed",
            f"the feed fails the worker: {detail}",
            "the worker goes on trying; see the feed's own status if it lasts",
        )
    return fine("worker.feed", f"{feed.state.value}, {feed.requests} requests")
