"""Race days that the market in memory has left behind, read from the database when asked for."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta

from darkhorses.readmodel.follower import Followed
from darkhorses.readmodel.loading import loaded_day
from darkhorses.store.pool import Database
from darkhorses.store.replica import read_as_of

KEPT_DAYS = 2
KEPT_FOR = timedelta(seconds=30)


class PastDays:
    """Reads one day at a time and keeps the last few for a moment, as pages are asked in a row."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._reading = asyncio.Lock()
        self._kept: dict[date, tuple[Followed, datetime, datetime | None]] = {}

    async def day(self, day: date) -> Followed:
        """The races of a race day; raises StoreError when the database cannot be read."""
        async with self._reading:
            kept = self._kept.get(day)
            if kept is not None and self._clock() - kept[1] < KEPT_FOR:
                read_as_of.set(kept[2])
                return kept[0]
            followed = Followed(market=await loaded_day(self._database, day), loaded=True)
            self._kept[day] = followed, self._clock(), read_as_of.get()
            while len(self._kept) > KEPT_DAYS:
                del self._kept[next(iter(self._kept))]
            return followed
