"""A database that is restarted or killed costs seconds: nobody exits, nothing is lost."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from darkhorses.worker.app import clock
from tests.faults.clusters import OwnCluster
from tests.faults.days import Day
from tests.faults.processes import Running
from tests.faults.serving import Api, is_away


class Service(NamedTuple):
    """A cluster, a day, and the two processes."""

    cluster: OwnCluster
    day: Day
    worker: Running
    api: Api

    async def recovered(self) -> float:
        """Return when the worker writes and the API has seen it; the seconds until then."""
        loop = asyncio.get_running_loop()
        started, now = loop.time(), clock()
        position = self.worker.position
        await self.cluster.come_back()
        await self.worker.until("poll.finished", after=position)
        await self.api.until_fresh(now)
        return loop.time() - started


@asynccontextmanager
async def _service(directory: Path, *, speed: float) -> AsyncIterator[Service]:
    async with (
        OwnCluster.start() as cluster,
        Day.begin(cluster.url, directory, speed=speed, DARKHORSES_REGIONS="ire") as day,
        AsyncExitStack() as stack,
    ):
        worker = await stack.enter_async_context(Running.start("worker", **day.environment))
        await worker.until("poll.finished")
        api = await stack.enter_async_context(Api.start(cluster.url))
        yield Service(cluster, day, worker, api)


async def _end(service: Service) -> None:
    assert (await service.worker.stop())[0] == 0
    assert (await service.api.process.stop())[0] == 0
    await service.day.settle()


async def test_a_restarted_and_a_killed_database_is_waited_for_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    async with _service(tmp_path, speed=60) as service:
        await service.cluster.go("immediate")
        health = await service.api.until(is_away)
        assert "prices are as last seen" in health["reasons"][0]
        assert await service.api.prices() > 0
        await service.recovered()
        assert (await service.api.health())["status"] != "stale"

        await service.cluster.kill_a_backend()
        await service.recovered()
        await service.cluster.go("kill")
        await service.recovered()

        await _end(service)
        found = await service.day.judge()
    assert found.faults == {}
    assert found.looks > 20


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_twenty_restarts_are_recovered_from_within_fifteen_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(5)  # noqa: S311  # repeatable, not secret
    took: list[float] = []
    async with _service(tmp_path, speed=60) as service:
        for number in range(20):
            # Not to wait for anything: the moment of the fault.
            await asyncio.sleep(dice.uniform(0, 5))
            how = ("fast", "immediate", "kill", "backend")[number % 4]
            if how == "backend":
                await service.cluster.kill_a_backend()
            else:
                await service.cluster.go(how)
            took.append(await service.recovered())
        await _end(service)
        found = await service.day.judge()
    with capsys.disabled():
        print(  # noqa: T201  # the soak's report
            f"\n20 restarts: recovered after {sorted(took)[10]:.1f} s in the middle, "
            f"{max(took):.1f} s at most; {found}"
        )
    assert max(took) <= 15
    assert found.faults == {}
