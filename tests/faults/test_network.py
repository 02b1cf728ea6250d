"""A network that is slow, cut, reset or silent costs seconds: nobody exits, nothing is lost."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from darkhorses.store.pool import Database
from darkhorses.worker.app import clock
from tests.faults.days import Day
from tests.faults.processes import Running
from tests.faults.proxy import Proxy, before_database, before_feed
from tests.faults.serving import Api, is_away
from tests.faults.workers import Pair
from tests.faults.writers import by_stale_leaders, sign_writes, signed


class Network:
    """A worker and an API that reach the database, and the worker the feed, through proxies."""

    def __init__(self, day: Day, database: Proxy, feed: Proxy, worker: Running, api: Api) -> None:
        self.day = day
        self.database = database
        self.feed = feed
        self.worker = worker
        self.api = api

    @classmethod
    @asynccontextmanager
    async def begin(cls, database_url: str, directory: Path) -> AsyncIterator["Network"]:
        """Begin with everything well."""
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            day = await enter(
                Day.begin(database_url, directory, speed=60, DARKHORSES_REGIONS="ire")
            )
            database, database_address = await enter(before_database(database_url))
            feed, feed_address = await enter(before_feed(day.environment["RACING_API_BASE_URL"]))
            environment = day.environment | {
                "DATABASE_URL": database_address,
                "RACING_API_BASE_URL": feed_address,
            }
            worker = await enter(Running.start("worker", **environment))
            await worker.until("poll.finished")
            api = await enter(Api.start(database_address))
            yield cls(day, database, feed, worker, api)

    async def recovered(self) -> float:
        """Heal, and return when the worker writes and the API has seen it; after how long."""
        loop = asyncio.get_running_loop()
        started, now, position = loop.time(), clock(), self.worker.position
        self.database.heal()
        self.feed.heal()
        await self.worker.until("poll.finished", after=position)
        await self.api.until_fresh(now)
        return loop.time() - started

    async def end(self) -> Any:
        """Stop both in order, settle, and judge."""
        assert (await self.worker.stop())[0] == 0
        assert (await self.api.process.stop())[0] == 0
        await self.day.settle()
        return await self.day.judge()


async def test_a_slow_cut_or_reset_network_loses_nothing(database_url: str, tmp_path: Path) -> None:
    async with Network.begin(database_url, tmp_path) as network:
        for proxy in (network.database, network.feed):
            position, now = network.worker.position, clock()
            proxy.latency = 0.05
            await network.worker.until("poll.finished", after=position)
            await network.api.until_fresh(now)
            proxy.drip = 4_096
            await network.worker.until("poll.finished", after=network.worker.position)
            proxy.reset()
            await network.recovered()
            proxy.cut()
            await network.recovered()
        assert network.database.accepted > 8
        found = await network.end()
    assert found.faults == {}
    assert found.looks > 20


async def test_a_half_open_database_is_noticed_and_served_as_stale_until_it_is_back(
    database_url: str, tmp_path: Path
) -> None:
    async with Network.begin(database_url, tmp_path) as network:
        position = network.worker.position
        network.database.swallow()
        await network.api.until(is_away)
        assert await network.api.prices() > 0
        await network.worker.until("database.unavailable", after=position)
        await network.worker.until("lease.lost", after=position)
        await network.recovered()
        found = await network.end()
    assert found.faults == {}


async def test_a_half_open_feed_is_asked_again_over_a_new_connection(
    database_url: str, tmp_path: Path
) -> None:
    async with Network.begin(database_url, tmp_path) as network:
        position = network.worker.position
        network.feed.swallow()
        failed = await network.worker.until("feed.retry_scheduled", after=position)
        assert "cannot be reached" in failed["error"]
        await network.recovered()
        found = await network.end()
    assert found.faults == {}


async def test_a_leader_behind_a_half_open_link_is_followed_and_writes_nothing_any_more(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    async with (
        Day.begin(database_url, tmp_path, speed=60, DARKHORSES_REGIONS="ire") as day,
        before_database(database_url) as (proxy, address),
        AsyncExitStack() as stack,
    ):
        await sign_writes(database, {"%": day.lease})
        pair = Pair(day, stack)
        await pair.begin(DATABASE_URL=address)
        await pair.leader.until("poll.finished")
        stale, pair.leader = pair.leader, pair.standby
        proxy.swallow()
        await pair.note_leader()
        await pair.leader.until("poll.finished")
        await stale.until("lease.lost")
        proxy.heal()
        await stale.until("database.back")
        pair.standby = stale
        await pair.end()
        await day.settle()
        async with database.connection() as connection:
            signatures = await signed(connection)
        found = await day.judge()
    assert by_stale_leaders(signatures[:-1], pair.leaders) == []
    assert found.faults == {}


_FAULTS = ("latency", "drip", "cut", "reset", "swallow")


def _break(proxy: Proxy, fault: str) -> None:
    match fault:
        case "latency":
            proxy.latency = 0.3
        case "drip":
            proxy.drip = 1_024
        case "cut":
            proxy.cut()
        case "reset":
            proxy.reset()
        case _:
            proxy.swallow()


@pytest.mark.soak
@pytest.mark.timeout(2400)
async def test_forty_faults_of_the_network_lose_nothing(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(11)  # noqa: S311  # repeatable, not secret
    took: dict[str, float] = {}
    async with Network.begin(database_url, tmp_path) as network:
        for number in range(40):
            where = "database" if number % 2 else "feed"
            fault = _FAULTS[number // 2 % len(_FAULTS)]
            _break(network.database if where == "database" else network.feed, fault)
            # Not to wait for anything: how long the fault lasts.
            await asyncio.sleep(dice.uniform(0, 15))
            assert await network.api.prices() > 0
            seconds = await network.recovered()
            took[f"{where} {fault}"] = max(seconds, took.get(f"{where} {fault}", 0))
        found = await network.end()
    with capsys.disabled():
        print(  # noqa: T201  # the soak's report
            "\n40 faults of the network, recovered at most after: "
            + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items())
            + f"; {found}"
        )
    assert found.faults == {}
