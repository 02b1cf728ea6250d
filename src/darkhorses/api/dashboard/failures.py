"""Problems as pages, for people who look at pages."""

from collections.abc import Callable
from typing import Any

import jinja2
import msgspec
from litestar import Request, Response
from litestar.types import ExceptionHandlersMap

from darkhorses.api.dashboard.words import HTML
from darkhorses.api.problems import Problem

_FOR_PROGRAMS = ("/api/", "/parts/", "/static/")


def with_pages(
    handlers: ExceptionHandlersMap, environment: jinja2.Environment
) -> ExceptionHandlersMap:
    """The same handlers, whose answers are pages where a page was asked for."""
    return {kind: _with_page(handler, environment) for kind, handler in handlers.items()}


def _with_page(
    handler: Callable[[Request[Any, Any, Any], Any], Response[Any]],
    environment: jinja2.Environment,
) -> Callable[[Request[Any, Any, Any], Any], Response[Any]]:
    def handle(request: Request[Any, Any, Any], error: Any) -> Response[Any]:
        answer = handler(request, error)
        if not _wants_page(request):
            return answer
        problem = msgspec.json.decode(answer.content, type=Problem)
        html = environment.get_template("problem.html").render(page="", problem=problem)
        return Response(
            html.encode(),
            status_code=problem.status,
            media_type=HTML,
            headers={**answer.headers, "vary": "accept"},
        )

    return handle


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(
        _FOR_PROGRAMS
    )
