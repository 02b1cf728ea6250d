"""Addresses of historical odds and of the ledger of race days."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from darkhorses.api.cursors import WrongCursorError, cursor_at, read_cursor
from darkhorses.api.encoding import Encoded, respond
from darkhorses.api.history import History
from darkhorses.api.history_bodies import (
    HistoricalOdds,
    HistoricalSummary,
    RaceDayRow,
    RaceDays,
)
from darkhorses.api.history_summaries import summary_body
from darkhorses.api.periods import FromDay, RaceDate, ToDay, Year, period
from darkhorses.api.problems import REFUSALS, BadParametersError, FieldError
from darkhorses.domain.race_days import Completeness
from darkhorses.store.historical_odds import HistoricalOddsFilters, Place

_Request = Request[Any, Any, Any]
_TAGS = ["History"]

FARTHEST_OFFSET = 10_000
"""Rows before a page are read to be passed over; a cursor passes over none."""

_NO_BOOKMAKER = (
    "historical odds are over all bookmakers; the price changes of one are at "
    "/api/export/odds-changes?bookmaker="
)

Name = QueryParameter(min_length=1, max_length=100, description="Its name, in any case")


@get(
    "/api/historical-odds",
    tags=_TAGS,
    summary="Races that are over, runner by runner",
    responses={200: ResponseSpec(HistoricalOdds, description="A page of rows"), **REFUSALS},
)
async def get_historical_odds(
    *,
    request: _Request,
    history: NamedDependency[History],
    race_date: RaceDate = None,
    from_day: FromDay = None,
    to_day: ToDay = None,
    year: Year = None,
    course: Annotated[str | None, Name] = None,
    horse: Annotated[str | None, Name] = None,
    trainer: Annotated[str | None, Name] = None,
    jockey: Annotated[str | None, Name] = None,
    bookmaker: Annotated[
        str | None,
        QueryParameter(description="Refused: these rows have none; see /api/export/odds-changes"),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="Rows in the page")] = 100,
    offset: Annotated[
        int | None,
        QueryParameter(
            ge=0, description=f"Rows before the page, at most {FARTHEST_OFFSET:,}; cursor goes on"
        ),
    ] = None,
    cursor: Annotated[
        str | None,
        QueryParameter(
            min_length=1, max_length=500, description="The next of the page before, as it came"
        ),
    ] = None,
) -> Response[bytes | None]:
    """Every runner with its starting prices, its market, how it ended and what it returned.

    Newest first. To read on, send `next` as `cursor` with the same filters: that costs the same
    however far it goes and neither skips nor repeats a row when days are added meanwhile.
    """
    if bookmaker is not None:
        raise BadParametersError(FieldError(field="bookmaker", message=_NO_BOOKMAKER))
    days = period(race_date=race_date, year=year, from_day=from_day, to_day=to_day)
    filters = HistoricalOddsFilters(
        from_day=days.first,
        to_day=days.last,
        course=course,
        horse=horse,
        trainer=trainer,
        jockey=jockey,
    )
    after = _place(cursor, offset, filters)
    rows = await history.odds(filters, limit=limit + 1, offset=offset or 0, after=after)
    page = rows[:limit]
    body = HistoricalOdds(
        success=True,
        count=len(page),
        limit=limit,
        offset=(offset or 0) if after is None else None,
        next=cursor_at(Place.of(page[-1]), filters) if len(rows) > limit else None,
        data=tuple(page),
    )
    return respond(request, Encoded.json(body))


@get(
    "/api/historical-odds/summary",
    tags=_TAGS,
    summary="What there is of historical odds",
    responses={200: ResponseSpec(HistoricalSummary, description="Counts and days"), **REFUSALS},
)
async def get_historical_summary(
    request: _Request, history: NamedDependency[History]
) -> Response[bytes | None]:
    """Rows, races, courses and days, by year, by region and by where prices come from."""
    return respond(request, Encoded.json(summary_body(await history.summary())))


@get(
    "/api/race-days",
    tags=_TAGS,
    summary="Which days are complete, provisional or missing",
    responses={200: ResponseSpec(RaceDays, description="A page of the ledger"), **REFUSALS},
)
async def get_race_days(
    *,
    request: _Request,
    history: NamedDependency[History],
    from_day: FromDay = None,
    to_day: ToDay = None,
    region: Annotated[
        str | None,
        QueryParameter(min_length=1, max_length=10, description="The feed's code: gb, ire"),
    ] = None,
    status: Annotated[Completeness | None, QueryParameter(description="Of the whole day")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="Days in the page")] = 100,
    offset: Annotated[
        int, QueryParameter(ge=0, le=1_000_000, description="Days before the page")
    ] = 0,
) -> Response[bytes | None]:
    """The ledger that the nightly job and backfills are driven by: a row for a day of a region."""
    asked = period(from_day=from_day, to_day=to_day)
    days = [
        day
        for day in await history.race_days(asked.first, asked.last, region)
        if status is None or day.status is status
    ]
    page = tuple(
        RaceDayRow(status=day.status, **msgspec.structs.asdict(day))
        for day in days[offset : offset + limit]
    )
    body = RaceDays(
        success=True, count=len(page), total=len(days), limit=limit, offset=offset, data=page
    )
    return respond(request, Encoded.json(body))


def _place(cursor: str | None, offset: int | None, filters: HistoricalOddsFilters) -> Place | None:
    if cursor is None:
        refuse_far_offset(offset or 0, "cursor: send the next of the page before as cursor")
        return None
    if offset is not None:
        raise BadParametersError(
            FieldError(field="offset", message="not beside a cursor, which is a place of its own")
        )
    try:
        return read_cursor(cursor, filters)
    except WrongCursorError as error:
        raise BadParametersError(FieldError(field="cursor", message=str(error))) from error


def refuse_far_offset(offset: int, instead: str) -> None:
    """Raise BadParametersError for an offset that costs too much."""
    if offset > FARTHEST_OFFSET:
        message = f"at most {FARTHEST_OFFSET:,}; farther pages are for {instead}"
        raise BadParametersError(FieldError(field="offset", message=message))


ROUTES = (
    get_historical_odds,
    get_historical_summary,
    get_race_days,
)
"""Every address of this module."""
