"""The API beside a worker, watched through its own health."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Self

import httpx

from tests.faults.processes import Running
from tests.ports import free_port


class Api:
    """A ``darkhorses api`` and a client of it."""

    def __init__(self, process: Running, client: httpx.AsyncClient) -> None:
        self.process = process
        self._client = client
        self.url = str(client.base_url)

    @classmethod
    @asynccontextmanager
    async def start(cls, database_url: str, **more: str) -> AsyncIterator[Self]:
        """Start one, told more variables; returns when it has loaded the market."""
        port = free_port()
        async with (
            Running.start("api", DATABASE_URL=database_url, PORT=str(port), **more) as process,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
        ):
            await process.until("market.loaded")
            yield cls(process, client)

    async def health(self) -> dict[str, Any]:
        """What it says of itself."""
        answer = await self._client.get("/health")
        found: dict[str, Any] = answer.json()
        return found

    async def prices(self) -> int:
        """How many prices it serves; it must serve."""
        answer = await self._client.get("/api/live-odds", params={"limit": 1})
        assert answer.status_code == 200, answer.text
        count: int = answer.json()["count"]
        return count

    async def until(
        self, condition: Callable[[dict[str, Any]], bool], timeout: float = 60
    ) -> dict[str, Any]:
        """Ask for its health until that fulfils a condition."""
        health: dict[str, Any] = {}
        try:
            async with asyncio.timeout(timeout):
                # Another process tells nobody when it is well: it is asked.
                while not condition(health := await self.health()):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not within {timeout} s: {health}") from None
        return health

    async def until_fresh(self, since: datetime, timeout: float = 60) -> dict[str, Any]:
        """Return when all is well and a race was looked at after ``since``."""
        return await self.until(lambda health: is_fresh(health, since), timeout)


def is_fresh(health: dict[str, Any], since: datetime) -> bool:
    """Whether the database is in reach and a race was looked at after ``since``."""
    checked_at = health["market"]["checked_at"]
    return (
        bool(health["database"]["reachable"])
        and checked_at is not None
        and datetime.fromisoformat(checked_at) > since
    )


def is_away(health: dict[str, Any]) -> bool:
    """Whether it says that the database is out of reach, and that what it serves is old."""
    return health["status"] == "stale" and not health["database"]["reachable"]
