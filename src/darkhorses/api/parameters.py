"""Query parameters: only those that an address knows, each once unless it takes several values."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request

from darkhorses.api.naming import names_with_several_values, query_names
from darkhorses.api.problems import BadParametersError, FieldError
from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.identifiers import BookmakerId


async def refuse_unknown_parameters(request: Request[Any, Any, Any]) -> None:
    """Raise BadParametersError for parameters that the address does not know, or gets twice."""
    known = sorted(query_names(request.route_handler).values())
    several = names_with_several_values(request.route_handler)
    errors = []
    for name in request.query_params:
        if name not in known:
            named = f"the parameters here are {', '.join(known)}" if known else "there are none"
            errors.append(FieldError(field=name, message=f"unknown parameter; {named}"))
        elif name not in several and len(request.query_params.getall(name)) > 1:
            errors.append(FieldError(field=name, message="given more than once"))
    if errors:
        raise BadParametersError(*dict.fromkeys(errors))


def read_instant(field: str, text: str) -> datetime:
    """A parameter's ISO 8601 time with its offset, as UTC; raises BadParametersError."""
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadParametersError(
        FieldError(
            field=field,
            message=(
                "expected an ISO 8601 time with its offset, such as 2026-06-20T13:05:00Z "
                "(in an address the + of an offset is written %2B)"
            ),
        )
    )


def read_bookmaker(field: str, name: str) -> BookmakerId:
    """A parameter's bookmaker, by any of its names or by its id; raises BadParametersError."""
    try:
        return bookmaker_named(name).bookmaker_id
    except ValueError as error:
        raise BadParametersError(FieldError(field=field, message=str(error))) from error
