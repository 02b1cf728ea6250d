"""The pages for people: the board, the API's documentation, and what they are made of."""

from importlib.resources import files
from typing import Any

import jinja2
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from darkhorses import __version__
from darkhorses.api.documentation import document_page
from darkhorses.api.encoding import Encoded, encode, respond
from darkhorses.api.health import judge
from darkhorses.api.pages import board_page
from darkhorses.api.publishing import Publisher

_Request = Request[Any, Any, Any]
_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
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
            schema = request.app.openapi_schema.to_schema()
            self._openapi = Encoded(encode(schema), "application/vnd.oai.openapi+json")
        return self._openapi

    def page(self, request: _Request) -> Encoded:
        """The same as a page."""
        if self._page is None:
            self._page = document_page(self._environment, request.app.openapi_schema.to_schema())
        return self._page


@get("/", include_in_schema=False, sync_to_thread=False)
def get_board(
    request: _Request,
    publisher: NamedDependency[Publisher],
    environment: NamedDependency[jinja2.Environment],
) -> Response[bytes | None]:
    """The board, painted with what is known now; it brings itself up to date afterwards."""
    lens = publisher.lens()
    health = judge(lens, publisher.follower.workers, version=__version__)
    if not lens.followed.loaded:
        return respond(request, board_page(environment, lens, health)[0])
    key = "board", health.status, health.reasons
    return respond(
        request,
        publisher.published(key, lambda lens: board_page(environment, lens, health)),
    )


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
