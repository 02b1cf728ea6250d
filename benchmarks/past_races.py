"""What is asked about single races of the past, by one client and by eight at once.

The same race again and again, as whoever looks at a page of it does, and another one each time.
Beside it, by turns, a bare granian with a body of the same size that it has already.
"""

import statistics
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import date, timedelta
from pathlib import Path

import msgspec
from tests.api.processes import ApiProcess, running_api

from benchmarks.api_process import a_process
from benchmarks.asking import Asker, latencies, until_ready
from benchmarks.figures import Figure
from benchmarks.filled import CHANGES_A_DAY, RACES_A_DAY, Filled
from benchmarks.load import processor_seconds
from benchmarks.static_server import SMALLEST, Body
from darkhorses.simulator.chance import chance
from darkhorses.store.pool import Database

QUESTIONS = 300
PARTS = 3
CONNECTIONS = (1, 8)
GOAL_AT = 8
GOAL_MS = 30
_FIRST = 11_000_000


class Took(msgspec.Struct, frozen=True, kw_only=True):
    """A part's answers: their median and p99, and what the server's processor took for each."""

    median_ms: float
    p99_ms: float
    processor_ms: float


async def measured(one: Filled) -> list[Figure]:
    """All figures of a filled database."""
    asked = _questions(one.changes, await _first_day(one))
    figures: list[Figure] = []
    async with an_api(one.url) as api:
        with _bare(await _bodies(api.port, asked)) as (bare_port, bare_pid):
            for path, (name, paths) in enumerate(asked.items()):
                for connections in CONNECTIONS:
                    own, bare = [], []
                    for part in range(PARTS):
                        some = paths[part::PARTS]
                        same_size = [f"/{path}"] * len(some)
                        bare.append(await _ask(bare_port, bare_pid, same_size, connections))
                        own.append(await _ask(api.port, api.pid, some, connections))
                    figures += _figures(f"{name}, at {one.changes:,}", connections, own, bare)
    return figures


@asynccontextmanager
async def an_api(url: str) -> AsyncIterator[ApiProcess]:
    """An API that says nothing, so that nobody has to listen; it is there when it is ready."""
    async with running_api(DATABASE_URL=url, LOG_LEVEL="WARNING") as api:
        await until_ready(api.port)
        yield api
        await api.stop()


def _questions(changes: int, first_day: date) -> Mapping[str, Sequence[str]]:
    dice = chance(7, "questions about races")
    races = changes // CHANGES_A_DAY * RACES_A_DAY

    def history(race: int) -> str:
        return f"/api/races/rac_{_FIRST + race}/history"

    def at(race: int) -> str:
        day = first_day + timedelta(days=race // RACES_A_DAY)
        return f"/api/races/rac_{_FIRST + race}?at={day}T{dice.randrange(11, 18)}:30:00Z"

    some = [dice.randrange(races) for _ in range(QUESTIONS)]
    return {
        "history of a race": [history(some[0])] * QUESTIONS,
        "history of another race each time": [history(race) for race in some],
        "a race ?at=": [at(some[0])] * QUESTIONS,
        "another race ?at= each time": [at(race) for race in some],
    }


async def _ask(port: int, pid: int, paths: Sequence[str], connections: int) -> Took:
    before = processor_seconds(pid)
    took = await latencies(port, paths, connections=connections)
    return Took(
        median_ms=statistics.median(took) * 1000,
        p99_ms=statistics.quantiles(took, n=100, method="inclusive")[98] * 1000,
        processor_ms=(processor_seconds(pid) - before) / len(paths) * 1000,
    )


def _figures(
    name: str, connections: int, own: Sequence[Took], bare: Sequence[Took]
) -> Iterator[Figure]:
    by = f"{connections} connection{'s' if connections > 1 else ''}"
    yield Figure(
        name=f"{name}, p99 of {by}",
        unit="ms",
        goal=GOAL_MS if connections == GOAL_AT else None,
        runs=tuple(one.p99_ms for one in own),
    )
    yield Figure(
        name=f"{name}, median of {by}",
        unit="ms",
        runs=tuple(one.median_ms for one in own),
        limit=tuple(one.median_ms for one in bare),
        limit_name="bare granian",
    )
    yield Figure(
        name=f"{name}, processor time of the API an answer, {by}",
        unit="ms",
        runs=tuple(one.processor_ms for one in own),
    )


async def _bodies(port: int, asked: Mapping[str, Sequence[str]]) -> dict[str, Body]:
    headers = {"content-type": "application/json"}
    async with Asker.open(port) as asker:
        return {
            f"/{path}": Body(content=await asker.ask(paths[0]), headers=headers)
            for path, paths in enumerate(asked.values())
        }


@contextmanager
def _bare(bodies: Mapping[str, Body]) -> Iterator[tuple[int, int]]:
    """A bare granian with these bodies; its port and its number as a process."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        Path(file.name).write_bytes(msgspec.json.encode(bodies))
        with a_process(["-m", "benchmarks.static_server", file.name], health=SMALLEST) as served:
            yield int(served.url.rpartition(":")[2]), served.pid


async def _first_day(one: Filled) -> date:
    database = await Database.open(one.url, max_connections=1)
    async with database.connection() as connection:
        day: date = await connection.fetchval(
            "SELECT race_date FROM ra_races WHERE race_id = $1", f"rac_{_FIRST}"
        )
    await database.close()
    return day
