"""The workers: who leads, who is alive, and how jobs and feed are doing for the leader."""

from darkhorses.doctor.findings import Finding, broken, doubtful, fine
from darkhorses.domain.workers import FeedState
from darkhorses.store.heartbeats import FeedStatus, JobStatus, ReceivedHeartbeat
from darkhorses.store.heartbeats import heartbeats as stored_heartbeats
from darkhorses.store.lease import LeaseState, current_lease
from darkhorses.store.pool import Database

_START = "start `darkhorses worker`"


async def examine_workers(database: Database) -> list[Finding]:
    """Look at the lease, the heartbeats, and what the leader says in its own."""
    async with database.connection() as connection:
        lease = await current_lease(connection)
        workers = await stored_heartbeats(connection)
    if lease is None or not lease.is_live:
        return [_nobody_leads(lease), *_silent(workers, holder=None)]
    leader = next((worker for worker in workers if worker.worker_id == lease.holder), None)
    findings = [fine("worker.lease", f"held by {lease.holder}, epoch {lease.epoch}")]
    findings.append(_leader(lease, leader))
    findings.append(_standbys(workers, lease.holder))
    findings += _silent(workers, holder=lease.holder)
    if leader is not None and leader.is_alive:
        findings += [_job(name, job) for name, job in sorted(leader.jobs.items())]
        findings.append(_feed(leader.feed))
    return findings


def _nobody_leads(lease: LeaseState | None) -> Finding:
    if lease is None:
        return doubtful("worker.lease", "no worker has ever led: nothing is collected", _START)
    return broken(
        "worker.lease",
        f"nobody leads since {lease.expires_at:%Y-%m-%d %H:%M:%S} UTC: nothing is collected",
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


def _standbys(workers: list[ReceivedHeartbeat], holder: str) -> Finding:
    names = [worker.worker_id for worker in workers if worker.is_alive]
    others = [name for name in names if name != holder]
    return fine("worker.standby", ", ".join(others) or "none; a second worker would be one")


def _silent(workers: list[ReceivedHeartbeat], *, holder: str | None) -> list[Finding]:
    return [
        doubtful(
            "worker.silent",
            f"{worker.worker_id} was last heard of {worker.age.total_seconds():.0f} s ago and "
            f"never said that it stops",
            f"see what became of pid {worker.pid} on {worker.hostname}; it is forgotten in a day",
        )
        for worker in workers
        if not worker.is_alive and worker.worker_id != holder
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
