"""Memory and truth of a large export: ``python -m benchmarks.export_memory [ROWS]``.

Exports so many changes (by default a million) to Parquet, by the command and by the API, each in a
process of its own; prints how long that took and the most memory that the process ever had, and
compares every column, as DuckDB and as pandas read it back, with what PostgreSQL says. Exits 1
where anything differs, or where the command took 200 MB or more.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from hashlib import md5
from pathlib import Path
from typing import Any

import asyncpg
import duckdb
import httpx
import pandas as pd
from tests.api.processes import running_api
from tests.history import fill_changes

from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Database

MOST_MEGABYTES = 200
DEFAULT_ROWS = 1_000_000

_COLUMNS = {
    "change_id": "change_id::text",
    "race_date": "race_date::text",
    "race_id": "race_id",
    "horse_id": "horse_id",
    "bookmaker_id": "bookmaker_id",
    "odds_decimal": "odds_decimal::text",
    "odds_fractional": "odds_fractional",
    "changed_at": "{microseconds}(changed_at)::bigint::text",
    "seen_at": "{microseconds}(seen_at)::bigint::text",
    "source": "source",
}
"""Every column with what gives its text, the same in PostgreSQL and DuckDB."""


def main(rows: int) -> bool:
    """Measure; whether everything is equal and small enough."""
    with tempfile.TemporaryDirectory(prefix="darkhorses-benchmark-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL of a run by root works as another user
        with EmbeddedServer.start(directory / "data", durable=False) as server:
            asyncio.run(_fill(server.url, rows))
            expected = asyncio.run(_of_postgres(server.url))
            by_command, by_api = directory / "command.parquet", directory / "api.parquet"
            megabytes = _export_by_command(server.url, by_command)
            asyncio.run(_export_by_api(server.url, by_api))
        equal = [_compare(path, expected) for path in (by_command, by_api)]
    return all(equal) and megabytes < MOST_MEGABYTES


async def _fill(url: str, rows: int) -> None:
    database = await Database.open(url, max_connections=1)
    await migrate(database)
    async with database.connection() as connection:
        await fill_changes(connection, rows)
    await database.close()


_MEASURED = """
import atexit, pathlib, sys
from darkhorses.cli import main

def tell():
    status = pathlib.Path("/proc/self/status").read_text()
    print(next(line for line in status.splitlines() if line.startswith("VmHWM:")))

atexit.register(tell)
main()
"""
"""The command with its own peak told at the end: what wait4 says begins with the parent's."""


def _export_by_command(url: str, path: Path) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, "export", "odds-changes", "--out", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"DATABASE_URL": url},  # noqa: TID251  # a child's
    )
    megabytes = int(done.stdout.split()[1]) / 1024
    _say("darkhorses export", path, started, megabytes)
    return megabytes


async def _export_by_api(url: str, path: Path) -> None:
    async with running_api(DATABASE_URL=url) as api, httpx.AsyncClient(timeout=60) as client:
        await api.until("market.loaded")
        before = _most_megabytes(api.pid)
        started = time.perf_counter()
        address = f"{api.url}/api/export/odds-changes?format=parquet"
        async with client.stream("GET", address) as answer:
            answer.raise_for_status()
            with path.open("wb") as file:
                async for piece in answer.aiter_raw():
                    file.write(piece)
        _say(f"GET /api/export (before: {before:.0f} MB)", path, started, _most_megabytes(api.pid))
        await api.stop()


def _most_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (peak,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def _say(what: str, path: Path, started: float, megabytes: float) -> None:
    seconds = time.perf_counter() - started
    size = path.stat().st_size / 1_000_000
    print(f"{what}: {seconds:.1f} s, {size:.1f} MB of file, peak memory {megabytes:.0f} MB")


Sums = dict[str, str]
"""By column a digest of all its texts in the order of the log; under ``rows`` their number."""


async def _of_postgres(url: str) -> Sums:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "CREATE FUNCTION microseconds(instant timestamptz) RETURNS numeric IMMUTABLE "
            "RETURN extract(epoch FROM instant) * 1000000"
        )
        (row,) = await connection.fetch(_question("ra_odds_changes", "microseconds"))
        return dict(row)
    finally:
        await connection.close()


def _of_duckdb(path: Path) -> Sums:
    with duckdb.connect() as duck:
        found = duck.execute(_question(f"'{path}'", "epoch_us"))
        names = [column[0] for column in found.description or ()]
        return dict(zip(names, found.fetchone() or (), strict=True))


def _question(table: str, microseconds: str) -> str:
    digests = ", ".join(
        f"md5(string_agg(coalesce({text.format(microseconds=microseconds)}, ''), '|' "
        f"ORDER BY change_id)) AS {name}"
        for name, text in _COLUMNS.items()
    )
    return f"SELECT count(*)::text AS rows, {digests} FROM {table}"  # noqa: S608  # ours


def _of_pandas(path: Path) -> Sums:
    frame: Any = pd.read_parquet(path)
    sums = {"rows": str(len(frame))}
    for name in _COLUMNS:
        column = frame[name]
        if name in ("changed_at", "seen_at"):
            texts = ["" if pd.isna(at) else str(at.value // 1_000) for at in column]
        else:
            texts = ["" if pd.isna(value) else str(value) for value in column]
        sums[name] = md5("|".join(texts).encode(), usedforsecurity=False).hexdigest()
    return sums


def _compare(path: Path, expected: Sums) -> bool:
    equal = True
    for reader, found in (("DuckDB", _of_duckdb(path)), ("pandas", _of_pandas(path))):
        differing = [name for name, value in expected.items() if found.get(name) != value]
        same = f"equal in {expected['rows']} rows and {len(_COLUMNS)} columns"
        said = f"different in {differing}" if differing else same
        print(f"{path.name} by {reader}: {said}")
        equal = equal and not differing
    return equal


if __name__ == "__main__":
    sys.exit(0 if main(int(sys.argv[1]) if sys.argv[1:] else DEFAULT_ROWS) else 1)
