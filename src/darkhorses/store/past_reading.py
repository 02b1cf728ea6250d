"""Reading the tables of past races, which are large: every question has a time limit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries

LONGEST_QUESTION = timedelta(seconds=5)


@asynccontextmanager
async def past_reading(database: Database) -> AsyncIterator[Connection]:
    """A connection whose statements end after LONGEST_QUESTION in DatabaseBusyError.

    A statement with filters that may be left out is planned anew each time: a plan that is kept
    for all of them would use the index of none.
    """
    async with database.transaction() as connection:
        await queries.past_reading_limits(
            connection, statement_timeout=str(int(LONGEST_QUESTION / timedelta(milliseconds=1)))
        )
        yield connection
