"""The bodies of stream events that the API makes itself; the others are the market's own."""

from datetime import datetime
from enum import StrEnum

import msgspec

from darkhorses.api.health_bodies import HealthStatus
from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.events import NonRunnerEvent, PriceEvent, ResultEvent
from darkhorses.domain.workers import FeedState
from darkhorses.readmodel.event_bodies import RaceState


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The races that are asked for, with their prices: replaces all that a client holds.

    Races of today (London) and later, and those of yesterday that are not over.
    """

    position: str
    timestamp: datetime
    bookmakers: tuple[Bookmaker, ...]
    races: tuple[RaceState, ...]


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether what is streamed can be trusted; ``reasons`` says in sentences what is not well.

    ``feed`` is null while no worker leads; ``stale_races`` were not looked at in time.
    """

    status: HealthStatus
    reasons: tuple[str, ...]
    database_reachable: bool
    feed: FeedState | None
    stale_races: tuple[str, ...]
    timestamp: datetime


class ResyncReason(StrEnum):
    """Why a client is given a snapshot instead of the events that it has not had."""

    SLOW = "slow"
    TOO_OLD = "too_old"
    UNKNOWN_POSITION = "unknown_position"
    DATABASE_RESTORED = "database_restored"


class Resync(msgspec.Struct, frozen=True, kw_only=True):
    """Events were left out; a snapshot follows.

    ``last_event_id`` is where the client was: after ``slow`` it may ask from there for what was
    left out.
    """

    reason: ResyncReason
    detail: str
    last_event_id: str


class StreamEvents(msgspec.Struct, frozen=True, kw_only=True):
    """The events of a stream by their names, with the body that each has as its data."""

    snapshot: Snapshot
    price: PriceEvent
    race: RaceState
    non_runner: NonRunnerEvent
    result: ResultEvent
    status: StreamStatus
    resync: Resync


RESYNC_DETAILS = {
    ResyncReason.SLOW: "the client did not keep up with what happens",
    ResyncReason.TOO_OLD: "more has happened since than can be told, or it is not kept any more",
    ResyncReason.UNKNOWN_POSITION: "the position is ahead of this database's log",
    ResyncReason.DATABASE_RESTORED: "the database went back, so that positions mean something else",
}
