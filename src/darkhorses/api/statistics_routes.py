"""Addresses under ``/api/statistics``."""

from datetime import date
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from darkhorses.api.encoding import Encoded, respond
from darkhorses.api.problems import REFUSALS, BadParametersError, FieldError
from darkhorses.api.publishing import Publisher
from darkhorses.api.statistics import StatisticsReader
from darkhorses.api.statistics_bodies import StatisticsBody, StatisticsTable, Trend
from darkhorses.domain.london import race_day
from darkhorses.domain.statistics import Metric

_Request = Request[Any, Any, Any]
_TAGS = ["Statistics"]


@get(
    "/api/statistics",
    tags=_TAGS,
    summary="Statistics of live and historical odds",
    responses={
        200: ResponseSpec(StatisticsBody, description="The newest figures"),
        **REFUSALS,
    },
)
async def get_statistics(
    request: _Request,
    statistics: NamedDependency[StatisticsReader],
    table: Annotated[
        StatisticsTable, QueryParameter(description="Which figures: live, historical, or all")
    ] = StatisticsTable.ALL,
) -> Response[bytes | None]:
    """The figures that the leading worker computes every ten minutes; 503 before the first."""
    return respond(request, Encoded.json(await statistics.body(table)))


@get(
    "/api/statistics/trends",
    tags=_TAGS,
    summary="A headline figure over time",
    responses={200: ResponseSpec(Trend, description="Oldest first"), **REFUSALS},
)
async def get_trends(
    *,
    request: _Request,
    publisher: NamedDependency[Publisher],
    statistics: NamedDependency[StatisticsReader],
    metric: Annotated[Metric, QueryParameter(description="Which figure")] = Metric.TOTAL_CHANGES,
    from_day: Annotated[
        date | None,
        QueryParameter(
            name="from", description="First day in London, YYYY-MM-DD; a week before when left out"
        ),
    ] = None,
    to_day: Annotated[
        date | None, QueryParameter(name="to", description="Last day; today when left out")
    ] = None,
) -> Response[bytes | None]:
    """What each run of the statistics found, as far as it is kept."""
    last = to_day or race_day(publisher.now())
    if from_day is not None and from_day > last:
        raise BadParametersError(FieldError(field="from", message="is after the last day"))
    found = await statistics.trend(metric, from_day=from_day, to_day=last)
    return respond(request, Encoded.json(found))


ROUTES = (get_statistics, get_trends)
"""Every address of this module."""
