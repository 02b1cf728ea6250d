"""How long statistics take: the first build of a big change log, then runs with few new rows.

A race has 1,000 changes (see ``benchmarks.filled``): 10,000 new rows are ten new races, which are
measured in the same run.
"""

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from benchmarks.filled import FILL_BOOKMAKERS, more_races, today
from benchmarks.filled_sums import BOOKMAKERS, CHANGES_A_RACE, FIXED
from darkhorses.domain.redaction import Redaction
from darkhorses.logs import configure_logs
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Database
from darkhorses.store.writing.lease import Lease, acquire
from darkhorses.worker.statistics import Refreshed, Updater

NEW_ROWS = 10_000
RACES_AT_ONCE = 150
CARD_INTERVAL = timedelta(seconds=60)


class Bench:
    """A database of a size that is filled and counted, and the seconds that it took.

    ``build`` is the first count of everything, ``runs`` those with new rows, ``idle`` those with
    none.
    """

    def __init__(self, database: Database, lease: Lease, size: int) -> None:
        self._database = database
        self._lease = lease
        self._day = today().date()
        self.size = size
        self.build = 0.0
        self.runs: list[float] = []
        self.idle: list[float] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, server_url: str, size: int) -> AsyncIterator[Self]:
        """Make a database on a server, migrated and with its bookmakers."""
        admin = await Database.open(server_url, max_connections=1)
        async with admin.connection() as connection:
            await connection.execute(f"CREATE DATABASE bench_{size}")
        await admin.close()
        url = urlunsplit(urlsplit(server_url)._replace(path=f"/bench_{size}"))
        database = await Database.open(url, max_connections=2)
        await migrate(database)
        async with database.connection() as connection:
            await connection.execute(FILL_BOOKMAKERS, BOOKMAKERS, FIXED)
            lease = await acquire(connection, "live", "benchmark", ttl=timedelta(hours=1))
        if lease is None:
            raise RuntimeError("a new database has a lease that is held")
        yield cls(database, lease, size)
        await database.close()

    async def first_build(self) -> None:
        """Fill up to the size, and count all of it."""
        await self._fill(self.size)
        await self._settle()
        _, self.build = await self._refresh()
        await self._settle()

    async def run(self) -> None:
        """Count new rows, and then none."""
        await self._fill(NEW_ROWS)
        refreshed, seconds = await self._refresh()
        if (refreshed.changes, refreshed.races) != (NEW_ROWS, NEW_ROWS // CHANGES_A_RACE):
            raise RuntimeError(f"not what was filled: {refreshed}")
        self.runs.append(seconds)
        self.idle.append((await self._refresh())[1])

    async def _fill(self, changes: int) -> None:
        """Add whole races with so many changes, some days at a time."""
        races = changes // CHANGES_A_RACE
        for first in range(0, races, RACES_AT_ONCE):
            self._day = await more_races(self._database, min(RACES_AT_ONCE, races - first))

    async def _settle(self) -> None:
        """Let the planner and the visibility map know what was filled, as autovacuum would."""
        async with self._database.connection() as connection:
            await connection.execute("VACUUM ANALYZE")

    async def _refresh(self) -> tuple[Refreshed, float]:
        """Count what is new, at the end of the last race day; how long it took in seconds."""
        now = datetime.combine(self._day, time_of_day(23), UTC)
        updater = Updater(self._database, clock=lambda: now, card_interval=CARD_INTERVAL)
        started = time.perf_counter()
        refreshed = await updater.refresh(self._lease)
        return refreshed, time.perf_counter() - started


async def bench(server_url: str, sizes: Sequence[int], runs: int) -> list[Bench]:
    """Build every size; then run them by turns, so that what else the machine does hits all."""
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(Bench.open(server_url, size)) for size in sizes]
        for one in found:
            await one.first_build()
        for _ in range(runs):
            for one in found:
                await one.run()
    return found


def table(found: Sequence[Bench]) -> str:
    """What was measured, in Markdown; runs by fastest, median, slowest."""
    lines = [
        f"| changes | first build | run with {NEW_ROWS:,} new | run with none |",
        "|---:|---:|---:|---:|",
    ]
    for one in found:
        a_second = one.size / one.build
        lines.append(
            f"| {one.size:,} | {one.build:.1f} s ({a_second:,.0f} a second) "
            f"| {_times(one.runs)} | {_times(one.idle)} |"
        )
    first, last = found[0], found[-1]
    if first is not last:
        fastest = min(last.runs) / min(first.runs)
        median = statistics.median(last.runs) / statistics.median(first.runs)
        lines.append(
            f"\nA run with new rows at {last.size:,} changes takes {fastest:.2f} times (fastest; "
            f"median {median:.2f}) what it takes at {first.size:,}."
        )
    return "\n".join(lines)


def _times(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.3f}, {statistics.median(seconds):.3f}, {max(seconds):.3f} s"


def main() -> None:
    """Run it from the command line."""
    parser = ArgumentParser(prog="benchmarks.statistics_cost", description=__doc__)
    parser.add_argument("--sizes", default="1000000,5000000", help="changes, with commas")
    parser.add_argument("--runs", type=int, default=15, help="runs with new rows at each size")
    options = parser.parse_args()
    configure_logs("WARNING", Redaction())
    sizes = [int(size) for size in options.sizes.split(",")]
    directory = Path(tempfile.mkdtemp(prefix="darkhorses-bench-"))
    directory.chmod(0o755)  # PostgreSQL of a run by root works as another user
    try:
        with EmbeddedServer.start(directory, durable=False) as server:
            found = asyncio.run(bench(server.url, sizes, options.runs))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    sys.stdout.write(table(found) + "\n")


if __name__ == "__main__":
    main()
