"""Errors as problems of RFC 9457: what is wrong with a request, and nothing of the inside."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap

from darkhorses.api.encoding import encode
from darkhorses.api.exports import ExportsBusyError
from darkhorses.api.metering import route_of
from darkhorses.api.naming import query_names
from darkhorses.api.publishing import NotLoadedError
from darkhorses.error_reports import report
from darkhorses.store.errors import DatabaseBusyError, StoreError

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one parameter."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem of RFC 9457; ``errors`` names the parameters that are to be mended."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()


class NotComputedError(Exception):
    """There are no figures yet: no worker has computed any."""


class BadParametersError(Exception):
    """The request has parameters that are unknown or wrong."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = errors


class NotKnownError(Exception):
    """What a part of the address names is not known; ``error`` says which part."""

    def __init__(self, error: FieldError) -> None:
        super().__init__(f"{error.field}: {error.message}")
        self.error = error


class TooManyClientsError(Exception):
    """No further client of a stream can be let in at present."""


_DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address; /docs lists what there is.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take this method.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong here; it has been logged.",
    HTTPStatus.UPGRADE_REQUIRED: (
        "An export needs HTTP/1.1: by that a whole file can be told from one that was broken off."
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: "The database cannot be reached just now; try again shortly.",
}


_TOLD = ("allow", "upgrade", "connection")
"""Headers of an error that belong to its status."""


def _refusal(description: str) -> ResponseSpec:
    return ResponseSpec(
        Problem, description=description, generate_examples=False, media_type=MEDIA_TYPE
    )


REFUSALS: dict[int, ResponseSpec] = {
    HTTPStatus.BAD_REQUEST: _refusal("Unknown or wrong parameters, each named under errors"),
    HTTPStatus.UNAUTHORIZED: _refusal("A key is wanted, and none that is good was sent"),
    HTTPStatus.FORBIDDEN: _refusal("The key lacks the scope for this"),
    HTTPStatus.TOO_MANY_REQUESTS: _refusal(
        "Too many requests from this address or with this key; Retry-After says when to come back"
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: _refusal(
        "The market is being loaded, or the database is away or too slow"
    ),
}
"""How addresses that live on the database may refuse, for the documentation."""

REFUSALS_OF_ONE: dict[int, ResponseSpec] = {
    **REFUSALS,
    HTTPStatus.NOT_FOUND: _refusal("What the address names is not known"),
}
"""How addresses of one thing may refuse."""


def problem_of(
    status: int, detail: str | None = None, errors: tuple[FieldError, ...] = ()
) -> Problem:
    """A problem with the title of its status."""
    known = HTTPStatus(status)
    return Problem(
        type="about:blank",
        title=known.phrase,
        status=status,
        detail=detail or _DETAILS.get(known, known.description or known.phrase),
        errors=errors,
    )


def problem_response(
    status: int,
    detail: str | None = None,
    *,
    errors: tuple[FieldError, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Response[bytes]:
    """A problem with the title of its status."""
    return Response(
        encode(problem_of(status, detail, errors)),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={"cache-control": "no-store", **(headers or {})},
    )


def _bad_parameters(_: Request[Any, Any, Any], error: BadParametersError) -> Response[bytes]:
    return problem_response(
        HTTPStatus.BAD_REQUEST, f"Wrong parameters: {error}.", errors=error.errors
    )


def _not_known(_: Request[Any, Any, Any], error: NotKnownError) -> Response[bytes]:
    return problem_response(HTTPStatus.NOT_FOUND, f"Not known: {error}.", errors=(error.error,))


def _bad_values(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    extra = error.extra if isinstance(error.extra, list) else []
    names = query_names(request.route_handler)
    errors = [
        FieldError(
            field=names.get(key := str(item.get("key", "")), key),
            message=str(item.get("message", "")),
        )
        for item in extra
        if isinstance(item, dict)
    ]
    return _bad_parameters(request, BadParametersError(*errors))


def _http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    told = {name: value for name, value in (error.headers or {}).items() if name.lower() in _TOLD}
    return problem_response(error.status_code, headers=told)


def _took_too_long(_: Request[Any, Any, Any], error: DatabaseBusyError) -> Response[bytes]:
    log.warning("request.took_too_long", reason=str(error))
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database did not answer in time; ask for fewer days or set a narrower filter, or try "
        "again later.",
        headers={"retry-after": "30"},
    )


def _exports_busy(_: Request[Any, Any, Any], __: ExportsBusyError) -> Response[bytes]:
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Other exports are under way; try again shortly.",
        headers={"retry-after": "10"},
    )


def _database_away(_: Request[Any, Any, Any], error: StoreError) -> Response[bytes]:
    log.warning("request.database_away", reason=str(error))
    return problem_response(HTTPStatus.SERVICE_UNAVAILABLE, headers={"retry-after": "2"})


def _not_loaded(_: Request[Any, Any, Any], __: NotLoadedError) -> Response[bytes]:
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The market is being loaded; try again shortly.",
        headers={"retry-after": "2"},
    )


def _too_many_clients(_: Request[Any, Any, Any], __: TooManyClientsError) -> Response[bytes]:
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "All places at the streams are taken; try again shortly.",
        headers={"retry-after": "5"},
    )


def _not_computed(_: Request[Any, Any, Any], __: NotComputedError) -> Response[bytes]:
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "No statistics have been computed yet; the leading worker does so every 10 minutes.",
        headers={"retry-after": "60"},
    )


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("request.failed", exc_info=error)
    report(error, route=route_of(request.scope))
    return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR)


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    BadParametersError: _bad_parameters,
    NotKnownError: _not_known,
    ValidationException: _bad_values,
    HTTPException: _http,
    DatabaseBusyError: _took_too_long,
    ExportsBusyError: _exports_busy,
    StoreError: _database_away,
    NotLoadedError: _not_loaded,
    TooManyClientsError: _too_many_clients,
    NotComputedError: _not_computed,
    Exception: _unexpected,
}
