"""What a race day takes: processor, memory, connections, requests to the feed, and bytes on disk.

Run it from the project's folder: ``python -m benchmarks.sizing``. It starts a PostgreSQL that is
durable, a simulator in real time (one off about every five minutes), a worker and an API with their
defaults, ten clients of the stream and one that asks once a second, lets the first look be stored,
and watches for five minutes (``--minutes``). ``--speed 2`` has races and prices come twice as fast.

A day is reckoned from that: changes of a race by how far it is from its off, times how long a race
is that far; looks at the whole card for 24 hours; looks at single races for each off.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
from tests.faults.processes import Running, running_feed
from tests.faults.serving import Api

from benchmarks.filled import SIZE_OF_LOG
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Database
from darkhorses.worker.app import clock

RACES_A_DAY = 45
STREAMS = 10
_TICK = os.sysconf("SC_CLK_TCK")

ZONES = ((0, 5), (5, 30), (30, 120), (120, 36 * 60))
"""Minutes before the off between which prices move alike; a card is open for a day and a half."""

_CHANGES = """
    SELECT zone, count(*) FROM ra_odds_changes JOIN ra_races USING (race_id, race_date),
        unnest($1::int[], $2::int[]) WITH ORDINALITY AS z (nearest, farthest, zone)
    WHERE seen_at > $3 AND seen_at <= $4
        AND off_dt - seen_at >= make_interval(mins => nearest)
        AND off_dt - seen_at < make_interval(mins => farthest)
    GROUP BY 1
"""
_EXPOSURE = """
    SELECT zone, sum(extract(epoch FROM greatest(
        least($4, off_dt - make_interval(mins => nearest))
        - greatest($3, off_dt - make_interval(mins => farthest)), interval '0'
    ))) / 60
    FROM ra_races, unnest($1::int[], $2::int[]) WITH ORDINALITY AS z (nearest, farthest, zone)
    WHERE odds_changed_at IS NOT NULL
    GROUP BY 1
"""
_FACTS = f"""
    SELECT
        (SELECT count(*) FROM ra_races WHERE odds_changed_at IS NOT NULL) AS races,
        (SELECT count(*) FROM ra_odds_live) AS quotes,
        (SELECT count(*) FROM ra_odds_changes) AS changes,
        ({SIZE_OF_LOG})::bigint AS bytes,
        pg_total_relation_size('ra_odds_live') AS live_bytes,
        (SELECT count(*) FROM ra_races WHERE off_dt > $1 AND off_dt <= $2) AS offs,
        (SELECT count(*)::float / nullif(count(DISTINCT race_id), 0) FROM ra_runners) AS runners,
        (SELECT count(*) FROM ra_odds_historical) AS past_rows,
        (SELECT count(DISTINCT date_of_race) FROM ra_odds_historical) AS past_days,
        (SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(ARRAY[
            'ra_odds_historical', 'ra_results', 'ra_result_runners'
        ]) AS name WHERE to_regclass(name) IS NOT NULL)::bigint AS past_bytes
"""  # noqa: S608  # SQL of ours
_CONNECTIONS = """
    SELECT application_name, count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'darkhorses%'
    GROUP BY 1
"""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Processor time in seconds and memory in bytes; shared memory counts once."""

    seconds: float
    memory: int

    @classmethod
    def of(cls, pids: Sequence[int]) -> "Usage":
        """What processes and their children that ended have used, and what they have, together."""
        seconds = memory = 0.0
        for pid in pids:
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                seconds += sum(map(int, fields[11:15])) / _TICK
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                memory += int(rollup.partition("\nPss:")[2].split()[0]) * 1024
        return cls(seconds=seconds, memory=int(memory))


class Watched(msgspec.Struct, kw_only=True):
    """What was seen in the time that was watched."""

    seconds: float
    cpu: dict[str, float]
    memory: dict[str, int]
    connections: int
    requests: dict[str, int]
    changes: dict[int, int]
    minutes: dict[int, float]
    facts: dict[str, Any]

    @property
    def changes_of_a_race(self) -> float:
        """Changes in the life of a race, its first prices among them."""
        moving = sum(
            self.changes.get(zone, 0) / self.minutes[zone] * (farthest - nearest)
            for zone, (nearest, farthest) in enumerate(ZONES, start=1)
            if self.minutes.get(zone)
        )
        return float(moving + self.facts["quotes"] / self.facts["races"])

    @property
    def bytes_of_a_change(self) -> float:
        """Of the log's tables with their indexes."""
        return float(self.facts["bytes"] / self.facts["changes"])

    @property
    def live_bytes_of_a_day(self) -> float:
        """Of the last quotes of a day's races, which are kept, with their indexes."""
        return float(self.facts["live_bytes"] / self.facts["races"] * RACES_A_DAY)

    @property
    def requests_of_a_day(self) -> dict[str, float]:
        """Cards around the clock, single races for each off, histories for each runner."""
        a_day = timedelta(days=1).total_seconds() / self.seconds
        singles = self.requests.get("racecards/{race_id}/pro", 0)
        return {
            "whole cards": self.requests.get("racecards/pro", 0) * a_day,
            "single races": singles / max(self.facts["offs"], 1) * RACES_A_DAY,
            "price histories": self.facts["runners"] * RACES_A_DAY,
        }


async def _counts(client: httpx.AsyncClient) -> dict[str, int]:
    ledger = (await client.get("/control/ledger")).json()
    return {endpoint: sum(outcomes.values()) for endpoint, outcomes in ledger["requests"].items()}


async def _listen(url: str) -> None:
    async with (
        httpx.AsyncClient(base_url=url, timeout=60) as client,
        client.stream("GET", "/api/stream") as answer,
    ):
        async for _ in answer.aiter_raw():
            pass


