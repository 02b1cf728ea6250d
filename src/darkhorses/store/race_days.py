"""The ledger of race days."""

from collections.abc import Collection
from datetime import date

import asyncpg
import msgspec

from darkhorses.domain.race_days import RaceDay
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


async def race_days_between(
    connection: Connection, first: date, last: date, regions: Collection[str]
) -> dict[tuple[date, str], RaceDay]:
    """What the ledger says of the days from first to last; days without a row are left out."""
    rows = queries.race_days_between(
        connection, first_day=first, last_day=last, regions=list(regions)
    )
    days = [_race_day(row) async for row in rows]
    return {(day.race_date, day.region): day for day in days}


async def race_days_newest_first(
    connection: Connection, first: date, last: date, region: str | None = None
) -> list[RaceDay]:
    """What the ledger says of the days from first to last, of one region or of all."""
    rows = queries.race_days_newest_first(connection, first_day=first, last_day=last, region=region)
    return [_race_day(row) async for row in rows]


def _race_day(row: asyncpg.Record) -> RaceDay:
    return msgspec.convert(dict(row), RaceDay)
