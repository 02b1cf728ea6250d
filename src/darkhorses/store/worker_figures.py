"""What a worker counts since it began, as its heartbeat carries it."""

from datetime import datetime

import msgspec

Counts = dict[str, int]


class WorkerFigures(msgspec.Struct, kw_only=True):
    """Counts that only grow, and the newest of some instants (UTC); the worker adds to them.

    ``feed_requests`` are by endpoint and outcome, all tries counted; ``changes`` by their source
    (``poll``, ``history``); ``quarantined`` by kind, each time that a piece was seen;
    ``epoch`` is that of the lease of the worker's regions, ``leases`` has those of all that it
    holds; ``fenced_writes`` were refused because another worker leads; ``job_runs`` are by job and
    outcome (``ok``, ``failed``); ``deliveries`` are attempts, by outcome (``delivered``,
    ``failed``); ``memory_bytes`` and ``asyncio_tasks`` are what it has at present.
    """

    last_card_at: datetime | None = None
    last_change_at: datetime | None = None
    last_commit_at: datetime | None = None
    feed_requests: dict[str, Counts] = {}
    feed_retries: int = 0
    changes: Counts = {}
    quarantined: Counts = {}
    epoch: int | None = None
    leases: Counts = {}
    fenced_writes: int = 0
    job_runs: dict[str, Counts] = {}
    job_seconds: dict[str, float] = {}
    deliveries: Counts = {}
    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    asyncio_tasks: int = 0


def add(counts: Counts, key: str, by: int = 1) -> None:
    """Count ``by`` more of ``key``."""
    counts[key] = counts.get(key, 0) + by
