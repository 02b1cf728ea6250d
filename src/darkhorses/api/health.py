"""Whether what is served can be trusted, and if not, why: in sentences for an operator."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from darkhorses.api.health_bodies import (
    DatabaseHealth,
    FeedHealth,
    Health,
    HealthStatus,
    MarketHealth,
    ReplicaHealth,
    WorkerHealth,
)
from darkhorses.api.races import Lens
from darkhorses.domain.workers import FeedState, Role
from darkhorses.readmodel.follower import SeenWorkers
from darkhorses.store.heartbeats import ALIVE, ReceivedHeartbeat, feed_together
from darkhorses.store.lease import ONCE, missed_duties
from darkhorses.store.replica import Replica, ReplicaReport

_COLLECTING_JOBS = ("live_odds",)


def judge(
    lens: Lens, seen: SeenWorkers | None, *, version: str, replica: Replica | None = None
) -> Health:
    """Judge the market, the database, the workers and the feed as they are known now."""
    workers = aged(seen, lens.now)
    leaders = leading(workers)
    market = _market_health(lens)
    stale = tuple(_stale_reasons(lens, market))
    degraded = tuple(_degraded_reasons(workers, leaders, seen)) if seen is not None else ()
    if not lens.followed.loaded:
        status = HealthStatus.STARTING
        stale = stale or ("The market is being loaded.",)
    elif stale:
        status = HealthStatus.STALE
    else:
        status = HealthStatus.DEGRADED if degraded else HealthStatus.OK
    return Health(
        status=status,
        reasons=(*stale, *degraded),
        version=version,
        timestamp=lens.now,
        database=DatabaseHealth(
            reachable=lens.followed.away_since is None, away_since=lens.followed.away_since
        ),
        replica=None if replica is None else _replica_health(replica.report(), lens.now),
        market=market,
        feed=_feed_health(leaders),
        workers=tuple(
            WorkerHealth(
                role=worker.role,
                alive=worker.is_alive,
                version=worker.version,
                beat_at=worker.beat_at,
                age_seconds=round(worker.age.total_seconds(), 1),
            )
            for worker in workers
        ),
    )


def aged(seen: SeenWorkers | None, now: datetime) -> tuple[ReceivedHeartbeat, ...]:
    """The heartbeats with the time that passed since they were read added to their ages."""
    if seen is None:
        return ()
    passed = max(now - seen.seen_at, timedelta(0))
    return tuple(
        msgspec.structs.replace(heartbeat, age=heartbeat.age + passed)
        for heartbeat in seen.heartbeats
    )


def leading(workers: tuple[ReceivedHeartbeat, ...]) -> tuple[ReceivedHeartbeat, ...]:
    """The leaders that are alive: of those that collect a region, the one heard of last."""
    leaders: list[ReceivedHeartbeat] = []
    for worker in sorted(workers, key=lambda worker: worker.age):
        collected = {region for leader in leaders for region in leader.regions}
        if worker.role is Role.LEADER and worker.is_alive and collected.isdisjoint(worker.regions):
            leaders.append(worker)
    return tuple(sorted(leaders, key=lambda worker: worker.regions))


def missing(seen: SeenWorkers | None) -> tuple[str, ...]:
    """The duties that nobody has had for longer than a takeover takes, though somebody did."""
    return missed_duties(seen.leases, for_at_least=ALIVE) if seen is not None else ()


def _feed_health(leaders: tuple[ReceivedHeartbeat, ...]) -> FeedHealth | None:
    if not leaders:
        return None
    feed = feed_together(leaders)
    return FeedHealth(state=feed.state, detail=feed.detail, since=feed.since)


def _replica_health(report: ReplicaReport, now: datetime) -> ReplicaHealth:
    lag = None if report.as_of is None else max(now - report.as_of, timedelta(0))
    return ReplicaHealth(
        in_use=report.in_use,
        as_of=report.as_of,
        lag_seconds=None if lag is None else round(lag.total_seconds(), 1),
        reason=None if report.reason is None else _sentence(report.reason),
    )


def _market_health(lens: Lens) -> MarketHealth:
    races = lens.followed.market.races.values()
    running = [race for race in races if not race.is_over_at(lens.now)]
    return MarketHealth(
        races=len(races),
        running=len(running),
        stale_races=sum(lens.is_stale(race) for race in running),
        checked_at=max((race.stored.checked_at for race in races), default=None),
    )


def _stale_reasons(lens: Lens, market: MarketHealth) -> Iterator[str]:
    if lens.followed.away_since is not None:
        since = f"{lens.followed.away_since:%H:%M:%S} UTC"
        kept = "; prices are as last seen" if lens.followed.loaded else ""
        yield f"The database has been out of reach since {since}{kept}."
    elif market.stale_races and market.checked_at is not None:
        ago = _ago(lens.now - market.checked_at)
        yield (
            f"{market.stale_races} of {market.running} races have not been looked at in time; "
            f"the last look at any race was {ago} ago."
        )


def _degraded_reasons(
    workers: tuple[ReceivedHeartbeat, ...],
    leaders: tuple[ReceivedHeartbeat, ...],
    seen: SeenWorkers,
) -> Iterator[str]:
    if not leaders:
        yield _no_leader(workers)
        return
    for duty in missing(seen):
        yield _nobody_does(duty)
    for leader in leaders:
        for reason in _troubles(leader):
            of = f"in {', '.join(leader.regions)}: " if len(leaders) > 1 else ""
            yield _sentence(f"{of}{reason}")


def _nobody_does(duty: str) -> str:
    if duty == ONCE:
        return "No worker does what is done once: statistics, webhooks, months of the change log."
    return f"No worker collects the region {duty}: its prices are as last seen."


def _troubles(leader: ReceivedHeartbeat) -> Iterator[str]:
    feed = leader.feed
    if feed.state is FeedState.REFUSED:
        yield feed.detail or "the feed refuses us"
    elif feed.state is FeedState.FAILING:
        yield feed.detail or "the feed does not answer as it should"
    for name in _COLLECTING_JOBS:
        job = leader.jobs.get(name)
        if job is not None and job.error and job.error != feed.detail:
            yield f"the job {name} failed: {job.error}"


def _no_leader(workers: tuple[ReceivedHeartbeat, ...]) -> str:
    if not workers:
        return "No worker is reporting: prices are not being collected."
    if any(worker.is_alive for worker in workers):
        return "No worker leads: one is waiting to take over."
    latest = min(worker.age for worker in workers)
    return (
        f"No worker is collecting prices: the last heartbeat was {_ago(latest)} ago "
        f"(more than {ALIVE.total_seconds():.0f} s)."
    )


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _ago(age: timedelta) -> str:
    seconds = int(max(age, timedelta(0)).total_seconds())
    if seconds < 120:  # noqa: PLR2004  # two minutes: below, seconds say more
        return f"{seconds} s"
    if seconds < 7200:  # noqa: PLR2004  # two hours
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h"
