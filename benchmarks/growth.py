"""What years of racing cost: a database with a million changes and more beside an empty one.

``make bench`` fills a million, ``make bench-full`` also 10 and 50 million. By hand,
``python -m benchmarks.growth --data DIRECTORY`` keeps what it fills for the next time. Today's
races are read by a real API: run it by day, while most of them are still to come.
"""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from benchmarks import past_races
from benchmarks.asking import Asker
from benchmarks.figures import Figure, Run, save, table
from benchmarks.filled import (
    Filled,
    filled,
    more_races,
    size_of_log,
)
from benchmarks.hot_day import Hot, Looks, Seconds, go_on
from benchmarks.past_races import an_api
from darkhorses.domain.redaction import Redaction
from darkhorses.logs import configure_logs
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.pool import Database
from darkhorses.worker.statistics import Updater

SIZES = (1_000_000, 10_000_000, 50_000_000)
STORAGE_AT = 10_000_000
NEW_RACES = 10
READERS = 8
EVENING = time_of_day(23)
CARD_INTERVAL = timedelta(seconds=60)


def measure(run: Run) -> list[Figure]:
    """All figures at the sizes up to ``run.changes``, in a server of their own."""
    sizes = [size for size in SIZES if size <= run.changes]
    with tempfile.TemporaryDirectory(prefix="darkhorses-bench-") as name:
        return measured(Path(name), sizes, run.runs)


def measured(directory: Path, sizes: Sequence[int], runs: int) -> list[Figure]:
    """All figures, by a server whose data lie in a directory."""
    configure_logs("WARNING", Redaction())
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)  # PostgreSQL of a run by root works as another user
    with EmbeddedServer.start(directory, durable=False) as server:
        return asyncio.run(_measured(server.url, sizes, runs))


async def _measured(server_url: str, sizes: Sequence[int], runs: int) -> list[Figure]:
    figures = [await _notify(server_url, runs * 20)]
    figures += _reads_of_pgbench(server_url, runs=3)
    databases = [await filled(server_url, size) for size in (0, *sizes)]
    for one in databases[1:]:
        figures += await _storage(one)
    async with AsyncExitStack() as stack:
        hots = [await stack.enter_async_context(Hot.open(one.url)) for one in databases]
        figures += await _refreshes(databases, hots, runs)
        figures += await _hot(databases, hots, runs)
    for one in databases[1:]:
        figures += await past_races.measured(one)
    return figures


async def _storage(one: Filled) -> list[Figure]:
    database = await Database.open(one.url, max_connections=1)
    async with database.connection(patience=None) as connection:
        rows = await connection.fetchval("SELECT count(*) FROM odds_log")
        size = await size_of_log(connection)
    await database.close()
    figures = [
        Figure(
            name=f"storage per change at {one.changes:,}",
            unit="bytes",
            goal=90 if one.changes == STORAGE_AT else None,
            runs=(size / rows,),
        )
    ]
    if one.seconds:
        name = f"filling {one.changes:,} changes"
        figures.append(Figure(name=name, unit="s", runs=(one.seconds,)))
    return figures


async def _refreshes(databases: Sequence[Filled], hots: Sequence[Hot], runs: int) -> list[Figure]:
    """Statistics refreshed with 10,000 new changes of ten races, by turns."""
    took: list[list[float]] = [[] for _ in databases]
    for number in range(-1, runs):
        for hot, seconds in zip(hots, took, strict=True):
            new = await more_races(hot.database, NEW_RACES)
            begun = time.perf_counter()
            refreshed = await _updater(hot.database, new).refresh(hot.lease)
            if number >= 0:
                seconds.append(time.perf_counter() - begun)
                if (refreshed.changes, refreshed.races) != (NEW_RACES * 1_000, NEW_RACES):
                    raise RuntimeError(f"not what was filled: {refreshed}")
    _, first, *_ = databases
    last = databases[-1]
    figures = [
        Figure(
            name=f"statistics refresh at {last.changes:,}", unit="s", goal=1, runs=tuple(took[-1])
        )
    ]
    if last is not first:
        figures.append(
            Figure(
                name=f"statistics refresh at {last.changes:,} beside {first.changes:,}",
                unit="s",
                goal=1.2,
                runs=tuple(took[-1]),
                limit=tuple(took[1]),
                limit_name=f"at {first.changes:,}",
            )
        )
    return figures


