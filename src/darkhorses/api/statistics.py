"""The statistics that the worker left: as bodies, read at most once in a short while."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime

from darkhorses.api.problems import NotComputedError
from darkhorses.api.reference import Kept
from darkhorses.api.statistics_bodies import (
    StatisticsBlocks,
    StatisticsBody,
    StatisticsTable,
    Trend,
)
from darkhorses.domain.statistics import Metric
from darkhorses.store.pool import Database
from darkhorses.store.statistics import Statistics, changes_since, current_statistics, trend


class StatisticsReader:
    """Reads figures; raises StoreError when the database cannot be read."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._current = Kept(self._read, clock)
        self._asking = asyncio.Lock()  # trends take one connection, however many ask

    async def body(self, table: StatisticsTable) -> StatisticsBody:
        """The newest figures; raises NotComputedError before the first."""
        found = await self._current.get()
        if found is None:
            raise NotComputedError
        statistics, behind = found
        return StatisticsBody(
            success=True,
            updated_at=statistics.computed_at,
            behind_changes=behind,
            data=StatisticsBlocks(
                live=None if table is StatisticsTable.HISTORICAL else statistics.live,
                historical=None if table is StatisticsTable.LIVE else statistics.historical,
            ),
        )

    async def trend(self, metric: Metric, *, from_day: date | None, to_day: date) -> Trend:
        """A headline figure over some days in London, the last one included."""
        async with self._asking, self._database.connection() as connection:
            points = await trend(connection, metric, from_day=from_day, to_day=to_day)
        return Trend(success=True, metric=metric, count=len(points), data=tuple(points))

    async def _read(self) -> tuple[Statistics, int] | None:
        async with self._database.connection() as connection:
            statistics = await current_statistics(connection)
            if statistics is None:
                return None
            return statistics, await changes_since(connection, statistics.change_id)
