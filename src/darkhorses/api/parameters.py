"""Query parameters: only those that an address knows, each once."""

from typing import Any

from litestar import Request
from litestar.handlers.base import BaseRouteHandler
from litestar.params import ParameterKwarg, PathParameter

from darkhorses.api.problems import BadParametersError, FieldError


async def refuse_unknown_parameters(request: Request[Any, Any, Any]) -> None:
    """Raise BadParametersError for parameters that the address does not know, or gets twice."""
    known = _known(request.route_handler)
    errors = []
    for name in request.query_params:
        if name not in known:
            named = f"the parameters here are {', '.join(known)}" if known else "there are none"
            errors.append(FieldError(field=name, message=f"unknown parameter; {named}"))
        elif len(request.query_params.getall(name)) > 1:
            errors.append(FieldError(field=name, message="given more than once"))
    if errors:
        raise BadParametersError(*dict.fromkeys(errors))


def _known(handler: BaseRouteHandler) -> list[str]:
    """The names that stand in an address: ``from`` is no name that an argument can have."""
    known = []
    for name, argument in handler.parsed_fn_signature.parameters.items():
        definition = argument.kwarg_definition
        if isinstance(definition, PathParameter):
            continue
        alias = definition.name if isinstance(definition, ParameterKwarg) else None
        known.append(alias or name)
    return sorted(set(known) - handler.resolve_dependencies().keys() - {"request"})
