"""What there is of history, without counting its rows: the ledger knows, and an index or two."""

from datetime import date

import msgspec

from darkhorses.domain.price_summaries import DataSource
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


class CollectedPart(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger says of a year of a region; ``days`` are those that it knows."""

    year: int
    region: str
    days: int
    days_missing: int
    days_complete: int
    races: int
    results: int
    records: int
    earliest_date: date | None
    latest_date: date | None


class HistorySummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was collected by year and region, of how many courses, and rows by their source."""

    parts: tuple[CollectedPart, ...]
    courses: int
    by_source: dict[DataSource, int]


async def history_summary(connection: Connection) -> HistorySummary:
    """Sum history up; from ``past_reading``."""
    parts = [
        CollectedPart(**row) async for row in queries.historical_odds_by_year_and_region(connection)
    ]
    by_source = {
        DataSource(row["data_source"]): row["records"]
        async for row in queries.historical_odds_by_source(connection)
    }
    courses: int = await queries.historical_odds_tracks(connection)
    return HistorySummary(parts=tuple(parts), courses=courses, by_source=by_source)
