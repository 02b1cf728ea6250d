"""The newest statistics as the worker left them, and the headline figures of past runs."""

from datetime import date, datetime

import msgspec

from darkhorses.domain.statistics import LiveFigures, Metric, PastFigures, TrendPoint
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one moment (UTC), and how far the log and the past days were counted then."""

    computed_at: datetime
    change_id: int
    past_days_counted: int
    live: LiveFigures
    historical: PastFigures


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The newest change that is in the sums, and how often a past day was counted."""

    change_id: int
    past_days_counted: int


async def current_statistics(connection: Connection) -> Statistics | None:
    """The newest figures; None before the first run, and when another version wrote them."""
    row = await queries.statistics_current(connection)
    if row is None:
        return None
    try:
        return Statistics(
            computed_at=row["computed_at"],
            change_id=row["change_id"],
            past_days_counted=row["past_days_counted"],
            live=msgspec.json.decode(row["live"], type=LiveFigures),
            historical=msgspec.json.decode(row["historical"], type=PastFigures),
        )
    except msgspec.ValidationError:
        return None


async def counted_so_far(connection: Connection) -> Progress:
    """How far the sums have come."""
    return Progress(**dict(await queries.statistics_progress(connection)))


async def changes_since(connection: Connection, change_id: int) -> int:
    """How far the change log has grown beyond a change: at most so many entries."""
    number: int = await queries.statistics_behind(connection, change_id=change_id)
    return number


async def trend(
    connection: Connection, metric: Metric, *, from_day: date | None, to_day: date
) -> list[TrendPoint]:
    """A headline figure over days in London, the oldest first; from a week before by default.

    Runs that did not have the figure are left out.
    """
    rows = queries.statistics_trend(
        connection, metric=metric.value, from_day=from_day, to_day=to_day
    )
    return [TrendPoint(**dict(row)) async for row in rows]
