"""The change log in the order of its commits, page by page, for those who follow it.

``change_id`` grows in the order of commits (there is one writer at a time), so "above mine" misses
nothing and gives nothing twice.
"""

from datetime import date, datetime

import asyncpg
import msgspec

from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.prices import Price
from darkhorses.store.odds import stored_price
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

LAST_CHANGE = 2**63 - 1
"""Above every change id there can be."""


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """How far the database has come: newest revision of the market, newest change of the log."""

    revision: int
    change_id: int


class LoggedChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A price change as logged, with where its race is run (None for a race that is unknown).

    ``price`` None is a pulled one; ``effective_at`` is when the change took effect,
    ``seen_at`` when it was seen (UTC); ``source`` is ``poll`` or ``history``.
    """

    change_id: int
    race_id: RaceId
    horse_id: HorseId
    bookmaker_id: BookmakerId
    price: Price | None
    effective_at: datetime
    seen_at: datetime
    source: str
    course: str | None
    region: str | None
    off_dt: datetime | None


async def newest_marks(connection: Connection, *, from_day: date) -> Marks:
    """How far the market, from a race day on, and the whole log have come; 0 for nothing yet.

    Every write of the market stamps the races that it is about, so the revision moves with each.
    """
    return Marks(**dict(await queries.newest_marks(connection, from_day=from_day)))


async def changes_after(
    connection: Connection, change_id: int, *, until: int, most: int
) -> list[LoggedChange]:
    """At most so many changes above ``change_id``, up to and with ``until``, in their order."""
    rows = queries.changes_after(connection, change_id=change_id, until=until, most=most)
    return [_change_from(row) async for row in rows]


async def change_is_known(connection: Connection, change_id: int) -> bool:
    """Whether a change is in the log or older than all that is kept.

    What a restore from a backup took away is in no log, and its numbers are given to nobody else.
    """
    known: bool | None = await queries.change_is_known(connection, change_id=change_id)
    return bool(known)


async def oldest_change_id(connection: Connection) -> int | None:
    """The first change that is still kept; None when the log is empty."""
    oldest: int | None = await queries.oldest_change_id(connection)
    return oldest


def _change_from(row: asyncpg.Record) -> LoggedChange:
    return LoggedChange(
        change_id=row["change_id"],
        race_id=row["race_id"],
        horse_id=row["horse_id"],
        bookmaker_id=row["bookmaker_id"],
        price=stored_price(row["odds_decimal"], row["odds_fractional"]),
        effective_at=row["effective_at"],
        seen_at=row["seen_at"],
        source=row["source"],
        course=row["course"],
        region=row["region"],
        off_dt=row["off_dt"],
    )
