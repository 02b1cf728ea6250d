"""The pages for people: the board, the API's documentation, and what they are made of."""

from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import partial
from importlib.resources import files
from typing import Annotated, Any

import jinja2
import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, QueryParameter

from darkhorses import __version__
from darkhorses.api.dashboard.board import BoardQuery, board_page
from darkhorses.api.dashboard.movers import SHOWN, MoverMarks, MoversQuestion, movers_page
from darkhorses.api.dashboard.past import (
    FormQuery,
    day_of_results,
    form_html,
    form_page,
    result_html,
    results_html,
)
from darkhorses.api.dashboard.race import race_html
from darkhorses.api.dashboard.statistics import statistics_page
from darkhorses.api.dashboard.status import Operations, status_page
from darkhorses.api.dashboard.tables import bookmakers_page, courses_page
from darkhorses.api.description import described
from darkhorses.api.documentation import document_page
from darkhorses.api.encoding import Encoded, encode, respond
from darkhorses.api.health import aged, judge, leading
from darkhorses.api.history import History
from darkhorses.api.history_routes import FARTHEST_OFFSET
from darkhorses.api.mover_bodies import Direction, Window
from darkhorses.api.movers import MoversQuery, movers
from darkhorses.api.problems import NotComputedError
from darkhorses.api.publishing import Publisher
from darkhorses.api.race_routes import answer_of_race
from darkhorses.api.races import Lens
from darkhorses.api.reference import Kept, Reference
from darkhorses.api.result_routes import result_or_refusal
from darkhorses.api.schedulers import scheduler_status
from darkhorses.api.statistics import StatisticsReader
from darkhorses.api.statistics_bodies import StatisticsBody, StatisticsTable
from darkhorses.api.stored_races import StoredRaces
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.london import race_day
from darkhorses.readmodel.price_paths import PricePaths

_Request = Request[Any, Any, Any]
_MEDIA_TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


class StaticFiles:
    """The few files that pages are made of, read once."""

    def __init__(self) -> None:
        folder = files("darkhorses.api") / "static"
        self._files = {
            file.name: Encoded(file.read_bytes(), _MEDIA_TYPES[file.name.rpartition(".")[2]])
            for file in folder.iterdir()
            if file.is_file()
        }

    def named(self, name: str) -> Encoded:
        """A file by its name; raises NotFoundException."""
        if name not in self._files:
            raise NotFoundException
        return self._files[name]


class Documents:
    """The API's own description, made once: as OpenAPI and as a page."""

    def __init__(self, environment: jinja2.Environment) -> None:
        self._environment = environment
        self._openapi: Encoded | None = None
        self._page: Encoded | None = None

    def openapi(self, request: _Request) -> Encoded:
        """The OpenAPI document of the application that serves the request."""
        if self._openapi is None:
            schema = described(request.app)
            self._openapi = Encoded(encode(schema), "application/vnd.oai.openapi+json")
        return self._openapi

    def page(self, request: _Request) -> Encoded:
        """The same as a page."""
        if self._page is None:
            self._page = document_page(self._environment, described(request.app))
        return self._page


_Region = Annotated[
    str | None, QueryParameter(max_length=20, description="GB or IRE; all when left out")
]
_Name = Annotated[str | None, QueryParameter(max_length=100)]


@get(["/", "/parts/board"], include_in_schema=False, sync_to_thread=False)
def get_board(
    *,
    request: _Request,
    publisher: NamedDependency[Publisher],
    mover_marks: NamedDependency[MoverMarks],
    environment: NamedDependency[jinja2.Environment],
    region: _Region = None,
    course: _Name = None,
    type_: Annotated[str | None, QueryParameter(name="type", max_length=100)] = None,
    bookmaker: _Name = None,
    horse: _Name = None,
) -> Response[bytes | None]:
    """The board, or the part of it that changes, with what is known now."""
    query = BoardQuery(
        region=_said(region),
        course=_said(course),
        type=_said(type_),
        bookmaker=_said(bookmaker),
        horse=_said(horse),
    )
    lens = publisher.lens()
    health = judge(lens, publisher.follower.workers, version=__version__)
    template = "board_live.html" if _is_part(request) else "board.html"
    build = partial(board_page, environment, health=health, query=query, template=template)
    if not lens.followed.loaded:
        return respond(request, build(lens)[0])
    marks = mover_marks.now()
    build = partial(build, movers=marks.by_race)
    key = template, query, health.status, health.reasons, marks.version
    return respond(request, publisher.published(key, build))


