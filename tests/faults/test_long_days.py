"""A whole race day leaves worker and API as they were: no memory, connection or task is leaked."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from darkhorses.store.pool import Database, is_transaction_pooler
from tests.faults.days import Day
from tests.faults.processes import Resources, Running
from tests.faults.serving import Api

_CONNECTIONS = """
    SELECT application_name, count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name NOT LIKE '%tests'
    GROUP BY 1 ORDER BY 1
"""
_PARTS = 12
"""Parts of a day, of two minutes each when it is compressed sixty-fold."""
_MOST_CONNECTIONS = {"darkhorses worker": 3, "darkhorses api": 2, "darkhorses listener": 1}


class Holdings(NamedTuple):
    """What both processes hold, their connections to the database by name, and their tasks."""

    worker: Resources
    api: Resources
    connections: dict[str, int]
    tasks: dict[str, int]


@asynccontextmanager
async def _service(day: Day) -> AsyncIterator[tuple[Running, Api]]:
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(Running.start("worker", **day.environment))
        await worker.until("poll.finished")
        yield worker, await stack.enter_async_context(Api.start(day.environment["DATABASE_URL"]))


async def _holdings(worker: Running, api: Api, database: Database) -> Holdings:
    async with database.connection() as connection:
        rows = await connection.fetch(_CONNECTIONS)
    return Holdings(
        worker.resources(),
        api.process.resources(),
        {row[0]: row[1] for row in rows},
        await _tasks(api),
    )


async def _tasks(api: Api) -> dict[str, int]:
    """The tasks of both, as the metrics tell."""
    async with httpx.AsyncClient(base_url=api.url, timeout=30) as client:
        answer = await client.get("/metrics")
    return {
        name: int(float(count))
        for name, count in re.findall(
            r"^darkhorses_(asyncio_tasks|worker_asyncio_tasks)(?:{.*})? (\S+)$",
            answer.text,
            re.MULTILINE,
        )
    }


async def _look_on(worker: Running, api: Api, *, looks: int) -> None:
    """Let so many looks at the whole card pass, and ask the API what its pages ask, at each."""
    position = worker.position
    async with httpx.AsyncClient(base_url=api.url, timeout=30) as client:
        for _ in range(looks):
            await worker.until("poll.finished", after=position)
            position = worker.position
            for path in ("/", "/api/live-odds?limit=100", "/api/races", "/health"):
                assert (await client.get(path)).status_code == 200


def _no_task_is_left(before: Holdings, after: Holdings) -> None:
    assert before.tasks.keys() == after.tasks.keys() == {"asyncio_tasks", "worker_asyncio_tasks"}
    # A look or a request may be under way in one of the two moments.
    for name, count in after.tasks.items():
        assert count <= before.tasks[name] + 5


def _grown(before: Resources, after: Resources) -> float:
    return after.memory / before.memory - 1


async def test_looks_at_the_card_leave_no_connection_and_no_file_open(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    async with (
        Day.begin(database_url, tmp_path, speed=60, DARKHORSES_REGIONS="ire") as day,
        _service(day) as (worker, api),
    ):
        await _look_on(worker, api, looks=1)
        before = await _holdings(worker, api, database)
        await _look_on(worker, api, looks=2)
        after = await _holdings(worker, api, database)
        assert (await worker.stop())[0] == 0
        assert (await api.process.stop())[0] == 0

    # A pooler of transactions lends one connection to whoever asks, and nobody listens through it.
    if not is_transaction_pooler(database_url, "auto"):
        assert after.connections.keys() == _MOST_CONNECTIONS.keys()
    for name, count in after.connections.items():
        assert count <= _MOST_CONNECTIONS[name]
    # One connection more to the database and two to the feed may have become needed.
    assert after.worker.files <= before.worker.files + 3
    assert after.api.files <= before.api.files + 3
    _no_task_is_left(before, after)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_days_compressed_sixty_fold_grow_by_less_than_a_twentieth(
    database_url: str, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # From midnight to midnight in 24 minutes; the first race is off at ten past two.
    first_off = timedelta(minutes=14)
    async with (
        Day.begin(
            database_url, tmp_path, speed=60, first_off=first_off, DARKHORSES_POLL_INTERVAL="10"
        ) as day,
        _service(day) as (worker, api),
    ):
        held: list[Holdings] = []
        for _ in range(2 * _PARTS):
            await _look_on(worker, api, looks=12)
            held.append(await _holdings(worker, api, database))
        assert (await worker.stop())[0] == 0
        assert (await api.process.stop())[0] == 0
        await day.settle()
        found = await day.judge()
    # The first sixth of the first day warms up.
    warm, before, after = held[1], held[_PARTS - 1], held[-1]
    with capsys.disabled():
        print(  # noqa: T201  # the soak's report
            f"\ntwo days in 48 minutes, from the end of the first: "
            f"worker {before.worker} -> {after.worker} "
            f"({_grown(before.worker, after.worker):+.1%}), api {before.api} -> {after.api} "
            f"({_grown(before.api, after.api):+.1%}), connections {after.connections}, "
            f"tasks {before.tasks} -> {after.tasks}; "
            f"worker by 2 minutes {[one.worker.memory // 1024 for one in held]}, "
            f"api {[one.api.memory // 1024 for one in held]} MiB; {found}"
        )
    assert found.faults == {}
    assert _grown(before.worker, after.worker) <= 0.05
    assert _grown(before.api, after.api) <= 0.05
    assert _grown(warm.worker, before.worker) <= 0.05
    assert _grown(warm.api, before.api) <= 0.05
    assert after.worker.files <= before.worker.files + 3
    assert after.api.files <= before.api.files + 3
    assert after.worker.threads <= before.worker.threads + 2
    _no_task_is_left(before, after)
