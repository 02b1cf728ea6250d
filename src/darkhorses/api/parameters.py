"""Query parameters: only those that an address knows, each once unless it takes several values."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from litestar import Request

from darkhorses.api.naming import names_with_several_values, names_without_null, query_names
from darkhorses.api.problems import BadParametersError, FieldError, NotKnownError
from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.identifiers import BookmakerId

# PostgreSQL keeps no NUL; what is no UTF-8 has been read as the other one.
_NO_CHARACTERS = frozenset("\0\N{REPLACEMENT CHARACTER}")
_NO_TEXT = "has a NUL, or bytes that are not UTF-8"
_MOST_ERRORS = 20

INSTANT = {"format": "date-time"}
"""What the documentation adds to a parameter for ``read_instant``."""


async def refuse_wrong_parameters(request: Request[Any, Any, Any]) -> None:
    """Raise BadParametersError for what no address takes, whatever its parameters mean.

    That is a parameter that the address does not know, or gets twice, and a value that is no text
    or none at all. Raises NotKnownError where that is a part of the path.
    """
    for name, value in request.path_params.items():
        if _is_no_text(value):
            raise NotKnownError(FieldError(field=name, message=_NO_TEXT))
    errors = dict.fromkeys([*_unknown_or_repeated(request), *_without_value(request)])
    if errors:
        raise BadParametersError(*islice(errors, _MOST_ERRORS))


def _unknown_or_repeated(request: Request[Any, Any, Any]) -> Iterator[FieldError]:
    known = sorted(query_names(request.route_handler).values())
    several = names_with_several_values(request.route_handler)
    for name in request.query_params:
        if name not in known:
            named = f"the parameters here are {', '.join(known)}" if known else "there are none"
            yield FieldError(field=name, message=f"unknown parameter; {named}")
        elif name not in several and len(request.query_params.getall(name)) > 1:
            yield FieldError(field=name, message="given more than once")


def _without_value(request: Request[Any, Any, Any]) -> Iterator[FieldError]:
    without_null = names_without_null(request.route_handler)
    for name, value in request.query_params.multi_items():
        if _is_no_text(value):
            yield FieldError(field=name, message=_NO_TEXT)
        elif name in without_null and value.casefold() == "null":
            # It would be read as if the parameter were left out.
            yield FieldError(field=name, message="null is no value; leave the parameter out")


def _is_no_text(value: str) -> bool:
    return not _NO_CHARACTERS.isdisjoint(value)


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