@get(["/movers", "/parts/movers"], include_in_schema=False)
async def get_movers_page(
    *,
    request: _Request,
    publisher: NamedDependency[Publisher],
    price_paths: NamedDependency[PricePaths],
    environment: NamedDependency[jinja2.Environment],
    window: FromQuery[Window] = Window.HOUR,
    direction: Annotated[str | None, QueryParameter(pattern="^(steamers|drifters)?$")] = None,
    region: _Region = None,
    course: _Name = None,
) -> Response[bytes | None]:
    """Steamers and drifters."""
    question = MoversQuestion(
        window=window,
        direction=Direction(direction) if direction else None,
        region=_said(region),
        course=_said(course),
    )
    query = MoversQuery(**msgspec.structs.asdict(question), race_id=None, limit=SHOWN)
    await price_paths.follow(publisher.followed().market, publisher.now())
    lens = publisher.lens()
    health = judge(lens, publisher.follower.workers, version=__version__)
    template = "movers_live.html" if _is_part(request) else "movers.html"

    def build(lens: Lens) -> tuple[Encoded, datetime | None]:
        found, true_until = movers(lens, price_paths, query)
        page = movers_page(environment, lens, health, found, question, template=template)
        return page, true_until

    key = template, query, price_paths.position, health.status, health.reasons
    return respond(request, publisher.published(key, build))


@get(["/races/{race_id:str}", "/parts/races/{race_id:str}"], include_in_schema=False)
async def get_race_page(
    *,
    request: _Request,
    publisher: NamedDependency[Publisher],
    stored_races: NamedDependency[StoredRaces],
    price_paths: NamedDependency[PricePaths],
    environment: NamedDependency[jinja2.Environment],
    race_id: FromPath[str],
    at: Annotated[str | None, QueryParameter(max_length=40)] = None,
) -> Response[bytes | None]:
    """A race with every price, now or at a moment."""
    template = "race_live.html" if _is_part(request) else "race.html"
    followed = publisher.followed()
    if followed.away_since is None:
        await price_paths.follow(followed.market, publisher.now())
    paths = price_paths.of(RaceId(race_id))
    build = race_html(environment, template, publisher.now(), paths)
    moment = _said(at)
    found = await answer_of_race(
        publisher, stored_races, RaceId(race_id), at=moment, encode=build, form=template
    )
    return respond(request, found)


@get("/results", include_in_schema=False)
async def get_results_page(
    request: _Request,
    publisher: NamedDependency[Publisher],
    history: NamedDependency[History],
    environment: NamedDependency[jinja2.Environment],
    day: Annotated[date | None, QueryParameter(name="date")] = None,
) -> Response[bytes | None]:
    """A day's results, by default yesterday's."""
    today = race_day(publisher.now())
    found = await day_of_results(history, day or today - timedelta(days=1), today)
    return respond(request, results_html(environment, found, today))


@get("/results/{race_id:str}", include_in_schema=False)
async def get_result_page(
    request: _Request,
    history: NamedDependency[History],
    environment: NamedDependency[jinja2.Environment],
    race_id: FromPath[str],
) -> Response[bytes | None]:
    """One result."""
    found = await result_or_refusal(history, RaceId(race_id))
    return respond(request, result_html(environment, found))


