"""Addresses of results."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter

from darkhorses.api.encoding import Encoded, respond
from darkhorses.api.history import History, WholeResult
from darkhorses.api.history_bodies import (
    Result,
    ResultNonRunner,
    ResultRevision,
    ResultRow,
    ResultRunner,
    Results,
)
from darkhorses.api.history_routes import refuse_far_offset
from darkhorses.api.periods import FromDay, RaceDate, ToDay, period
from darkhorses.api.problems import REFUSALS, REFUSALS_OF_ONE, FieldError, NotKnownError
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.results import name_key, read_non_runners
from darkhorses.store.results import ResultFilters, WithoutResult

_Request = Request[Any, Any, Any]
_TAGS = ["History"]


@get(
    "/api/results",
    tags=_TAGS,
    summary="Results of races",
    responses={200: ResponseSpec(Results, description="A page of races"), **REFUSALS},
)
async def get_results(
    *,
    request: _Request,
    history: NamedDependency[History],
    race_date: RaceDate = None,
    from_day: FromDay = None,
    to_day: ToDay = None,
    course: Annotated[
        str | None, QueryParameter(min_length=1, max_length=100, description="Name of a course")
    ] = None,
    region: Annotated[
        str | None, QueryParameter(min_length=1, max_length=10, description="GB or IRE")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="Races in the page")] = 100,
    offset: Annotated[int, QueryParameter(ge=0, description="Races before the page")] = 0,
) -> Response[bytes | None]:
    """Races with their winners, the newest off first; a day's results come the night after."""
    refuse_far_offset(offset, "to: ask for the days before those that you have")
    days = period(race_date=race_date, from_day=from_day, to_day=to_day)
    filters = ResultFilters(from_day=days.first, to_day=days.last, course=course, region=region)
    rows = tuple(
        ResultRow(race=result, winners=tuple(winners))
        for result, winners in await history.results(filters, limit=limit, offset=offset)
    )
    body = Results(success=True, count=len(rows), limit=limit, offset=offset, data=rows)
    return respond(request, Encoded.json(body))


@get(
    "/api/results/{race_id:str}",
    tags=_TAGS,
    summary="One race's result, with all runners and corrections",
    responses={200: ResponseSpec(Result, description="The result"), **REFUSALS_OF_ONE},
)
async def get_result(
    request: _Request,
    history: NamedDependency[History],
    race_id: Annotated[str, PathParameter(description="A race's id, as every row of it has it")],
) -> Response[bytes | None]:
    """Places, prices, returns and non-runners of a race, and what was said before corrections."""
    found = await result_or_refusal(history, RaceId(race_id))
    return respond(request, Encoded.json(_result(found)))


async def result_or_refusal(history: History, race_id: RaceId) -> WholeResult:
    """A race's result; raises NotKnownError, which says why there is none."""
    found = await history.result(race_id)
    if isinstance(found, WithoutResult):
        raise NotKnownError(FieldError(field="race_id", message=_why_not(found)))
    return found


def _why_not(race: WithoutResult) -> str:
    if not race.is_known:
        return "no race is known by this id"
    if race.is_void:
        return "this race has no result: it was abandoned or void, and bets were given back"
    return "this race has no result yet; a day's results come the night after"


def _result(whole: WholeResult) -> Result:
    names = {row.horse_id: row.horse_name for row in whole.rows}
    return Result(
        success=True,
        race=whole.result,
        runners=tuple(
            msgspec.convert(row, ResultRunner, from_attributes=True)
            for row in whole.rows
            if not row.is_non_runner
        ),
        non_runners=_non_runners(whole),
        revisions=tuple(
            ResultRevision(
                horse_id=revision.horse_id,
                horse_name=names.get(revision.horse_id),
                superseded_at=revision.superseded_at,
                said=revision.said,
            )
            for revision in whole.revisions
        ),
    )


def _non_runners(whole: WholeResult) -> tuple[ResultNonRunner, ...]:
    """Those with a row, and those that only the result's text names."""
    known = {name_key(row.horse_name) for row in whole.rows}
    return (
        *(
            ResultNonRunner(
                horse_id=row.horse_id,
                horse_name=row.horse_name,
                horse_number=row.horse_number,
                reason=row.non_runner_reason,
            )
            for row in whole.rows
            if row.is_non_runner
        ),
        *(
            ResultNonRunner(
                horse_id=None, horse_name=named.name, horse_number=None, reason=named.reason
            )
            for named in read_non_runners(whole.result.non_runners)
            if name_key(named.name) not in known
        ),
    )


ROUTES = (
    get_results,
    get_result,
)
"""Every address of this module."""
