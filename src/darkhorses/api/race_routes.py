"""Addresses under ``/api/races``: a day's races, one race with every price, and its history."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter

from darkhorses.api.choosing import OfCourse, OfRegion
from darkhorses.api.encoding import Encoded, respond
from darkhorses.api.parameters import INSTANT, read_bookmaker, read_instant
from darkhorses.api.past_answers import Made, PastAnswers
from darkhorses.api.past_days import PastDays
from darkhorses.api.problems import (
    REFUSALS,
    REFUSALS_OF_ONE,
    BadParametersError,
    FieldError,
    NotKnownError,
)
from darkhorses.api.publishing import Address, Publisher, address_of, as_json
from darkhorses.api.race_boards import past_race_page, race_page
from darkhorses.api.race_bodies import RaceHistory, RaceList, RacePage
from darkhorses.api.race_history import HistoryQuery, Resolution, race_history
from darkhorses.api.race_lists import RaceListQuery, race_list
from darkhorses.api.races import Lens
from darkhorses.api.reference import Reference
from darkhorses.api.stored_races import StoredRaces
from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.london import race_day
from darkhorses.domain.stages import Stage
from darkhorses.readmodel.follower import Followed
from darkhorses.store.logged_races import RaceChanges

_Request = Request[Any, Any, Any]
_TAGS = ["Races"]
_ALWAYS_KNOWN = ("gb", "ire")

_RaceIdPart = Annotated[str, PathParameter(description="Id of a race, such as rac_11744434")]


@get(
    "/api/races",
    tags=_TAGS,
    summary="The races of a day",
    responses={200: ResponseSpec(RaceList, description="Races by off time"), **REFUSALS},
)
async def get_races(
    *,
    request: _Request,
    publisher: NamedDependency[Publisher],
    past_days: NamedDependency[PastDays],
    reference: NamedDependency[Reference],
    day: Annotated[
        date | None,
        QueryParameter(
            name="date", description="Race day in London, YYYY-MM-DD; today when left out"
        ),
    ] = None,
    region: OfRegion = None,
    course: OfCourse = None,
    stage: Annotated[
        Stage | None, QueryParameter(description="Stage; a race that is over is in none")
    ] = None,
) -> Response[bytes | None]:
    """Every race of a day with its shortest prices, and how much of its market there is."""
    query = RaceListQuery(
        day=day or race_day(publisher.now()), region=region, course=course, stage=stage
    )
    followed = publisher.followed()
    if query.day < followed.market.from_day:
        past = await past_days.day(query.day)
        await _require_known(query, past, reference)
        return respond(request, Encoded.json(race_list(publisher.lens(past), query)[0]))
    await _require_known(query, followed, reference)
    published = publisher.published(
        ("races", query), as_json(lambda lens: race_list(lens, query)), at=address_of(request)
    )
    return respond(request, published)


@get(
    "/api/races/{race_id:str}",
    tags=_TAGS,
    summary="A race with every price, now or at a moment of the past",
    responses={200: ResponseSpec(RacePage, description="The race"), **REFUSALS_OF_ONE},
)
async def get_race(
    *,
    request: _Request,
    publisher: NamedDependency[Publisher],
    stored_races: NamedDependency[StoredRaces],
    past_answers: NamedDependency[PastAnswers],
    race_id: _RaceIdPart,
    at: Annotated[
        str | None,
        QueryParameter(
            description="ISO 8601 time with its offset: the race as it stood then, rebuilt from "
            "the log of changes",
            schema_extra=INSTANT,
        ),
    ] = None,
) -> Response[bytes | None]:
    """Runners and bookmakers with every price and its age, best prices, books and fair chances.

    Fair chances are the mean over the whole books of bookmakers, each freed of its margin by
    itself: in proportion, by a power, and by Shin's method.
    """
    if at is None:
        answer = await answer_of_race(
            publisher,
            stored_races,
            RaceId(race_id),
            at=None,
            encode=Encoded.json,
            form="json",
            address=address_of(request),
        )
        return respond(request, answer)
    moment = _past("at", at, publisher.now())

    async def build() -> Made:
        return await _past_race(stored_races, RaceId(race_id), moment, Encoded.json)

    return respond(request, await past_answers.answer(RaceId(race_id), moment, build))


async def answer_of_race(
    publisher: Publisher,
    stored_races: StoredRaces,
    race_id: RaceId,
    *,
    at: str | None,
    encode: Callable[[RacePage], Encoded],
    form: str,
    address: Address | None = None,
) -> Encoded:
    """A race in some form, now or at a moment; a running one is made once per state of the market.

    With ``address`` a running race in a form that depends on nothing else stands there.

    Raises BadParametersError for the moment, NotKnownError for the race, and StoreError.
    """
    if at is not None:
        moment = _past("at", at, publisher.now())
        return (await _past_race(stored_races, race_id, moment, encode)).encoded
    if race_id in publisher.followed().market.races:

        def build(lens: Lens) -> tuple[Encoded, datetime | None]:
            page, true_until = race_page(lens, lens.followed.market.races[race_id])
            return encode(page), true_until

        return publisher.published(("race", race_id, form), build, at=address)
    market = await stored_races.market(race_id)
    if market is None:
        raise _unknown_race(race_id)
    lens = publisher.lens(Followed(market=market, loaded=True))
    return encode(race_page(lens, market.races[race_id])[0])


async def _past_race(
    stored_races: StoredRaces,
    race_id: RaceId,
    moment: datetime,
    encode: Callable[[RacePage], Encoded],
) -> Made:
    past = await stored_races.board_at(race_id, moment)
    if past is None:
        raise _unknown_race(race_id)
    return Made(encoded=encode(past_race_page(past, moment)), mark=past.mark)


@get(
    "/api/races/{race_id:str}/history",
    tags=_TAGS,
    summary="Prices of a race over time",
    responses={200: ResponseSpec(RaceHistory, description="A page"), **REFUSALS_OF_ONE},
)
async def get_race_history(
    *,
    request: _Request,
    stored_races: NamedDependency[StoredRaces],
    past_answers: NamedDependency[PastAnswers],
    race_id: _RaceIdPart,
    horse_id: Annotated[
        str | None,
        QueryParameter(pattern="^[!-~]{1,64}$", description="Id of a runner; all when left out"),
    ] = None,
    bookmaker: Annotated[
        str | None,
        QueryParameter(
            min_length=1,
            max_length=100,
            description="Name or id of a bookmaker or exchange; all when left out",
        ),
    ] = None,
    from_at: Annotated[
        str | None,
        QueryParameter(
            name="from",
            description="ISO 8601 time with its offset; included",
            schema_extra=INSTANT,
        ),
    ] = None,
    to_at: Annotated[
        str | None,
        QueryParameter(
            name="to",
            description="ISO 8601 time with its offset; not included",
            schema_extra=INSTANT,
        ),
    ] = None,
    resolution: Annotated[
        Resolution | None,
        QueryParameter(description="Length of bars; every change when left out"),
    ] = None,
    best_only: Annotated[
        bool, QueryParameter(description="true: every runner's best bookmaker price alone")
    ] = False,
    limit: Annotated[
        int,
        QueryParameter(
            ge=1, le=20_000, description="Points or bars in a page, save that no instant is cut"
        ),
    ] = 5_000,
) -> Response[bytes | None]:
    """Every change, or bars of open, high, low and close; the best bookmaker price beside them.

    The best price is over all bookmakers, whichever of them is asked for. Follow ``next_from``.
    """
    query = HistoryQuery(
        race_id=RaceId(race_id),
        horse_id=HorseId(horse_id) if horse_id is not None else None,
        bookmaker_id=read_bookmaker("bookmaker", bookmaker) if bookmaker is not None else None,
        from_at=read_instant("from", from_at) if from_at is not None else None,
        to_at=read_instant("to", to_at) if to_at is not None else None,
        resolution=resolution,
        limit=limit,
        best_only=best_only,
    )
    if best_only and bookmaker is not None:
        raise BadParametersError(
            FieldError(field="best_only", message="leaves no bookmaker to ask for")
        )
    if query.from_at is not None and query.to_at is not None and query.from_at >= query.to_at:
        raise BadParametersError(FieldError(field="from", message="is not before to"))

    async def build() -> Made:
        race = await stored_races.changes(query.race_id, horse_id=query.horse_id)
        if race is None:
            raise _unknown_race(query.race_id)
        _require_in_race(query, race)
        return Made(encoded=Encoded.json(race_history(race, query)), mark=race.mark)

    return respond(request, await past_answers.answer(query.race_id, query, build))


def _past(field: str, text: str, now: datetime) -> datetime:
    moment = read_instant(field, text)
    if moment > now:
        raise BadParametersError(FieldError(field=field, message="lies in the future"))
    return moment


def _unknown_race(race_id: RaceId) -> NotKnownError:
    return NotKnownError(FieldError(field="race_id", message=f"there is no race {race_id!r}"))


async def _require_known(query: RaceListQuery, followed: Followed, reference: Reference) -> None:
    """Raise BadParametersError for a region or course that neither the day nor the list has."""
    if query.region is None and query.course is None:
        return
    races = [race.race for race in followed.market.races.values()]
    courses = [stored.course for stored in await reference.courses()]
    regions = {*_ALWAYS_KNOWN, *(r.region for r in races), *(c.region_code for c in courses)}
    names = {*(r.course for r in races), *(c.course for c in courses)}
    ids = {*(r.course_id for r in races), *(c.course_id for c in courses)}
    errors = []
    if query.region is not None and not _among(query.region, regions):
        known = ", ".join(sorted({region.casefold() for region in regions}))
        errors.append(FieldError(field="region", message=f"unknown region; known are {known}"))
    if query.course is not None and not _among(query.course, names | ids):
        errors.append(FieldError(field="course", message="unknown course; /api/courses lists them"))
    if errors:
        raise BadParametersError(*errors)


def _among(text: str, known: set[str]) -> bool:
    return text.casefold() in {one.casefold() for one in known}


def _require_in_race(query: HistoryQuery, race: RaceChanges) -> None:
    """Raise BadParametersError for a runner or bookmaker that the race does not have."""
    if query.horse_id is not None and query.horse_id not in race.runners:
        raise BadParametersError(
            FieldError(field="horse_id", message="no runner of this race has this id")
        )
    if query.bookmaker_id is None:
        return
    logged = {change.bookmaker_id for changes in race.changes.values() for change in changes}
    quoting = race.quoting | logged
    if query.bookmaker_id not in quoting:
        known = ", ".join(sorted(quoting))
        raise BadParametersError(
            FieldError(
                field="bookmaker", message=f"never quoted this race; those that did: {known}"
            )
        )


ROUTES = (
    get_races,
    get_race,
    get_race_history,
)
"""Every address of this module."""
