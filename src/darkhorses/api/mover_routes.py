"""The address of movers."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from darkhorses.api.choosing import OfCourse, OfRegion
from darkhorses.api.encoding import respond
from darkhorses.api.mover_bodies import Direction, Movers, Window
from darkhorses.api.movers import MoversQuery, movers
from darkhorses.api.problems import REFUSALS
from darkhorses.api.publishing import Publisher, address_of, as_json
from darkhorses.domain.identifiers import RaceId
from darkhorses.readmodel.price_paths import PricePaths

_Request = Request[Any, Any, Any]


@get(
    "/api/movers",
    tags=["Market"],
    summary="Steamers and drifters, who moved first and who has not followed",
    responses={200: ResponseSpec(Movers, description="The largest moves"), **REFUSALS},
)
async def get_movers(
    *,
    request: _Request,
    publisher: NamedDependency[Publisher],
    price_paths: NamedDependency[PricePaths],
    window: Annotated[
        Window,
        QueryParameter(description="Since when: 5m, 1h, morning (08:00 in London) or opening"),
    ] = Window.HOUR,
    direction: Annotated[
        Direction | None, QueryParameter(description="steamers or drifters; both when left out")
    ] = None,
    region: OfRegion = None,
    course: OfCourse = None,
    race_id: Annotated[
        str | None, QueryParameter(min_length=1, max_length=64, description="Id of a race")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200, description="Moves in the answer")] = 20,
) -> Response[bytes | None]:
    """Runners of races that are not over whose price moved at three bookmakers and more.

    The largest change of the mean chance (1/price) first, in percentage points: 100/1 to 50/1 is
    one point, 2/1 to evens seventeen.
    """
    query = MoversQuery(
        window=window,
        direction=direction,
        region=region,
        course=course,
        race_id=RaceId(race_id) if race_id is not None else None,
        limit=limit,
    )
    await price_paths.follow(publisher.followed().market, publisher.now())
    published = publisher.published(
        ("movers", query, price_paths.position),
        as_json(lambda lens: movers(lens, price_paths, query)),
        at=address_of(request),
    )
    return respond(request, published)


ROUTES = (get_movers,)
"""Every address of this module."""