@get("/history", include_in_schema=False)
async def get_history_page(
    *,
    request: _Request,
    history: NamedDependency[History],
    environment: NamedDependency[jinja2.Environment],
    horse: _Name = None,
    jockey: _Name = None,
    trainer: _Name = None,
    course: _Name = None,
    offset: Annotated[int, QueryParameter(ge=0, le=FARTHEST_OFFSET)] = 0,
) -> Response[bytes | None]:
    """The races of a horse, jockey, trainer or course."""
    query = FormQuery(
        horse=_said(horse), jockey=_said(jockey), trainer=_said(trainer), course=_said(course)
    )
    return respond(request, form_html(environment, await form_page(history, query, offset)))


@get(["/status", "/parts/status"], include_in_schema=False)
async def get_status_page(
    request: _Request,
    publisher: NamedDependency[Publisher],
    reference: NamedDependency[Reference],
    operations: NamedDependency[Kept[Operations]],
    environment: NamedDependency[jinja2.Environment],
) -> Response[bytes | None]:
    """How the service itself fares."""
    lens = publisher.lens()
    workers = aged(publisher.follower.workers, lens.now)
    jobs = scheduler_status(
        workers,
        leading(workers),
        await reference.poll_cycle(),
        now=lens.now,
        version=__version__,
    )
    page = status_page(
        environment,
        lens,
        judge(lens, publisher.follower.workers, version=__version__),
        jobs,
        await operations.get(),
        template="status_live.html" if _is_part(request) else "status.html",
    )
    return respond(request, page)


@get("/statistics", include_in_schema=False)
async def get_statistics_page(
    request: _Request,
    publisher: NamedDependency[Publisher],
    statistics: NamedDependency[StatisticsReader],
    environment: NamedDependency[jinja2.Environment],
) -> Response[bytes | None]:
    """What has been counted."""
    body: StatisticsBody | None = None
    with suppress(NotComputedError):
        body = await statistics.body(StatisticsTable.ALL)
    return respond(request, statistics_page(environment, body, publisher.now()))


@get("/bookmakers", include_in_schema=False)
async def get_bookmakers_page(
    request: _Request,
    publisher: NamedDependency[Publisher],
    reference: NamedDependency[Reference],
    environment: NamedDependency[jinja2.Environment],
) -> Response[bytes | None]:
    """Who quotes."""
    page = bookmakers_page(environment, publisher.lens(), await reference.bookmakers())
    return respond(request, page)


@get("/courses", include_in_schema=False)
async def get_courses_page(
    request: _Request,
    publisher: NamedDependency[Publisher],
    reference: NamedDependency[Reference],
    environment: NamedDependency[jinja2.Environment],
) -> Response[bytes | None]:
    """Where they run."""
    page = courses_page(environment, publisher.lens(), await reference.courses())
    return respond(request, page)


def _is_part(request: _Request) -> bool:
    return request.url.path.startswith("/parts/")


def _said(value: str | None) -> str | None:
    """A field of a form that was left empty asks for nothing."""
    return (value or "").strip() or None


@get("/docs", include_in_schema=False, sync_to_thread=False)
def get_docs(request: _Request, documents: NamedDependency[Documents]) -> Response[bytes | None]:
    """The API's documentation."""
    return respond(request, documents.page(request))


@get("/openapi.json", include_in_schema=False, sync_to_thread=False)
def get_openapi(request: _Request, documents: NamedDependency[Documents]) -> Response[bytes | None]:
    """The API's documentation for programs."""
    return respond(request, documents.openapi(request))


@get("/static/{name:str}", include_in_schema=False, sync_to_thread=False)
def get_static(
    request: _Request, static_files: NamedDependency[StaticFiles], name: FromPath[str]
) -> Response[bytes | None]:
    """A file that pages are made of."""
    return respond(request, static_files.named(name))


ROUTES = (
    get_board,
    get_movers_page,
    get_race_page,
    get_results_page,
    get_result_page,
    get_history_page,
    get_status_page,
    get_statistics_page,
    get_bookmakers_page,
    get_courses_page,
    get_docs,
    get_openapi,
    get_static,
)
"""Every address of this module."""