def _updater(database: Database, day: date) -> Updater:
    evening = datetime.combine(day, EVENING, UTC)
    return Updater(database, clock=lambda: evening, card_interval=CARD_INTERVAL)


async def _hot(databases: Sequence[Filled], hots: Sequence[Hot], runs: int) -> list[Figure]:
    """Everything hot, beside the empty database."""
    took = [Seconds({}) for _ in databases]
    async with AsyncExitStack() as stack:
        looks = Looks()
        first = looks.next(0)
        for hot in hots:
            await hot.forget(looks.race_ids)
            await hot.write(first)
            await hot.follow()
        apis = [await stack.enter_async_context(an_api(one.url)) for one in databases]
        askers = [await stack.enter_async_context(Asker.open(api.port)) for api in apis]
        everything = list(zip(hots, askers, took, strict=True))
        await go_on(everything[:1] + everything[-1:], looks, runs=runs)
        memory = [_memory(api.pid) for api in apis]
    empty, full = took[0].by_name, took[-1].by_name
    at = f"{databases[-1].changes:,}"
    figures = [
        Figure(
            name=f"{name}, at {at}",
            unit="s",
            goal=1.2,
            runs=tuple(full[name]),
            limit=tuple(empty[name]),
            limit_name="empty",
        )
        for name in full
    ]
    figures.append(
        Figure(name=f"memory of an API at {at}", unit="MB", goal=120, runs=(memory[-1],))
    )
    return figures


async def _notify(server_url: str, runs: int) -> Figure:
    """From the return of a bare NOTIFY to its hearing."""
    heard: asyncio.Queue[float] = asyncio.Queue()
    listener = await asyncpg.connect(server_url)
    teller = await asyncpg.connect(server_url)
    await listener.add_listener("bare", lambda *_: heard.put_nowait(time.perf_counter()))
    took = []
    for _ in range(runs):
        begun = time.perf_counter()
        await teller.execute("SELECT pg_notify('bare', '')")
        took.append((await heard.get() - begun) * 1000)
    await listener.close()
    await teller.close()
    return Figure(name="the database's NOTIFY, asked to heard", unit="ms", runs=tuple(took))


def _reads_of_pgbench(server_url: str, *, runs: int) -> list[Figure]:
    """What the machine's database can do at most: reads of one row by ``pgbench -S``."""
    program = shutil.which("pgbench")
    if program is None:
        print("pgbench is not on the PATH: its reads are left out", file=sys.stderr)
        return []
    address = urlsplit(server_url)
    host = parse_qs(address.query)["host"][0]
    to = [program, "-h", host, "-U", address.username or "postgres", "postgres"]
    subprocess.run([*to, "-i", "-q", "-s", "5"], check=True, capture_output=True)
    told = [
        subprocess.run(
            [*to, "-S", "-n", "-M", "prepared", "-c", str(READERS), "-T", "3"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for _ in range(runs)
    ]
    found = [re.search(r"latency average = ([\d.]+) ms", text) for text in told]
    return [
        Figure(
            name=f"pgbench -S, {READERS} connections: a read",
            unit="ms",
            runs=tuple(float(one[1]) for one in found if one is not None),
        )
    ]


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Run it from the command line."""
    parser = ArgumentParser(prog="benchmarks.growth", description=__doc__)
    parser.add_argument("--data", type=Path, help="where what is filled is kept")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="changes, with commas")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    if options.data:
        figures = measured(options.data, sizes, options.runs)
    else:
        figures = measure(Run(runs=options.runs, changes=max(sizes)))
    print(table(figures))
    save(options.out, figures)


if __name__ == "__main__":
    main()
