"""Storage per entry of the change log, index included."""

import asyncio

from benchmarks.databases import a_server
from benchmarks.figures import Figure, Run
from benchmarks.statistics_cost import (
    CHANGES_A_RACE,
    FILL_CHANGES,
    FILL_RACES,
    PARTITIONS,
    RACES_A_DAY,
    START,
)
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Database

_SIZE = """
    SELECT sum(pg_total_relation_size(relid))::float8 FROM pg_partition_tree('ra_odds_changes')
    WHERE isleaf
"""


def measure(run: Run) -> list[Figure]:
    """Bytes per entry of a change log of so many."""
    with a_server() as url:
        return [asyncio.run(_storage(url, run.changes))]


async def _storage(url: str, changes: int) -> Figure:
    """Filled in the database, race by race."""
    database = await Database.open(url, max_connections=1)
    try:
        await migrate(database)
        races = changes // CHANGES_A_RACE
        async with database.connection() as connection:
            await connection.execute(PARTITIONS, START, races // RACES_A_DAY)
            await connection.execute(FILL_RACES, START, 0, races, RACES_A_DAY)
            await connection.execute(FILL_CHANGES, 0, races)
            size: float = await connection.fetchval(_SIZE)
    finally:
        await database.close()
    return Figure(
        name=f"storage per change at {changes:,}",
        unit="bytes",
        goal=90,
        runs=(size / (races * CHANGES_A_RACE),),
    )
