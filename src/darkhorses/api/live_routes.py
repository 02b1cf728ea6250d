"""Addresses under ``/api/live-odds``."""

from datetime import date
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from darkhorses.api.bodies import LiveOdds, NextRace, RacesByStage, UpcomingRaces
from darkhorses.api.encoding import Encoded, respond
from darkhorses.api.live_odds import LiveOddsQuery, live_odds
from darkhorses.api.parameters import read_bookmaker
from darkhorses.api.past_days import PastDays
from darkhorses.api.problems import REFUSALS
from darkhorses.api.publishing import Publisher, address_of, as_json
from darkhorses.api.races import next_race, races_by_stage, upcoming_races
from darkhorses.domain.london import race_day

_Request = Request[Any, Any, Any]
_TAGS = ["Live odds"]


@get(
    "/api/live-odds",
    tags=_TAGS,
    summary="Live prices, row by row",
    responses={200: ResponseSpec(LiveOdds, description="A page of rows"), **REFUSALS},
)
async def get_live_odds(
    *,
    request: _Request,
    publisher: NamedDependency[Publisher],
    past_days: NamedDependency[PastDays],
    race_date: Annotated[
        date | None,
        QueryParameter(description="Race day in London, YYYY-MM-DD; today when left out"),
    ] = None,
    course: Annotated[
        str | None, QueryParameter(min_length=1, max_length=100, description="Name of a course")
    ] = None,
    bookmaker: Annotated[
        str | None,
        QueryParameter(min_length=1, max_length=100, description="Name or id of a bookmaker"),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="Rows in the page")] = 100,
    offset: Annotated[
        int, QueryParameter(ge=0, le=1_000_000, description="Rows before the page")
    ] = 0,
) -> Response[bytes | None]:
    """Every bookmaker's newest price on every runner, pulled prices included (as null)."""
    query = LiveOddsQuery(
        race_date=race_date or race_day(publisher.now()),
        course=course,
        bookmaker_id=read_bookmaker("bookmaker", bookmaker) if bookmaker is not None else None,
        limit=limit,
        offset=offset,
    )
    followed = publisher.followed()
    if query.race_date < followed.market.from_day:
        body, _ = live_odds(publisher.lens(await past_days.day(query.race_date)), query)
        return respond(request, Encoded.json(body))
    published = publisher.published(
        ("live-odds", query),
        as_json(lambda lens: live_odds(lens, query)),
        at=address_of(request),
    )
    return respond(request, published)


@get(
    "/api/live-odds/races-by-stage",
    tags=_TAGS,
    summary="Races by stage, with every runner's best price",
    responses={
        200: ResponseSpec(RacesByStage, description="All races that are not over"),
        **REFUSALS,
    },
    sync_to_thread=False,
)
def get_races_by_stage(
    *,
    request: _Request,
    publisher: NamedDependency[Publisher],
    all_odds: Annotated[
        bool, QueryParameter(description="false leaves every runner's all_odds out")
    ] = True,
) -> Response[bytes | None]:
    """The four stages of a market: 120, 30 and 5 minutes before the scheduled off."""
    published = publisher.published(
        ("races-by-stage", all_odds),
        as_json(lambda lens: races_by_stage(lens, all_odds=all_odds)),
        at=address_of(request),
    )
    return respond(request, published)


@get(
    "/api/live-odds/upcoming-races",
    tags=_TAGS,
    summary="Races about to go off",
    responses={200: ResponseSpec(UpcomingRaces, description="Races by off time"), **REFUSALS},
    sync_to_thread=False,
)
def get_upcoming_races(
    request: _Request,
    publisher: NamedDependency[Publisher],
    hours_ahead: Annotated[
        float, QueryParameter(gt=0, le=168, description="How far to look ahead")
    ] = 24,
) -> Response[bytes | None]:
    """Races whose scheduled off lies within so many hours."""
    published = publisher.published(
        ("upcoming-races", hours_ahead),
        as_json(lambda lens: upcoming_races(lens, hours_ahead=hours_ahead)),
        at=address_of(request),
    )
    return respond(request, published)


@get(
    "/api/live-odds/next-race",
    tags=_TAGS,
    summary="The next race, and today's card",
    responses={200: ResponseSpec(NextRace, description="The next scheduled off"), **REFUSALS},
    sync_to_thread=False,
)
def get_next_race(
    request: _Request, publisher: NamedDependency[Publisher]
) -> Response[bytes | None]:
    """The next scheduled off, and how far today's card is."""
    published = publisher.published(("next-race",), as_json(next_race), at=address_of(request))
    return respond(request, published)


ROUTES = (
    get_live_odds,
    get_races_by_stage,
    get_upcoming_races,
    get_next_race,
)
"""Every address of this module."""
