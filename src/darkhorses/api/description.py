"""The OpenAPI document: what Litestar derives from the handlers, made true of what is sent.

Litestar calls decimals strings, invents examples anew at every start, says "or null" of what may
be left out of an address, and knows nothing of entity tags.
"""

from decimal import Decimal
from http import HTTPStatus
from typing import Any

from litestar import Litestar
from litestar.openapi.spec import OpenAPIType
from litestar.openapi.spec import Schema as SchemaSpec
from litestar.plugins import OpenAPISchemaPlugin

from darkhorses.api.export_routes import EXPORT_PATH
from darkhorses.api.problems import MEDIA_TYPE
from darkhorses.export.formats import KINDS

Schema = dict[str, Any]

_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_TEXT: Schema = {"type": "string"}
_TAGGED: Schema = {
    "ETag": {"description": "Send it as If-None-Match", "required": True, "schema": _TEXT},
    "Cache-Control": {"required": True, "schema": _TEXT},
}
_COME_BACK: Schema = {
    "Retry-After": {
        "description": "Seconds after which to ask again",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}
_NO_STORE = ("/health", "/api/scheduler-status")
"""Addresses whose bodies are never the same twice: they have no tag."""


class DecimalsAreNumbers(OpenAPISchemaPlugin):
    """Tells Litestar how bodies are encoded."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        """Whether a type is the one that it is wrong about."""
        return value is Decimal

    def to_openapi_schema(self, field_definition: Any, schema_creator: Any) -> SchemaSpec:
        """A decimal's schema."""
        del field_definition, schema_creator
        return SchemaSpec(type=OpenAPIType.NUMBER)


def described(app: Litestar) -> Schema:
    """The OpenAPI document of an application, as JSON's own types."""
    document: Schema = _mended(app.openapi_schema.to_schema())
    for path, item in document["paths"].items():
        for operation in item.values():
            _mend_operation(path, operation)
    return document


def _mended(node: Any) -> Any:
    """The same without invented examples, and with choices that need not exclude each other."""
    if isinstance(node, list):
        return [_mended(one) for one in node]
    if not isinstance(node, dict):
        return node
    # Among the names of a body's fields, "examples" would be a field.
    schema = {
        name: {field: _mended(of) for field, of in value.items()}
        if name == "properties"
        else _mended(value)
        for name, value in node.items()
        if name != "examples"
    }
    if "oneOf" in schema:
        # The "..." of a tuple of any length becomes a choice without a type.
        choices = [choice for choice in schema.pop("oneOf") if choice]
        schema |= choices[0] if len(choices) == 1 else {"anyOf": choices}
    if len(schema.get("allOf", ())) == 1:
        schema |= schema.pop("allOf")[0]
    return schema


def _mend_operation(path: str, operation: Schema) -> None:
    for parameter in operation.get("parameters", ()):
        _mend_parameter(parameter)
    answers = operation["responses"]
    answers.setdefault(
        str(int(HTTPStatus.BAD_REQUEST)),
        {"description": "Unknown parameters, each named under errors", "content": _PROBLEM},
    )
    good = answers[str(int(HTTPStatus.OK))]
    if path == EXPORT_PATH:
        good["content"] = {kind.media_type.partition(";")[0]: {} for kind in KINDS.values()}
    elif path not in _NO_STORE and "application/json" in good["content"]:
        good["headers"] = _TAGGED
        answers[str(int(HTTPStatus.NOT_MODIFIED))] = {
            "description": "If-None-Match names what would be sent",
            "headers": _TAGGED,
        }
    away = answers.get(str(int(HTTPStatus.SERVICE_UNAVAILABLE)))
    if away is not None and MEDIA_TYPE in away["content"]:
        away["headers"] = _COME_BACK


def _mend_parameter(parameter: Schema) -> None:
    """In an address there is no null: what may be left out is not required, and no more."""
    schema = parameter["schema"]
    choices = [one for one in schema.pop("anyOf", ()) if one.get("type") != "null"]
    if len(choices) == 1:
        schema |= choices[0]
    elif choices:
        schema["anyOf"] = choices
