"""What the arguments of a handler are called in its address: ``from`` is no name in Python."""

from litestar.handlers.base import BaseRouteHandler
from litestar.params import ParameterKwarg, PathParameter


def query_names(handler: BaseRouteHandler) -> dict[str, str]:
    """The names in the address's query, by the names of the arguments."""
    given = handler.resolve_dependencies().keys() | {"request"}
    names = {}
    for argument, field in handler.parsed_fn_signature.parameters.items():
        definition = field.kwarg_definition
        if argument in given or isinstance(definition, PathParameter):
            continue
        alias = definition.name if isinstance(definition, ParameterKwarg) else None
        names[argument] = alias or argument
    return names
