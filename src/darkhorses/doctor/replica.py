"""The replica: whether it answers, follows this database, and how far it lags."""

from collections.abc import Callable
from datetime import datetime, timedelta

from darkhorses.database import open_replica
from darkhorses.doctor.findings import Finding, broken, doubtful, fine
from darkhorses.settings import Settings
from darkhorses.store.pool import Database
from darkhorses.store.replica import Replica, ReplicaReport

_CHECK = "database.replica"
_LOOKS = 20


async def examine_replica(
    database: Database, settings: Settings, *, clock: Callable[[], datetime]
) -> list[Finding]:
    """Look at the replica beside its primary; nothing is found where none is set."""
    async with open_replica(settings, database, clock=clock, watched=False) as replica:
        if replica is None:
            return []
        looks = 0
        while (report := await _look(replica)).as_of is None and looks < _LOOKS:
            looks += 1
        if report.as_of is not None and report.in_use:
            lag = max(clock() - report.as_of, timedelta(0))
            return [fine(_CHECK, f"follows, at most {lag.total_seconds():.1f} s behind")]
        if report.reason is not None and report.reason.startswith("how far"):
            return [
                doubtful(
                    _CHECK,
                    "it answers, and had not caught up when it was looked at",
                    "look again; if it stays so, see pg_stat_replication on the primary",
                )
            ]
        return [
            broken(
                _CHECK,
                report.reason or "it cannot be read",
                "check DATABASE_REPLICA_URL; until then the API asks DATABASE_URL for everything",
            )
        ]


async def _look(replica: Replica) -> ReplicaReport:
    await replica.look()
    return replica.report()
