"""The body of the service's health, field by field."""

from datetime import datetime
from enum import StrEnum

import msgspec

from darkhorses.domain.workers import FeedState, Role


class HealthStatus(StrEnum):
    """``starting`` until the market is loaded; ``stale`` when prices may be too old."""

    STARTING = "starting"
    OK = "ok"
    DEGRADED = "degraded"
    STALE = "stale"


class WorkerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as last heard of; ``age_seconds`` since its last heartbeat."""

    role: Role
    alive: bool
    version: str
    beat_at: datetime
    age_seconds: float


class FeedHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The feed as the leading worker finds it."""

    state: FeedState
    detail: str | None
    since: datetime | None


class DatabaseHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the database answers, and since when it does not."""

    reachable: bool
    away_since: datetime | None


class ReplicaHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The replica that answers questions about the past; all it has is ``lag_seconds`` old at most.

    ``reason`` says why the primary answers them instead, which makes no answer less true.
    """

    in_use: bool
    as_of: datetime | None
    lag_seconds: float | None
    reason: str | None


class MarketHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The market in memory; ``running`` races are not over, ``checked_at`` is the latest look."""

    races: int
    running: int
    stale_races: int
    checked_at: datetime | None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the whole; ``reasons`` says in sentences what is not well."""

    status: HealthStatus
    reasons: tuple[str, ...]
    version: str
    timestamp: datetime
    database: DatabaseHealth
    replica: ReplicaHealth | None
    market: MarketHealth
    feed: FeedHealth | None
    workers: tuple[WorkerHealth, ...]
