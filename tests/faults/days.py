"""A compressed race day: a feed with a ledger, a database, and the last look that settles both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from darkhorses.store.pool import Database
from darkhorses.worker.app import clock
from tests.commands import darkhorses
from tests.faults.ledger import Served
from tests.faults.oracle import Findings, Stored, judge
from tests.faults.processes import running_feed, worker_environment


class Day:
    """A day that runs; ``environment`` is what a worker of it is told."""

    def __init__(self, database: Database, served: Path, environment: dict[str, str]) -> None:
        self._served = served
        self._settled_at: datetime | None = None
        self.database = database
        self.environment = environment

    @classmethod
    @asynccontextmanager
    async def begin(
        cls,
        database_url: str,
        directory: Path,
        *,
        speed: float,
        first_off: timedelta = timedelta(),
        **more: str,
    ) -> AsyncIterator[Self]:
        """Begin a day; its races begin after ``first_off``, ``more`` are variables for workers."""
        served = directory / "served.ndjson"
        start = (clock() + first_off).isoformat()
        database = await Database.open(
            database_url, max_connections=2, application_name="darkhorses tests"
        )
        try:
            async with running_feed(served, speed=speed, start=start) as feed_url:
                yield cls(database, served, worker_environment(database_url, feed_url, **more))
        finally:
            await database.close()

    async def settle(self, **environment: str) -> None:
        """Look at the whole card once more, with nobody in the way."""
        self._settled_at = clock()
        done = await asyncio.to_thread(
            darkhorses, "run", "live-odds", **(self.environment | environment)
        )
        assert done.returncode == 0, done.stderr

    async def judge(self) -> Findings:
        """Hold the database against what was served."""
        served = await asyncio.to_thread(Served.read, self._served)
        stored = await Stored.read(self.database)
        return await asyncio.to_thread(judge, served, stored, settled_at=self._settled_at)
