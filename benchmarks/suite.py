"""The goals that are measured so far, in one run: ``make bench``, ``make bench-compare``.

Start of ``darkhorses version``, and storage per entry of the change log, index included.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path

from benchmarks.figures import Figure, compare, load, save, table
from benchmarks.statistics_cost import (
    CHANGES_A_RACE,
    FILL_CHANGES,
    FILL_RACES,
    PARTITIONS,
    RACES_A_DAY,
    START,
)
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Database

_SIZE = """
    SELECT sum(pg_total_relation_size(relid))::float8 FROM pg_partition_tree('ra_odds_changes')
    WHERE isleaf
"""


def starting(runs: int) -> Figure:
    """Seconds that ``darkhorses version`` takes."""
    return Figure(
        name="darkhorses version",
        unit="s",
        goal=0.3,
        runs=tuple(_seconds("-m", "darkhorses", "version") for _ in range(runs)),
    )


def _seconds(*arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


async def storage(url: str, changes: int) -> Figure:
    """Bytes per entry of a change log of so many, filled in the database race by race."""
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


def main() -> None:
    """Measure, print, save; or compare with what was saved."""
    parser = ArgumentParser(prog="benchmarks.suite", description=__doc__)
    parser.add_argument("--changes", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    parser.add_argument("--against", type=Path, help="a saved run to compare with")
    options = parser.parse_args()
    before = load(options.against) if options.against else []
    figures = [starting(options.runs)]
    with tempfile.TemporaryDirectory(prefix="darkhorses-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL of a run by root works as another user
        with EmbeddedServer.start(directory, durable=False) as server:
            figures.append(asyncio.run(storage(server.url, options.changes)))
    print(table(figures))
    if before:
        print("\n" + compare(before, figures))
    save(options.out, figures)


if __name__ == "__main__":
    main()
