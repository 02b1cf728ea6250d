"""From the parts of history, by year and region, to their sums."""

from collections.abc import Iterable, Sequence
from typing import Any

from darkhorses.api.history_bodies import (
    CollectedDays,
    CollectedRegion,
    CollectedYear,
    HistoricalSummary,
)
from darkhorses.store.history_summary import CollectedPart, HistorySummary


def summary_body(summary: HistorySummary) -> HistoricalSummary:
    """Add up what the ledger says."""
    parts = summary.parts
    total = _sums(parts)
    days = sum(part.days for part in parts)
    complete = sum(part.days_complete for part in parts)
    missing = sum(part.days_missing for part in parts)
    first_days = [part.earliest_date for part in parts if part.earliest_date is not None]
    last_days = [part.latest_date for part in parts if part.latest_date is not None]
    return HistoricalSummary(
        success=True,
        total_records=total["records"],
        total_races=total["races"],
        total_results=total["results"],
        courses=summary.courses,
        earliest_date=min(first_days, default=None),
        latest_date=max(last_days, default=None),
        days=CollectedDays(
            total=days, complete=complete, provisional=days - complete - missing, missing=missing
        ),
        by_year=tuple(
            CollectedYear(year=year, **_sums(part for part in parts if part.year == year))
            for year in sorted({part.year for part in parts})
        ),
        by_region=tuple(
            CollectedRegion(region=region, **_sums(part for part in parts if part.region == region))
            for region in sorted({part.region for part in parts})
        ),
        by_data_source=summary.by_source,
    )


def _sums(parts: Iterable[CollectedPart]) -> dict[str, Any]:
    listed: Sequence[CollectedPart] = tuple(parts)
    return {
        name: sum(getattr(part, name) for part in listed)
        for name in ("records", "races", "results")
    }
