"""A crowd on the stream, some of it stuck: nobody else misses a change, and all ends in time."""

import asyncio
import statistics
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.faults.crowds import Crowd
from tests.faults.days import Day
from tests.faults.processes import Running
from tests.faults.serving import Api

_LAST_CHANGE = "SELECT coalesce(max(change_id), 0) FROM ra_odds_changes"
_CHANGES = "SELECT change_id FROM ra_odds_changes WHERE change_id > $1 ORDER BY change_id"


class Outcome(NamedTuple):
    """How a crowd fared; seconds and exit codes of both processes, and the times of /health."""

    committed: list[int]
    heard: list[tuple[int, list[int]]]
    worker: tuple[int, float]
    api: tuple[int, float]
    health: list[float]


@pytest.fixture
async def irish_day(database_url: str, tmp_path: Path) -> AsyncIterator[Day]:
    async with Day.begin(database_url, tmp_path, speed=60, DARKHORSES_REGIONS="ire") as day:
        yield day


@pytest.fixture
async def day(database_url: str, tmp_path: Path) -> AsyncIterator[Day]:
    async with Day.begin(database_url, tmp_path, speed=60) as day:
        yield day


async def _ask_health(port: int, took: list[float]) -> None:
    """Ask again and again, each time over a connection of its own, as a platform's check does."""
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with closing(writer):
            writer.write(b"GET /health HTTP/1.1\r\nhost: tests\r\nconnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
        took.append(loop.time() - started)
        # How often it asks; nothing is waited for.
        await asyncio.sleep(0.05)


async def _ids(day: Day, query: str, *arguments: int) -> list[int]:
    async with day.database.connection() as connection:
        return [row[0] for row in await connection.fetch(query, *arguments)]


async def _follow(day: Day, *, clients: int, stuck: int, looks: int) -> Outcome:
    async with (
        Running.start("worker", **day.environment) as worker,
        Api.start(day.environment["DATABASE_URL"], DARKHORSES_STREAM_CLIENTS=str(clients)) as api,
    ):
        await worker.until("poll.finished")
        port = urlsplit(api.url).port
        assert port is not None
        async with Crowd.gather(port, clients=clients, stuck=stuck) as crowd:
            (known,) = await _ids(day, _LAST_CHANGE)
            health: list[float] = []
            asking = asyncio.create_task(_ask_health(port, health))
            for _ in range(looks):
                await worker.until("poll.finished", after=worker.position)
            assert not asking.done(), asking.exception()
            asking.cancel()
            ended = await worker.stop()
            (last,) = await _ids(day, _LAST_CHANGE)
            await crowd.until(last)
            api_ended = await api.process.stop()
            heard = await crowd.heard()
    committed = await _ids(day, _CHANGES, known)
    return Outcome(committed, _after(known, heard), ended, api_ended, health)


def _after(known: int, heard: list[tuple[int, list[int]]]) -> list[tuple[int, list[int]]]:
    """What was heard after that change: who came earlier heard more before it."""
    same: Counter[tuple[int, ...]] = Counter()
    for count, changes in heard:
        same[tuple(change for change in changes if change > known)] += count
    return [(count, list(changes)) for changes, count in same.most_common()]


def _all_is_well(outcome: Outcome, *, followers: int) -> None:
    assert outcome.committed
    assert {tuple(changes) for _, changes in outcome.heard} == {tuple(outcome.committed)}
    assert sum(count for count, _ in outcome.heard) == followers
    assert outcome.worker[0] == outcome.api[0] == 0
    # What Render allows before it kills.
    assert max(outcome.worker[1], outcome.api[1]) < 10


async def test_a_crowd_with_some_that_are_stuck_hears_every_change_until_the_service_ends(
    irish_day: Day,
) -> None:
    outcome = await _follow(irish_day, clients=60, stuck=10, looks=2)

    _all_is_well(outcome, followers=50)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_a_thousand_clients_fifty_of_them_stuck(
    day: Day, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = await _follow(day, clients=1000, stuck=50, looks=24)

    centiles = [1000 * one for one in statistics.quantiles(outcome.health, n=100)]
    with capsys.disabled():
        print(  # noqa: T201  # the soak's report
            f"\n1,000 clients, 50 stuck: {len(outcome.committed)} changes; heard by "
            f"{[(count, len(changes)) for count, changes in outcome.heard]}; /health p50 "
            f"{centiles[49]:.1f} ms, p99 {centiles[98]:.1f} ms of {len(outcome.health)}; worker "
            f"ended with {outcome.worker[0]} in {outcome.worker[1]:.1f} s, API with "
            f"{outcome.api[0]} in {outcome.api[1]:.1f} s"
        )
    _all_is_well(outcome, followers=950)
    assert centiles[98] <= 100
