"""The ledger of race days, as the jobs read it."""

from collections.abc import Collection
from datetime import date

from darkhorses.domain.race_days import Completeness, RaceDay
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


async def race_days_between(
    connection: Connection, first: date, last: date, regions: Collection[str]
) -> dict[tuple[date, str], RaceDay]:
    """What the ledger says of the days from first to last; days without a row are left out."""
    rows = queries.race_days_between(
        connection, first_day=first, last_day=last, regions=list(regions)
    )
    days = {}
    async for row in rows:
        fields = dict(row)
        cards = Completeness(fields.pop("cards"))
        results = Completeness(fields.pop("results"))
        day = RaceDay(cards=cards, results=results, **fields)
        days[day.race_date, day.region] = day
    return days
