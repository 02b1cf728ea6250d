"""The statistics of historical odds, read from what was counted of each past race."""

from collections.abc import Mapping
from typing import Any

import msgspec

from darkhorses.domain.statistics import (
    WINDOW_DAYS,
    ClassFavourites,
    CountryRow,
    CourseFavourites,
    FavouriteFigures,
    Favourites,
    FieldSizeRow,
    OddsCoverage,
    PastActivity,
    PastDate,
    PastEntities,
    PastFigures,
    PastQuality,
    PastTotals,
    TrackRow,
    ratio,
    rounded,
)
from darkhorses.store.live_figures import counted
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

# What grouping(region, course, race_class) says of a row: a bit for each that it is not grouped by.
_OVERALL, _BY_COUNTRY, _BY_COURSE, _BY_CLASS = 0b111, 0b011, 0b001, 0b110


async def past_figures(connection: Connection) -> PastFigures:
    """Read the historical block: a function of what is stored, whatever the time."""
    groups: dict[int, list[dict[str, Any]]] = {}
    async for row in queries.statistics_past_groups(connection):
        groups.setdefault(row["grouped"], []).append(dict(row))
    (overall,) = groups[_OVERALL]
    countries, courses, classes = (
        groups.get(by, []) for by in (_BY_COUNTRY, _BY_COURSE, _BY_CLASS)
    )
    quality = await queries.statistics_past_quality(connection)
    ledger = await queries.statistics_ledger(connection)
    ids = await counted(connection, "historical")
    dates = queries.statistics_past_dates(connection, up_to=WINDOW_DAYS)
    sizes = queries.statistics_field_sizes(connection)
    return PastFigures(
        basic_metrics=PastTotals(
            total_records=overall["runners"] + overall["non_runners"],
            runners=overall["runners"],
            non_runners=overall["non_runners"],
            races=overall["races"],
            races_run=overall["run"],
            earliest_date=quality["first_date"],
            latest_date=quality["last_date"],
        ),
        recent_activity=PastActivity(
            last_read_at=ledger["last_read_at"],
            days=ledger["days"],
            days_complete=ledger["complete"],
            days_with_gaps=ledger["gaps"],
        ),
        unique_entities=PastEntities(
            **{kind: ids.get(kind, 0) for kind in PastEntities.__struct_fields__}
        ),
        records_per_date=tuple([msgspec.convert(dict(row), PastDate) async for row in dates]),
        country_distribution=tuple(
            CountryRow(country=row["region"], races=row["races"], runners=row["runners"])
            for row in countries
        ),
        track_distribution=tuple(
            TrackRow(
                track=row["course"],
                country=row["region"],
                races=row["races"],
                runners=row["runners"],
            )
            for row in courses
        ),
        data_quality=_quality(quality, ledger["gaps"]),
        odds_coverage=_coverage(quality),
        favourites=Favourites(
            overall=FavouriteFigures(**_favourites(overall)),
            by_course=tuple(
                CourseFavourites(course=row["course"], country=row["region"], **_favourites(row))
                for row in courses
            ),
            by_class=tuple(
                ClassFavourites(race_class=row["race_class"], **_favourites(row)) for row in classes
            ),
        ),
        field_sizes=tuple([msgspec.convert(dict(row), FieldSizeRow) async for row in sizes]),
    )


def _quality(whole: Mapping[str, Any], gaps: int) -> PastQuality:
    return PastQuality(
        runners=whole["runners"],
        without_result=whole["without_result"],
        without_sp=whole["runners"] - whole["with_sp"],
        without_prices=whole["without_prices"],
        days_with_gaps=gaps,
    )


def _coverage(whole: Mapping[str, Any]) -> OddsCoverage:
    runners = whole["runners"]
    return OddsCoverage(
        industry_sp=ratio(whole["with_sp"], runners),
        bsp=ratio(whole["with_bsp"], runners),
        opening_price=ratio(whole["with_opening"], runners),
        closing_price=ratio(whole["with_closing"], runners),
        price_range=ratio(whole["with_range"], runners),
        forecasted_odds=ratio(whole["with_forecast"], runners),
        from_change_log=ratio(whole["from_change_log"], runners),
    )


def _favourites(group: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "races": group["favourite_races"],
        "joint_races": group["joint_races"],
        "strike_rate": ratio(group["favourite_wins"], group["favourite_races"]),
        "return_at_sp": ratio(group["favourite_return"], group["staked"]),
        "mean_field_size": rounded(group["field_size"]),
    }
