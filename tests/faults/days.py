"""A compressed race day: a feed with a ledger, a database, and the last look that settles both."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from darkhorses.store.lease import collecting
from darkhorses.store.pool import Database
from darkhorses.worker.app import clock
from tests.commands import darkhorses
from tests.faults.ledger import Served
from tests.faults.oracle import Findings, Stored, judge
from tests.faults.processes import running_feed, worker_environment

_KEEP_SOME = """
    DELETE FROM ra_races WHERE race_id NOT IN (
        SELECT race_id FROM ra_races WHERE NOT is_abandoned AND odds_changed_at IS NOT NULL
        ORDER BY off_dt, race_id LIMIT $1
    )
"""
_HOURS_PASS = """
    UPDATE ra_races SET off_dt = off_dt - interval '5 hours',
        odds_changed_at = odds_changed_at - interval '5 hours'
"""


def lease_of(environment: dict[str, str]) -> str:
    """The name of the lease of a worker's regions."""
    return collecting(environment.get("DARKHORSES_REGIONS", "gb,ire").split(",")).name


class Day:
    """A day that runs; ``environment`` is what a worker of it is told, ``lease`` what it needs."""

    def __init__(self, database: Database, served: Path, environment: dict[str, str]) -> None:
        self._served = served
        self._settled_at: datetime | None = None
        self.database = database
        self.environment = environment
        self.lease = lease_of(environment)

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
                environment = worker_environment(database_url, feed_url, **more)
                yield cls(database, served, environment)
        finally:
            await database.close()

    async def settle(self, **environment: str) -> None:
        """Look at the whole card once more, with nobody in the way."""
        self._settled_at = clock()
        done = await asyncio.to_thread(
            darkhorses, "run", "live-odds", **(self.environment | environment)
        )
        assert done.returncode == 0, done.stderr

    async def repair(self, *, races: int) -> dict[str, Any]:
        """Let the day be over, and repair the gaps of so many of its races; what was done."""
        async with self.database.connection() as connection:
            await connection.execute(_KEEP_SOME, races)
            await connection.execute(_HOURS_PASS)
        quick = {
            "DARKHORSES_RACES_PER_SECOND": "50",
            "DARKHORSES_REQUESTS_PER_TEN_SECONDS": "1000",
        }
        done = await asyncio.to_thread(
            darkhorses, "run", "gap-repair", "--json", **(self.environment | quick)
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    async def read(self) -> tuple[Served, Stored]:
        """The ledger and the database as they are now."""
        served = await asyncio.to_thread(Served.read, self._served)
        return served, await Stored.read(self.database)

    async def judge(self) -> Findings:
        """Hold the database against what was served."""
        served, stored = await self.read()
        return await asyncio.to_thread(judge, served, stored, settled_at=self._settled_at)
