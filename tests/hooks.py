"""Webhooks that are registered, and the worker's way of delivering to them, without the worker."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from darkhorses.domain.events import EventKind
from darkhorses.domain.signatures import SigningSecret
from darkhorses.domain.webhook_events import ToldStatus
from darkhorses.domain.webhooks import read_filter
from darkhorses.store.pool import Database
from darkhorses.store.writing import webhooks
from darkhorses.store.writing.lease import Lease, acquire
from darkhorses.webhooks.sending import Sender
from darkhorses.worker.delivering import Deliveries
from darkhorses.worker.jobs import JobBoundary
from tests.market import NOON, StoppedClock


async def register(
    database: Database,
    url: str = "https://hook.example/",
    events: Collection[EventKind] = tuple(EventKind),
    filters: Collection[str] = (),
    secret: SigningSecret | None = None,
) -> str:
    """Register a webhook; its id."""
    async with database.connection() as connection:
        return await webhooks.add(
            connection,
            url=url,
            events=events,
            chosen=read_filter(filters),
            secret=secret or SigningSecret.new(),
            now=NOON,
        )


async def rows(database: Database, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a query gives."""
    async with database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(sql, *values)]


class Desk:
    """Deliveries of a leader whose clock stands; a turn is one round of them, to its end."""

    def __init__(
        self, database: Database, lease: Lease, sender: Sender, clock: StoppedClock
    ) -> None:
        self.lease = lease
        self.clock = clock
        self.status: ToldStatus | None = None
        self.news = asyncio.Event()
        self.deliveries = Deliveries(
            database,
            sender,
            clock,
            boundary=JobBoundary(database, clock, on_lease_lost=lambda _: None),
            news=self.news,
            status=self._told_status,
        )

    async def _told_status(self) -> ToldStatus | None:
        return self.status

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database, timeout: float = 15) -> AsyncIterator["Desk"]:
        async with database.connection() as connection:
            lease = await acquire(connection, "market", "tests", ttl=timedelta(hours=1))
        assert lease is not None
        clock = StoppedClock()
        async with Sender.open(
            clock, private_targets=True, timeout=timedelta(seconds=timeout)
        ) as sender:
            yield cls(database, lease, sender, clock)

    async def turn(self) -> None:
        """Send what is due, wait for the answers, and note them."""
        await self.deliveries.turn(self.lease)
        await self.deliveries.settled()
        await self.deliveries.turn(self.lease)
