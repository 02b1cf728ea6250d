"""The documentation page: the OpenAPI document in words, without a script or anything foreign."""

from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
import msgspec

from darkhorses.api.encoding import Encoded

_HTML = "text/html"
_REFERENCE = "#/components/schemas/"

Schema = Mapping[str, Any]


class TypeText(msgspec.Struct, frozen=True, kw_only=True):
    """What a value may be, and the body that it refers to, if any."""

    text: str
    refers_to: str | None = None


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of an address, or a field of a body."""

    name: str
    type: TypeText
    default: str = ""
    description: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One address."""

    path: str
    summary: str
    description: str
    parameters: tuple[Field, ...]
    answers_with: TypeText | None


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A body, or a part of one."""

    name: str
    description: str
    fields: tuple[Field, ...]


def document_page(environment: jinja2.Environment, openapi: Schema) -> Encoded:
    """Render an OpenAPI document as a page."""
    html = environment.get_template("docs.html").render(
        page="docs",
        info=openapi["info"],
        operations=tuple(_operations(openapi)),
        bodies=tuple(_bodies(openapi)),
    )
    return Encoded(html.encode(), _HTML)


def _operations(openapi: Schema) -> Iterator[Operation]:
    for path, item in sorted(openapi["paths"].items()):
        operation = item["get"]
        content = operation["responses"]["200"].get("content", {})
        schema = next((form["schema"] for form in content.values() if "schema" in form), None)
        yield Operation(
            path=path,
            summary=operation.get("summary", ""),
            description=operation.get("description", ""),
            parameters=tuple(_parameter(given) for given in operation.get("parameters", ())),
            answers_with=_type(schema) if schema is not None else None,
        )


def _parameter(parameter: Schema) -> Field:
    schema = parameter["schema"]
    default = schema.get("default")
    return Field(
        name=parameter["name"],
        type=_type(schema),
        default="" if default is None else str(default).lower(),
        description=parameter.get("description", ""),
    )


def _bodies(openapi: Schema) -> Iterator[Body]:
    for name, schema in sorted(openapi.get("components", {}).get("schemas", {}).items()):
        if "properties" in schema:
            fields = tuple(
                Field(name=field, type=_type(of)) for field, of in schema["properties"].items()
            )
            yield Body(name=name, description=schema.get("description", ""), fields=fields)
        elif "enum" in schema:
            yield Body(name=name, description=_type(schema).text, fields=())


def _type(schema: Schema) -> TypeText:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REFERENCE)
        return TypeText(text=name, refers_to=name)
    if choices := schema.get("anyOf"):
        types = [_type(choice) for choice in choices]
        refers_to = next((one.refers_to for one in types if one.refers_to), None)
        return TypeText(text=" or ".join(one.text for one in types), refers_to=refers_to)
    if "enum" in schema:
        return TypeText(text=", ".join(str(value) for value in schema["enum"]))
    if schema.get("type") == "array":
        items = _type(schema.get("items", {}))
        return TypeText(text=f"list of {items.text}", refers_to=items.refers_to)
    return TypeText(text=_plain_type(schema))


def _plain_type(schema: Schema) -> str:
    words = [str(schema.get("format") or schema.get("type") or "anything")]
    limits = (
        ("minimum", "at least"),
        ("exclusiveMinimum", "above"),
        ("maximum", "at most"),
    )
    words += [f"{said} {schema[limit]:,.10g}" for limit, said in limits if limit in schema]
    return ", ".join(words)
