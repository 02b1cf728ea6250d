"""Whether prices are being collected, as webhooks are told.

A worker of all regions knows by itself. One of several, that delivers for all, asks the database
what the leaders of each region say, and which region has had no leader for a while.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from darkhorses.domain.webhook_events import ToldStatus
from darkhorses.store.heartbeats import ALIVE, JobStatus, ReceivedHeartbeat, heartbeats
from darkhorses.store.lease import ONCE, LeaseState, missed_duties, wanted_leases
from darkhorses.store.pool import Database
from darkhorses.worker.shift import LIVE_ODDS

Clock = Callable[[], datetime]
"""Gives the present instant, in UTC."""


class CollectingStatus:
    """Says how collecting fares; ``live_odds`` is this worker's own job, None before it ran."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        by_myself: bool,
        live_odds: Callable[[], JobStatus | None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._by_myself = by_myself
        self._live_odds = live_odds

    async def now(self) -> ToldStatus | None:
        """How it fares now; None while nothing is known. Raises StoreErrors."""
        if self._by_myself:
            return collecting_status(self._live_odds(), self._clock())
        async with self._database.connection() as connection:
            leases = await wanted_leases(connection)
            workers = await heartbeats(connection)
        return collecting_status_of_all(leases, workers, self._clock())


def collecting_status(live_odds: JobStatus | None, now: datetime) -> ToldStatus | None:
    """Whether prices are being collected, as the live odds job says; None before its first run."""
    if live_odds is None:
        return None
    if live_odds.error is not None:
        return ToldStatus(status="failing", reasons=(live_odds.error,), timestamp=now)
    if live_odds.last_success is None:
        return None
    return ToldStatus(status="ok", reasons=(), timestamp=now)


def collecting_status_of_all(
    leases: list[LeaseState], workers: list[ReceivedHeartbeat], now: datetime
) -> ToldStatus | None:
    """Whether prices of all regions are being collected; from ``wanted_leases``."""
    known = list(_of_leaders(leases, workers, now))
    reasons = [
        f"{region}: no worker collects it"
        for region in missed_duties(leases, for_at_least=ALIVE)
        if region != ONCE
    ]
    reasons += [f"{regions}: {reason}" for regions, told in known for reason in told.reasons]
    if reasons:
        return ToldStatus(status="failing", reasons=tuple(reasons), timestamp=now)
    return ToldStatus(status="ok", reasons=(), timestamp=now) if known else None


def _of_leaders(
    leases: list[LeaseState], workers: list[ReceivedHeartbeat], now: datetime
) -> Iterator[tuple[str, ToldStatus]]:
    by_id = {worker.worker_id: worker for worker in workers}
    for lease in leases:
        worker = by_id.get(lease.holder)
        if not lease.is_live or not lease.regions or worker is None:
            continue
        told = collecting_status(worker.jobs.get(LIVE_ODDS), now)
        if told is not None:
            yield ", ".join(lease.regions), told
