"""The stream of a running API, followed over the wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from darkhorses.domain.races import Race
from darkhorses.store.pool import Database
from tests.api.processes import ApiProcess, running_api
from tests.api.streaming import Replica, streaming
from tests.market import MarketWriter, card, race, runner

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)  # noqa: TID251  # the process has the real clock
ADA, BOB = runner("Ada", 1), runner("Bob", 2)
RACE = race(off_dt=SOON)


@asynccontextmanager
async def serving(url: str, **environment: str) -> AsyncIterator[tuple[ApiProcess, httpx.AsyncClient]]:
    async with (
        asyncio.timeout(60),
        running_api(DATABASE_URL=url, **environment) as api,
        httpx.AsyncClient(base_url=api.url, limits=httpx.Limits(max_connections=None)) as client,
    ):
        await api.until("market.loaded")
        yield api, client


async def test_a_stream_begins_with_a_snapshot_and_goes_on_with_what_happens(
    database: Database, database_url: str
) -> None:
    writer = await MarketWriter.leading(database)
    await writer.look(card(RACE, (ADA, {"Bet365": "10/3"}), (BOB, {})), seen_at=SOON)
    async with serving(database_url) as (api, client), streaming(client) as stream:
        assert stream.answer.headers["content-type"] == "text/event-stream"
        assert stream.answer.headers["cache-control"] == "no-store"
        assert stream.answer.headers["x-accel-buffering"] == "no"
        first = await stream.next()
        assert first is not None
        assert first.kind == "snapshot"
        print(first)
        await writer.look(card(RACE, (ADA, {"Bet365": "3/1"}), (BOB, {})), seen_at=SOON)
        print(await stream.until("price"))
        code, seconds = await api.stop()
    print(code, seconds)
    assert 0