async def _ask(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        while True:
            await client.get("/api/live-odds/races-by-stage")
            await asyncio.sleep(1)


@asynccontextmanager
async def _clients(url: str) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(_listen(url)) for _ in range(STREAMS)]
    tasks.append(asyncio.create_task(_ask(url)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _postgres(directory: Path) -> list[int]:
    """The server's processes."""
    pid = int(next(directory.glob("*/postmaster.pid")).read_text().split()[0])
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


async def watch(directory: Path, *, minutes: float, speed: float) -> Watched:
    """Start everything, let the first look be stored, and watch for so long."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(EmbeddedServer.start(directory))
        database = await Database.open(server.url, max_connections=1)
        stack.push_async_callback(database.close)
        await migrate(database)
        served = directory / "served.ndjson"
        feed = await stack.enter_async_context(
            running_feed(served, speed=speed, start=clock().isoformat(), refresh=20)
        )
        worker = await stack.enter_async_context(
            Running.start(
                "worker",
                DATABASE_URL=server.url,
                RACING_API_BASE_URL=feed,
                RACING_API_USERNAME="simulator",
                RACING_API_PASSWORD="simulator",  # noqa: S106  # the simulator's
            )
        )
        await worker.until("poll.finished")
        api = await stack.enter_async_context(Api.start(server.url))
        await stack.enter_async_context(_clients(api.url))
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=feed.removesuffix("/v1"))
        )
        await worker.until("poll.finished", after=worker.position, timeout=120)

        def usage() -> dict[str, Usage]:
            return {
                "worker": Usage.of([worker.pid]),
                "API": Usage.of([api.process.pid, *_children_of(api.process.pid)]),
                "PostgreSQL": Usage.of(_postgres(directory)),
            }

        return await _watch(database, client, usage, minutes)


def _children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


async def _watch(
    database: Database, client: httpx.AsyncClient, usage: Any, minutes: float
) -> Watched:
    asked, before, began, since = await _counts(client), usage(), time.monotonic(), clock()
    connections = 0
    memory: dict[str, int] = {}
    while time.monotonic() - began < minutes * 60:
        await asyncio.sleep(2)
        async with database.connection() as connection:
            open_now = sum(row[1] for row in await connection.fetch(_CONNECTIONS))
        connections = max(connections, open_now)
        for name, used in usage().items():
            memory[name] = max(memory.get(name, 0), used.memory)
    seconds, until = time.monotonic() - began, clock()
    after = usage()
    asked_by_then = await _counts(client)
    zones = [nearest for nearest, _ in ZONES], [farthest for _, farthest in ZONES]
    async with database.connection() as connection:
        changes = await connection.fetch(_CHANGES, *zones, since, until)
        exposure = await connection.fetch(_EXPOSURE, *zones, since, until)
        (facts,) = await connection.fetch(_FACTS, since, until)
    return Watched(
        seconds=seconds,
        cpu={name: (after[name].seconds - before[name].seconds) / seconds for name in after},
        memory=memory,
        connections=connections,
        requests={name: count - asked.get(name, 0) for name, count in asked_by_then.items()},
        changes={row[0]: row[1] for row in changes},
        minutes={row[0]: float(row[1]) for row in exposure},
        facts=dict(facts),
    )


def report(watched: Watched, *, speed: float) -> str:
    """What was seen and what a day makes of it, in Markdown."""
    facts = watched.facts
    a_race, a_change = watched.changes_of_a_race, watched.bytes_of_a_change
    a_day = a_race * RACES_A_DAY
    requests = sum(watched.requests.values()) / watched.seconds * 60
    lines = [
        f"\n### Speed {speed:g}, {watched.seconds / 60:.1f} minutes\n",
        f"{facts['races']} races open, {facts['quotes']:,} quotes, {facts['offs']} offs\n",
        "| process | share of a core | memory at most |",
        "|---|---:|---:|",
        *(
            f"| {name} | {share:.1%} | {watched.memory[name] / 2**20:.0f} MiB |"
            for name, share in watched.cpu.items()
        ),
        "\n| | |",
        "|---|---:|",
        f"| connections to the database at most | {watched.connections} |",
        f"| requests to the feed a minute | {requests:.1f} |",
        *(
            f"| changes a minute of a race {nearest}-{farthest} min before its off | "
            f"{watched.changes.get(zone, 0) / max(watched.minutes.get(zone, 0), 1e-9):.1f} |"
            for zone, (nearest, farthest) in enumerate(ZONES, start=1)
        ),
        f"| changes in the life of a race | {a_race:,.0f} |",
        f"| bytes of a change, with indexes | {a_change:.0f} |",
        f"| changes a day of {RACES_A_DAY} races | {a_day:,.0f} |",
        f"| change log a day | {a_day * a_change / 2**20:.0f} MiB |",
        f"| last quotes a day | {watched.live_bytes_of_a_day / 2**20:.1f} MiB |",
        *(
            f"| requests a day, {name} | {count:,.0f} |"
            for name, count in watched.requests_of_a_day.items()
        ),
    ]
    if facts["past_days"]:
        of_past = facts["past_bytes"] / facts["past_days"] / 2**20
        lines.append(f"| results and history a day | {of_past:.1f} MiB |")
    return "\n".join(lines)


def main() -> None:
    """Watch at each speed and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--speed", type=float, nargs="+", default=[1.0])
    options = parser.parse_args()
    for speed in options.speed:
        with tempfile.TemporaryDirectory(prefix="dh-") as folder:
            directory = Path(folder)
            directory.chmod(0o755)
            watched = asyncio.run(watch(directory, minutes=options.minutes, speed=speed))
        print(report(watched, speed=speed), flush=True)  # its output


if __name__ == "__main__":
    main()
