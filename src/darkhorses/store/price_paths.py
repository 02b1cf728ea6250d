"""The change log of several races at once, in its own order, for those who follow it."""

import sys
from collections.abc import Collection
from datetime import date, datetime

import msgspec

from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Race
from darkhorses.store.odds import stored_price
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

# A row takes ten times the memory of what is made of it, and a look may bring ten thousand.
_CHANGES_AT_A_TIME = 250


class PathChange(msgspec.Struct, frozen=True, gc=False):
    """A change of a price, in effect from ``at`` on (UTC); None: it was pulled."""

    change_id: int
    race_id: RaceId
    horse_id: HorseId
    bookmaker_id: BookmakerId
    price: Price | None
    at: datetime


async def newest_change_id(connection: Connection, *, first_day: date) -> int:
    """How far the log of races from a day on has come; 0 when it has nothing."""
    newest: int = await queries.newest_change_id(connection, first_day=first_day)
    return newest


async def changes_of_races(
    connection: Connection, races: Collection[Race], *, after: int, until: int
) -> list[PathChange]:
    """The changes of some races (one at least) above ``after``, up to and with ``until``."""
    instants: dict[datetime, datetime] = {}
    changes: list[PathChange] = []
    while True:
        page = await _first_changes(connection, races, after=after, until=until, instants=instants)
        changes += page
        if len(page) < _CHANGES_AT_A_TIME:
            return changes
        after = page[-1].change_id


async def _first_changes(
    connection: Connection,
    races: Collection[Race],
    *,
    after: int,
    until: int,
    instants: dict[datetime, datetime],
) -> list[PathChange]:
    """A page of changes, whose instants are shared with those of the pages before."""
    days = [race.race_date for race in races]
    rows = queries.changes_of_races(
        connection,
        race_ids=[race.race_id for race in races],
        first_day=min(days),
        last_day=max(days),
        after=after,
        until=until,
        most=_CHANGES_AT_A_TIME,
    )
    return [
        PathChange(
            change_id,
            RaceId(sys.intern(race_id)),
            HorseId(sys.intern(horse_id)),
            BookmakerId(sys.intern(bookmaker_id)),
            stored_price(decimal, fractional),
            instants.setdefault(at, at),
        )
        async for change_id, race_id, horse_id, bookmaker_id, decimal, fractional, at in rows
    ]
