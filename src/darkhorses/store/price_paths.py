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


class PathChange(msgspec.Struct, frozen=True, gc=False):
    """A change of a price, in effect from ``at`` on (UTC); None: it was pulled."""

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
    days = [race.race_date for race in races]
    rows = queries.changes_of_races(
        connection,
        race_ids=[race.race_id for race in races],
        first_day=min(days),
        last_day=max(days),
        after=after,
        until=until,
    )
    instants: dict[datetime, datetime] = {}
    return [
        PathChange(
            RaceId(sys.intern(race_id)),
            HorseId(sys.intern(horse_id)),
            BookmakerId(sys.intern(bookmaker_id)),
            stored_price(decimal, fractional),
            instants.setdefault(at, at),
        )
        async for race_id, horse_id, bookmaker_id, decimal, fractional, at in rows
    ]
