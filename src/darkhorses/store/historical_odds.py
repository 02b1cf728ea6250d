"""Historical odds, a page at a time, newest first.

The order is: the latest race day, on it the latest off, then race id, saddle-cloth number (none
comes last) and horse id. Every index that serves a filter ends in the day, so that a page reads
little more than the days that it is of, however deep it lies.
"""

from datetime import date, datetime

import asyncpg
import msgspec

from darkhorses.domain.history import HistoricalRow
from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.past_races import StoredHistoricalRow
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

_NO_NUMBER = 32767
"""Stands for a missing saddle-cloth number, as in the SQL: after every number there is."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A row's place in the order of historical odds."""

    date_of_race: date
    off_dt: datetime
    race_id: RaceId
    number: int
    horse_id: HorseId

    @classmethod
    def of(cls, row: HistoricalRow) -> "Place":
        """Where a row stands."""
        return cls(
            date_of_race=row.date_of_race,
            off_dt=row.off_dt,
            race_id=row.race_id,
            number=_NO_NUMBER if row.horse_number is None else row.horse_number,
            horse_id=row.horse_id,
        )


class HistoricalOddsFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Race days of London, both included, and names, compared without regard to case."""

    from_day: date = date.min
    to_day: date = date.max
    course: str | None = None
    horse: str | None = None
    trainer: str | None = None
    jockey: str | None = None


async def historical_odds_page(
    connection: Connection,
    filters: HistoricalOddsFilters,
    *,
    limit: int,
    offset: int = 0,
    after: Place | None = None,
) -> list[StoredHistoricalRow]:
    """At most ``limit`` rows, those after a place where one is given; from ``past_reading``."""
    rows = queries.historical_odds_page(
        connection, **page_parameters(filters, limit=limit, offset=offset, after=after)
    )
    return [_stored(row) async for row in rows]


def page_parameters(
    filters: HistoricalOddsFilters, *, limit: int, offset: int, after: Place | None
) -> dict[str, object]:
    """The parameters of the query of a page."""
    return {
        **msgspec.structs.asdict(filters),
        "after_day": None if after is None else after.date_of_race,
        "after_off_dt": None if after is None else after.off_dt,
        "after_race_id": None if after is None else after.race_id,
        "after_number": None if after is None else after.number,
        "after_horse_id": None if after is None else after.horse_id,
        "row_limit": limit,
        "row_offset": offset,
    }


async def historical_odds_of_race(
    connection: Connection, race_id: RaceId
) -> list[StoredHistoricalRow]:
    """Every row of a race, in the order of its result."""
    return [
        _stored(row) async for row in queries.historical_odds_of_race(connection, race_id=race_id)
    ]


def _stored(row: asyncpg.Record) -> StoredHistoricalRow:
    return msgspec.convert(dict(row), StoredHistoricalRow)
