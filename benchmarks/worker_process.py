"""The real worker: how soon after its start the first poll is committed, and its memory.

The feed serves a full day of today, which is stored before anything is measured; between two polls
2 % of its prices change. The feed is asked at its pace, so a poll waits for its second page; that
is in the first poll and in the ordinary one that is taken off.
"""

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.processes import Running

from benchmarks.databases import a_database, a_server
from benchmarks.figures import Figure, Run
from benchmarks.upstream import Upstream, running_upstream

_STARTS = 5
_POLLS = 12
_SHARE = 0.02
_MEMORY = {"Rss": 120.0, "Pss": None, "Private_Dirty": None}
"""What of the process's memory is looked at, and its goal in megabytes: all that is in memory,
the same with what is shared divided by those who share it, and what is its own and written."""


def measure(run: Run) -> list[Figure]:
    """Seconds and megabytes."""
    now = datetime.now(UTC)  # noqa: TID251  # real processes have a real clock
    with a_server(durable=True) as server, running_upstream(at=now, times=run.times) as upstream:
        return asyncio.run(_measure(server, upstream, min(run.runs, _STARTS)))


async def _measure(server: str, upstream: Upstream, starts: int) -> list[Figure]:
    environment = {
        "DATABASE_URL": await a_database(server, "worker"),
        "RACING_API_BASE_URL": upstream.base_url,
        "RACING_API_USERNAME": "user",
        "RACING_API_PASSWORD": "password",
        "DARKHORSES_POLL_INTERVAL": "5",
    }
    async with Running.start("worker", **environment) as worker:
        memory = await _memory_of(worker, upstream)
        await worker.stop()
    begun = [await _start(environment) for _ in range(starts)]
    name = "worker, from its start to its first poll"
    return [
        Figure(name=f"{name}, beyond a poll", unit="s", goal=1, runs=tuple(s for s, _ in begun)),
        Figure(name=f"{name}, processor time", unit="s", runs=tuple(cpu for _, cpu in begun)),
        *memory,
    ]


async def _start(environment: dict[str, str]) -> tuple[float, float]:
    """Seconds to the first poll's commit, less those of an ordinary poll; processor's till then."""
    begun = time.perf_counter()
    async with Running.start("worker", **environment) as worker:
        await worker.until("poll.finished")
        took = time.perf_counter() - begun
        processor = _processor_seconds(worker.pid)
        ordinary = await worker.until("poll.finished", after=worker.position)
        await worker.stop()
    return took - float(ordinary["ms"]) / 1000, processor


async def _memory_of(worker: Running, upstream: Upstream) -> list[Figure]:
    """What it holds after each of some polls, from the second on."""
    await worker.until("poll.finished")
    held: dict[str, list[float]] = {kind: [] for kind in _MEMORY}
    for _ in range(_POLLS):
        upstream.go_on(_SHARE)
        await worker.until("poll.finished", after=worker.position)
        for kind, megabytes in held.items():
            megabytes.append(_megabytes(worker.pid, kind))
    return [
        Figure(name=f"worker, memory ({kind})", unit="MB", goal=goal, runs=tuple(held[kind]))
        for kind, goal in _MEMORY.items()
    ]


def _processor_seconds(pid: int) -> float:
    """User's and system's; the fields after the name, which may have spaces."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int, kind: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{kind}:"))
    return int(line.split()[1]) / 1024
