"""The address that whole tables are exported at."""

from http import HTTPStatus
from typing import Annotated, Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter
from litestar.types import ASGIApp

from darkhorses.api.exports import ExportAnswer, Exports
from darkhorses.api.periods import FromDay, ToDay
from darkhorses.api.problems import (
    MEDIA_TYPE,
    REFUSALS_OF_ONE,
    BadParametersError,
    FieldError,
    NotKnownError,
    Problem,
)
from darkhorses.export.asking import WrongFilterError, export_query
from darkhorses.export.formats import ExportFormat, ParquetMissingError, require
from darkhorses.store.exporting import ExportTable

_Request = Request[Any, Any, Any]
_OLD_HTTP = ("1", "1.0")
EXPORT_PATH = "/api/export/{table}"


def _filter(of: str) -> Any:
    return QueryParameter(min_length=1, max_length=100, description=of)


@get(
    "/api/export/{table:str}",
    tags=["History"],
    summary="A whole table, as a file",
    responses={
        200: ResponseSpec(
            bytes,
            description="text/csv, application/x-ndjson or application/vnd.apache.parquet",
            media_type="application/octet-stream",
            generate_examples=False,
        ),
        **REFUSALS_OF_ONE,
        HTTPStatus.UPGRADE_REQUIRED: ResponseSpec(
            Problem,
            description="Asked by HTTP/1.0, which cannot tell a whole file from a broken one",
            generate_examples=False,
            media_type=MEDIA_TYPE,
        ),
    },
)
async def get_export(
    *,
    request: _Request,
    exports: NamedDependency[Exports],
    table: Annotated[
        str,
        PathParameter(
            description="historical-odds, results, race-days or odds-changes",
            schema_extra={"enum": [*ExportTable]},
        ),
    ],
    export_format: Annotated[
        ExportFormat, QueryParameter(name="format", description="Of the file")
    ] = ExportFormat.CSV,
    from_day: FromDay = None,
    to_day: ToDay = None,
    course: Annotated[str | None, _filter("Of historical-odds and results")] = None,
    horse: Annotated[str | None, _filter("Of historical-odds")] = None,
    trainer: Annotated[str | None, _filter("Of historical-odds")] = None,
    jockey: Annotated[str | None, _filter("Of historical-odds")] = None,
    region: Annotated[str | None, _filter("Of results and race-days: gb, ire")] = None,
    bookmaker: Annotated[str | None, _filter("Of odds-changes: its name or id")] = None,
    race_id: Annotated[str | None, _filter("Of odds-changes")] = None,
) -> ASGIApp:
    """All rows of a table, or those that filters choose, streamed.

    All rows are of one moment. An answer without its end (the last chunk of HTTP/1.1) is broken
    off and no whole file. Only so many exports run at a time; others are told when to try again.
    """
    if request.scope["http_version"] in _OLD_HTTP:
        raise HTTPException(
            status_code=HTTPStatus.UPGRADE_REQUIRED,
            headers={"upgrade": "HTTP/1.1", "connection": "upgrade"},
        )
    filters = {
        "course": course,
        "horse": horse,
        "trainer": trainer,
        "jockey": jockey,
        "region": region,
        "bookmaker": bookmaker,
        "race_id": race_id,
    }
    try:
        query = export_query(_table(table), from_day=from_day, to_day=to_day, filters=filters)
        require(export_format)
    except WrongFilterError as error:
        raise BadParametersError(FieldError(field=error.field, message=error.message)) from error
    except ParquetMissingError as error:
        message = "Parquet is not installed here; take ndjson or csv"
        raise BadParametersError(FieldError(field="format", message=message)) from error
    return ExportAnswer(exports, query, export_format)


def _table(name: str) -> ExportTable:
    try:
        return ExportTable(name)
    except ValueError:
        known = ", ".join(ExportTable)
        raise NotKnownError(
            FieldError(field="table", message=f"there is no such table; there are {known}")
        ) from None


ROUTES = (get_export,)
"""Every address of this module."""
