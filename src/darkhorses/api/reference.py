"""Bookmakers, courses and poll cycles: asked of the database at most once in a short while."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from darkhorses.store.poll_cycles import PollCycle, latest_poll_cycle
from darkhorses.store.pool import Connection, Database
from darkhorses.store.reference import (
    StoredBookmaker,
    StoredCourse,
    all_bookmakers,
    all_courses,
)
from darkhorses.store.replica import read_as_of

KEPT_FOR = timedelta(seconds=2)

T = TypeVar("T")


class Kept(Generic[T]):
    """The answer to one question, asked by one request while the others wait for it."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[T]],
        clock: Callable[[], datetime],
        *,
        kept_for: timedelta = KEPT_FOR,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._kept_for = kept_for
        self._asking = asyncio.Lock()
        self._kept: tuple[T, datetime, datetime | None] | None = None

    async def get(self) -> T:
        """The answer; raises what asking raises."""
        async with self._asking:
            if self._kept is None or self._clock() - self._kept[1] >= self._kept_for:
                self._kept = await self._ask(), self._clock(), read_as_of.get()
            answer, _, as_of = self._kept
            read_as_of.set(as_of)
            return answer


class Reference:
    """What changes by the day; raises StoreError when the database cannot be read."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        async def read(question: Callable[[Connection], Awaitable[T]]) -> T:
            async with database.connection() as connection:
                return await question(connection)

        self._bookmakers = Kept(lambda: read(all_bookmakers), clock)
        self._courses = Kept(lambda: read(all_courses), clock)
        self._poll_cycle = Kept(lambda: read(latest_poll_cycle), clock)

    async def bookmakers(self) -> list[StoredBookmaker]:
        """Every bookmaker and exchange."""
        return await self._bookmakers.get()

    async def courses(self) -> list[StoredCourse]:
        """Every course."""
        return await self._courses.get()

    async def poll_cycle(self) -> PollCycle | None:
        """The last look at the whole card."""
        return await self._poll_cycle.get()
