"""The address of opportunities."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from darkhorses.api.choosing import OfCourse, OfRegion
from darkhorses.api.encoding import respond
from darkhorses.api.known_offers import KnownOffers
from darkhorses.api.opportunities import OpportunitiesQuery, opportunities
from darkhorses.api.opportunity_bodies import Kind, Opportunities
from darkhorses.api.problems import REFUSALS
from darkhorses.api.publishing import Publisher, as_json

_Request = Request[Any, Any, Any]


@get(
    "/api/opportunities",
    tags=["Market"],
    summary="Best books under 100 %, extra places, each-way edges, place boundaries",
    responses={200: ResponseSpec(Opportunities, description="What is offered now"), **REFUSALS},
)
async def get_opportunities(
    *,
    request: _Request,
    publisher: NamedDependency[Publisher],
    known_offers: NamedDependency[KnownOffers],
    kind: Annotated[
        Kind | None,
        QueryParameter(
            description="best_book, extra_places, each_way or place_boundary; all when left out"
        ),
    ] = None,
    region: OfRegion = None,
    course: OfCourse = None,
    max_age: Annotated[
        int,
        QueryParameter(
            ge=5,
            le=1800,
            description="Seconds since the feed was asked, beyond which none is fresh",
        ),
    ] = 120,
    stake: Annotated[
        int, QueryParameter(ge=1, le=1_000_000, description="What a best book's stakes sum to")
    ] = 100,
    min_value: Annotated[
        float,
        QueryParameter(ge=0, le=10, description="Least value of an each-way edge, such as 0.02"),
    ] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=500, description="Rows of each kind")] = 50,
) -> Response[bytes | None]:
    """What races to come offer, by prices that are fresh; each kind says how it was worked out.

    An estimate and no advice: prices move, bookmakers limit stakes, and fair chances are the
    market's own.
    """
    query = OpportunitiesQuery(
        kind=kind,
        region=region,
        course=course,
        max_age=timedelta(seconds=max_age),
        stake=Decimal(stake),
        min_value=min_value,
        limit=limit,
    )
    await known_offers.follow(publisher)
    published = publisher.published(
        ("opportunities", query),
        as_json(lambda lens: opportunities(lens, known_offers, query)),
    )
    return respond(request, published)


ROUTES = (get_opportunities,)
"""Every address of this module."""
