"""Races that are due for a look of their own, the most overdue first."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from darkhorses.domain.identifiers import RaceId


class HotRaces:
    """A queue in which a race stands once, by when it was due.

    ``poll`` looks at one race, unless it was looked at since it was due, and deals with its
    failures itself.
    """

    def __init__(self, poll: Callable[[RaceId, datetime], Awaitable[None]]) -> None:
        self._poll = poll
        self._due: dict[RaceId, datetime] = {}
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    def add(self, race_id: RaceId, due: datetime) -> None:
        """Ask for a look at a race that was due at ``due``; asking twice is asking once."""
        self._due.setdefault(race_id, due)
        self._arrived.set()

    def clear(self) -> None:
        """Let all races go that have not been looked at yet."""
        self._due.clear()

    async def run(self, in_flight: int) -> None:
        """Look at what is due, ``in_flight`` races at a time, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            if not self._due:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            race_id = min(self._due, key=self._due.__getitem__)
            await self._poll(race_id, self._due.pop(race_id))
