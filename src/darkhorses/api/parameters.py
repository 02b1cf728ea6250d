"""Query parameters: only those that an address knows, each once."""

from typing import Any

from litestar import Request

from darkhorses.api.problems import BadParametersError, FieldError


async def refuse_unknown_parameters(request: Request[Any, Any, Any]) -> None:
    """Raise BadParametersError for parameters that the address does not know, or gets twice."""
    handler = request.route_handler
    arguments = handler.parsed_fn_signature.parameters.keys()
    known = sorted(arguments - handler.resolve_dependencies().keys() - {"request"})
    errors = []
    for name in request.query_params:
        if name not in known:
            named = f"the parameters here are {', '.join(known)}" if known else "there are none"
            errors.append(FieldError(field=name, message=f"unknown parameter; {named}"))
        elif len(request.query_params.getall(name)) > 1:
            errors.append(FieldError(field=name, message="given more than once"))
    if errors:
        raise BadParametersError(*dict.fromkeys(errors))
