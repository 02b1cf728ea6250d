"""How long statistics take: the first build of a big change log, then runs with few new rows.

A race has 1,000 changes: 10 runners at 20 bookmakers, five prices each over the four hours before
its off. So 10,000 new rows are ten new races, which are measured in the same run.
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
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from darkhorses.domain.redaction import Redaction
from darkhorses.logs import configure_logs
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Database
from darkhorses.store.writing.lease import Lease, acquire
from darkhorses.worker.statistics import Refreshed, Updater

CHANGES_A_RACE = 1_000
RACES_A_DAY = 30
NEW_ROWS = 10_000
START = datetime(2026, 1, 1, tzinfo=UTC)
CARD_INTERVAL = timedelta(seconds=60)


FILL_RACES = """
    INSERT INTO ra_races (
        race_id, race_date, off_dt, off_time, course_id, course, region, race_name, race_status,
        checked_at, revision
    )
    SELECT 'rac_' || r, $1::date + r / $4, $1::timestamptz + r / $4 * interval '1 day'
        + interval '13 hours' + r % $4 * interval '10 minutes', '1:00', 'crs_' || r % 60,
        'Course ' || r % 60, 'GB', 'A Race', 'result', $1::timestamptz, 1
    FROM generate_series($2::int, $3::int - 1) AS r
"""
FILL_RUNNERS = """
    INSERT INTO ra_runners (race_id, horse_id, horse_name, revision)
    SELECT 'rac_' || r, 'hrs_' || (r * 10 + h) % 30000, 'Horse', 1
    FROM generate_series($1::int, $2::int - 1) AS r, generate_series(0, 9) AS h
"""
FILL_CHANGES = """
    INSERT INTO ra_odds_changes (
        race_date, race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional, changed_at,
        seen_at, source
    )
    SELECT race_date, race_id, 'hrs_' || (r * 10 + n / 20 % 10) % 30000, 'book' || n % 20,
        CASE WHEN n % 97 > 0 THEN 2 + n / 20 % 10 + hashint4(r * 1000 + n) % 4 * 0.25 END,
        NULL, off_dt - (1000 - n) * interval '14 seconds',
        off_dt - (999 - n) * interval '14 seconds', 'poll'
    FROM generate_series($1::int, $2::int - 1) AS r
    JOIN ra_races ON race_id = 'rac_' || r,
    generate_series(0, 999) AS n
    ORDER BY r, n
"""
FILL_BOOKMAKERS = """
    INSERT INTO ra_bookmakers (bookmaker_id, bookmaker_name, bookmaker_type)
    SELECT 'book' || n, 'Book ' || n, CASE n WHEN 19 THEN 'exchange' ELSE 'fixed' END
    FROM generate_series(0, 19) AS n
"""
PARTITIONS = """
    SELECT ensure_odds_changes_partition($1::date + d) FROM generate_series(0, $2::int) AS d
"""


class Bench:
    """A database of a size that is filled and counted, and the seconds that it took.

    ``build`` is the first count of everything, ``runs`` those with new rows, ``idle`` those with
    none.
    """

    def __init__(self, database: Database, lease: Lease, size: int) -> None:
        self._database = database
        self._lease = lease
        self._races = 0
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
            await connection.execute(FILL_BOOKMAKERS)
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
        """Add whole races with so many changes."""
        first, last = self._races, self._races + changes // CHANGES_A_RACE
        async with self._database.connection() as connection:
            await connection.execute(PARTITIONS, START, last // RACES_A_DAY)
            await connection.execute(FILL_RACES, START, first, last, RACES_A_DAY)
            await connection.execute(FILL_RUNNERS, first, last)
            await connection.execute(FILL_CHANGES, first, last)
        self._races = last

    async def _settle(self) -> None:
        """Let the planner and the visibility map know what was filled, as autovacuum would."""
        async with self._database.connection() as connection:
            await connection.execute("VACUUM ANALYZE")

    async def _refresh(self) -> tuple[Refreshed, float]:
        """Count what is new, at the end of the last race day; how long it took in seconds."""
        now = START + timedelta(days=self._races // RACES_A_DAY, hours=23)
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
