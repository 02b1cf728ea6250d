"""Making, moving, detaching and dropping months of the change log.

No entry of the log is changed by it, so these transactions carry no fence; two that make the same
month wait for each other. What they lock against live odds they lock last, for an instant, and
``writing`` is held then, and the turn to write: a write of the market is never met half-way, of
this process or of one that collects other regions.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta

import asyncpg

from darkhorses.store.errors import DatabaseBusyError
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries
from darkhorses.store.writing.lease import take_turn

_LOCK_LIMIT = "2s"
_STATEMENT_LIMIT = "10min"
_PATIENCE = timedelta(minutes=25)


async def make_partition(database: Database, month: date, *, writing: asyncio.Lock) -> int | None:
    """Give a month of which there is nothing yet a partition; None when the month has a table.

    Answers how many rows were moved, as ``move_into_partition`` does. Raises DatabaseBusyError
    when others did not let go of a lock in time: nothing has changed then.
    """
    async with writing, _limited(database) as connection:
        await take_turn(connection)
        moved: int | None = await queries.partition_begin(connection, first_day=month)
        if moved is not None:
            await queries.partition_attach(connection, first_day=month)
    return moved


async def move_into_partition(
    database: Database, month: date, *, writing: asyncio.Lock
) -> int | None:
    """Give a month that lies in the default partition its own; None when the month has a table.

    How many rows were moved. Takes as long as they are many, and lets others write meanwhile:
    raises DatabaseBusyError when they wrote to this very month, and nothing has changed then.
    """
    async with _limited(database) as connection:
        moved: int | None = await queries.partition_begin(connection, first_day=month)
        if moved is None:
            return None
        async with writing:
            await take_turn(connection)
            try:
                await queries.partition_attach(connection, first_day=month)
            except asyncpg.CheckViolationError as error:
                raise DatabaseBusyError(
                    f"changes of {month:%B %Y} were written while it was moved: {error}"
                ) from error
    return moved


async def detach_partition(database: Database, month: date, *, writing: asyncio.Lock) -> None:
    """Leave a month as a table of its own, which no reader of the log sees."""
    async with writing, _limited(database) as connection:
        await take_turn(connection)
        await queries.partition_detach(connection, first_day=month)


async def drop_partition(
    database: Database, month: date, newest: int, *, writing: asyncio.Lock
) -> None:
    """Remove a month whose newest change has this number; raises DatabaseBusyError otherwise."""
    async with writing, _limited(database) as connection:
        await take_turn(connection)
        if await queries.partition_detach(connection, first_day=month) != newest:
            raise DatabaseBusyError(f"changes of {month:%B %Y} came after it was exported")
        await queries.partition_drop(connection, first_day=month)


@asynccontextmanager
async def _limited(database: Database) -> AsyncIterator[Connection]:
    async with database.transaction(patience=_PATIENCE) as connection:
        await queries.partition_limits(
            connection, lock_timeout=_LOCK_LIMIT, statement_timeout=_STATEMENT_LIMIT
        )
        yield connection
