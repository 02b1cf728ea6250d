"""A running API over a real database, asked without a network between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest

from darkhorses.api.access.opening import Access
from darkhorses.api.app import build_edge
from darkhorses.api.streams import Streams
from darkhorses.readmodel.follower import Follower
from darkhorses.store.pool import Database
from tests.market import MarketWriter, StoppedClock


class RunningApi:
    """The API as a client sees it, with the hands on its clock and on the database."""

    def __init__(self, client: httpx.AsyncClient, follower: Follower, clock: StoppedClock) -> None:
        self.client = client
        self.follower = follower
        self.clock = clock

    async def get(self, url: str, **headers: str) -> httpx.Response:
        """Ask; header names with underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.get(url, headers=named)

    async def json(self, url: str) -> Any:
        """The body of a good answer."""
        answer = await self.get(url)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def seen(self, revision: int) -> None:
        """Wait until a write has reached the API."""
        await self.follower.until(lambda follower: follower.now.market.revision >= revision)

    async def workers_seen(self, beats: int) -> None:
        """Wait until so many workers were heard of."""
        self.clock.forward(seconds=2)
        await self.follower.until(
            lambda follower: (
                follower.workers is not None and len(follower.workers.heartbeats) == beats
            )
        )


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def writer(database: Database) -> MarketWriter:
    return await MarketWriter.leading(database)


@asynccontextmanager
async def served(
    database: Database, clock: StoppedClock, access: Access | None = None
) -> AsyncIterator[RunningApi]:
    """The API over a database, guarded as ``access`` says."""
    follower = Follower(database, clock=clock, poll_interval=timedelta(milliseconds=20))
    minute = timedelta(seconds=60)
    streams = Streams(follower, database, clock=clock, card_interval=minute, most_clients=10)
    edge = build_edge(database, follower, streams, clock=clock, card_interval=minute, access=access)
    following = asyncio.gather(
        follower.run(), streams.run(), *([access.run()] if access is not None else [])
    )
    transport = httpx.ASGITransport(edge, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with (
        asyncio.timeout(20),
        httpx.AsyncClient(
            transport=transport,
            base_url="http://darkhorses.test",
            headers={"accept-encoding": "identity"},
        ) as client,
    ):
        await follower.until(lambda follower: follower.now.loaded)
        yield RunningApi(client, follower, clock)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


@pytest.fixture
async def api(database: Database, clock: StoppedClock) -> AsyncIterator[RunningApi]:
    async with served(database, clock) as api:
        yield api
