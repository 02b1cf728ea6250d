"""What the arguments of a handler are called in its address: ``from`` is no name in Python."""

from litestar.handlers.base import BaseRouteHandler
from litestar.params import HeaderParameter, ParameterKwarg, PathParameter


def query_names(handler: BaseRouteHandler) -> dict[str, str]:
    """The names in the address's query, by the names of the arguments."""
    given = handler.resolve_dependencies().keys() | {"request"}
    names = {}
    for argument, field in handler.parsed_fn_signature.parameters.items():
        definition = field.kwarg_definition
        if argument in given or isinstance(definition, PathParameter | HeaderParameter):
            continue
        alias = definition.name if isinstance(definition, ParameterKwarg) else None
        names[argument] = alias or argument
    return names


def names_without_null(handler: BaseRouteHandler) -> set[str]:
    """The names that may be left out, and whose values are no free text: "null" is none."""
    parameters = handler.parsed_fn_signature.parameters
    return {
        name
        for argument, name in query_names(handler).items()
        if parameters[argument].is_optional and str not in parameters[argument].annotation.__args__
    }


def names_with_several_values(handler: BaseRouteHandler) -> set[str]:
    """The names that may stand in the query more than once."""
    parameters = handler.parsed_fn_signature.parameters
    return {
        name
        for argument, name in query_names(handler).items()
        if parameters[argument].is_non_string_sequence
    }
