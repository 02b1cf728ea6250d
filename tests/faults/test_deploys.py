"""What a deploy holds of the database while the old and the new are both there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from darkhorses.domain.london import race_day
from darkhorses.store.pool import is_transaction_pooler
from darkhorses.worker.app import clock
from tests.faults.days import Day
from tests.faults.serving import Api
from tests.faults.workers import Pair

_CONNECTIONS = """
    SELECT application_name, count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'darkhorses%'
        AND application_name NOT LIKE '%tests'
    GROUP BY 1
"""


@pytest.fixture
async def day(database_url: str, tmp_path: Path) -> AsyncIterator[Day]:
    async with Day.begin(database_url, tmp_path, speed=60, DARKHORSES_REGIONS="ire") as day:
        yield day


async def test_a_deploy_of_two_workers_and_two_apis_holds_thirteen_connections_at_most(
    day: Day, database_url: str
) -> None:
    held: list[dict[str, int]] = []
    async with AsyncExitStack() as stack:
        pair = Pair(day, stack)
        await pair.begin()
        apis = [await stack.enter_async_context(Api.start(database_url)) for _ in range(2)]
        watching = asyncio.create_task(_watch_connections(day, held))
        position = pair.leader.position
        for _ in range(3):
            await pair.leader.until("poll.finished", after=position)
            position = pair.leader.position
            # What is live, what is past, and an export: each API as busy as it may be.
            await asyncio.gather(*(_ask_much(api.url) for api in apis))
        await pair.kill_leader()
        await pair.leader.until("poll.finished")
        watching.cancel()
        for api in apis:
            assert (await api.process.stop())[0] == 0
        await pair.end()

    assert max(sum(each.values()) for each in held) <= 13
    # All were there at once, and each had all that it may have.
    assert max(each.get("darkhorses api", 0) for each in held) >= 4
    # A pooler of transactions lends a connection under the name of whoever had it last.
    if not is_transaction_pooler(database_url, "auto"):
        assert max(each.get("darkhorses api", 0) for each in held) == 4
    assert max(each.get("darkhorses api export", 0) for each in held) >= 1
    assert max(each.get("darkhorses worker", 0) for each in held) >= 2


async def _watch_connections(day: Day, held: list[dict[str, int]]) -> None:
    while True:
        async with day.database.connection() as connection:
            held.append({row[0]: row[1] for row in await connection.fetch(_CONNECTIONS)})
        # How often it looks; nothing is waited for.
        await asyncio.sleep(0.02)


async def _ask_much(url: str) -> None:
    today = f"{race_day(clock()):%Y-%m-%d}"
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        answers = await asyncio.gather(
            *(
                client.get(path)
                for path in (
                    "/api/statistics",
                    "/api/historical-odds",
                    "/api/movers",
                    "/metrics",
                    "/status",
                    f"/api/export/odds-changes?from={today}&to={today}",
                    "/api/race-days",
                )
            )
        )
    assert {answer.status_code for answer in answers} <= {200, 503}
