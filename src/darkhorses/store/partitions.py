"""The months of the change log: which have a partition, and which lie in the default one."""

from datetime import date, timedelta

import msgspec

from darkhorses.domain.retention import month_of
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

_PREFIX = "ra_odds_changes_"


class MonthOfChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What a month of the change log holds: rows, and the number of the newest (0 of none)."""

    rows: int
    newest: int


def partition_name(month: date) -> str:
    """What the table of a month is called."""
    return f"{_PREFIX}{month:%Y_%m}"


def last_day_of(month: date) -> date:
    """The last day of a month."""
    return month_of(month, 1) - timedelta(days=1)


async def partitioned_months(connection: Connection) -> list[date]:
    """The months that have a partition of their own, in order."""
    names = [row["name"] async for row in queries.odds_changes_partitions(connection)]
    return [_month_named(name) for name in names]


async def months_in_default(connection: Connection) -> list[date]:
    """The months of which rows lie in the default partition, in order."""
    return [row["first_day"] async for row in queries.odds_changes_in_default(connection)]


async def month_of_changes(connection: Connection, month: date) -> MonthOfChanges:
    """Count a month's changes; reads all of them."""
    row = await queries.odds_changes_of_month(
        connection, first_day=month, last_day=last_day_of(month)
    )
    return MonthOfChanges(rows=row["rows"], newest=row["newest"])


def _month_named(name: str) -> date:
    year, month = name.removeprefix(_PREFIX).split("_")
    return date(int(year), int(month), 1)
