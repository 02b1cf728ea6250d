"""Reading whole tables, a few thousand rows at a time, from one snapshot.

A cursor of SQL instead of the driver's: it needs no named prepared statement, so that it works
through transaction poolers, too.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, timedelta
from enum import StrEnum

import asyncpg
import msgspec

from darkhorses.store.errors import StoreError
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries

Row = asyncpg.Record
"""A row as the database gives it, its values in the order of the columns."""

_STATEMENT_LIMIT = timedelta(minutes=2)
_IDLE_LIMIT = timedelta(minutes=2)
"""How long whoever takes the rows may leave a batch of them untaken."""


class ExportTable(StrEnum):
    """What can be exported."""

    HISTORICAL_ODDS = "historical-odds"
    RESULTS = "results"
    RACE_DAYS = "race-days"
    ODDS_CHANGES = "odds-changes"


FILTERS: Mapping[ExportTable, frozenset[str]] = {
    ExportTable.HISTORICAL_ODDS: frozenset({"course", "horse", "trainer", "jockey"}),
    ExportTable.RESULTS: frozenset({"course", "region"}),
    ExportTable.RACE_DAYS: frozenset({"region"}),
    ExportTable.ODDS_CHANGES: frozenset({"bookmaker", "race_id"}),
}
"""The filters that apply to each table, beside the days."""

_RELATIONS = {
    ExportTable.HISTORICAL_ODDS: "ra_odds_historical",
    ExportTable.RESULTS: "ra_results",
    ExportTable.RACE_DAYS: "race_days",
    ExportTable.ODDS_CHANGES: "ra_odds_changes",
}


class ExportQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of a table: race days of London, both included, and values of its filters.

    Names are compared without regard to case; ``bookmaker`` is an id.
    """

    table: ExportTable
    from_day: date = date.min
    to_day: date = date.max
    filters: Mapping[str, str] = {}


class ColumnKind(StrEnum):
    """What a column holds, by PostgreSQL's name of its type."""

    TEXT = "text"
    SMALL_INTEGER = "smallint"
    INTEGER = "integer"
    BIG_INTEGER = "bigint"
    NUMBER = "numeric"
    DAY = "date"
    INSTANT = "timestamp with time zone"
    TRUTH = "boolean"
    JSON = "jsonb"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column; of a number ``digits`` in all and ``scale`` of them after the point."""

    name: str
    kind: ColumnKind
    digits: int | None = None
    scale: int | None = None


class Reading:
    """A table being read; its transaction is the snapshot."""

    def __init__(
        self, connection: Connection, query: ExportQuery, columns: tuple[Column, ...]
    ) -> None:
        self.columns = columns
        self._connection = connection
        self._query = query

    async def count(self) -> int:
        """How many rows there are in all; reads them once more, or an index."""
        ask = getattr(queries, f"{_query_name(self._query.table)}_count")
        count: int = await ask(self._connection, **_parameters(self._query))
        return count

    async def batches(self) -> AsyncIterator[list[Row]]:
        """The rows, 5,000 at a time; raises StoreError when the database does not go on."""
        while True:
            rows = await self._connection.fetch(queries.export_fetch.sql)
            if not rows:
                return
            yield rows


async def open_exports(
    database: Database, *, connections: int, application_name: str = "darkhorses export"
) -> Database:
    """A pool beside another's: exports hold their connections for long."""
    return await Database.open(
        database.url,
        max_connections=connections,
        # FETCH has other columns for each table, which a kept statement would not survive.
        transaction_pooler=True,
        application_name=application_name,
    )


@asynccontextmanager
async def reading(exports: Database, query: ExportQuery) -> AsyncIterator[Reading]:
    """Read a table in one snapshot, for as long as the block runs; from ``open_exports``."""
    async with (
        exports.connection(patience=None) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        async for _ in queries.export_limits(
            connection,
            statement_timeout=_milliseconds(_STATEMENT_LIMIT),
            idle_timeout=_milliseconds(_IDLE_LIMIT),
        ):
            pass
        columns = await _columns(connection, query.table)
        declare = getattr(queries, _query_name(query.table))
        await declare(connection, **_parameters(query))
        yield Reading(connection, query, columns)


async def _columns(connection: Connection, table: ExportTable) -> tuple[Column, ...]:
    rows = [row async for row in queries.export_columns(connection, relation=_RELATIONS[table])]
    try:
        return tuple(
            Column(
                name=row["name"],
                kind=ColumnKind(row["data_type"]),
                digits=row["digits"],
                scale=row["scale"],
            )
            for row in rows
        )
    except ValueError as error:
        raise StoreError(
            f"{_RELATIONS[table]} has a column that is not exported: {error}"
        ) from error


def _query_name(table: ExportTable) -> str:
    return f"export_{table.replace('-', '_')}"


def _parameters(query: ExportQuery) -> dict[str, object]:
    filters = {name: query.filters.get(name) for name in FILTERS[query.table]}
    return {"from_day": query.from_day, "to_day": query.to_day, **filters}


def _milliseconds(duration: timedelta) -> str:
    return str(int(duration / timedelta(milliseconds=1)))
