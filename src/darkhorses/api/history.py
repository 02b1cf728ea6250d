"""Past races as the API reads them: each question with a time limit."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime, timedelta

import msgspec

from darkhorses.api.reference import Kept
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.past_races import StoredHistoricalRow, StoredResult, StoredWinner
from darkhorses.domain.race_days import RaceDay
from darkhorses.store.historical_odds import (
    HistoricalOddsFilters,
    Place,
    historical_odds_of_race,
    historical_odds_page,
)
from darkhorses.store.history_summary import HistorySummary, history_summary
from darkhorses.store.past_reading import past_reading
from darkhorses.store.pool import Connection, Database
from darkhorses.store.race_days import race_days_newest_first
from darkhorses.store.results import (
    ResultFilters,
    StoredRevision,
    WithoutResult,
    result_of,
    results_page,
    revisions_of,
    winners_of,
    without_result,
)

SUMMARY_KEPT_FOR = timedelta(minutes=1)


class WholeResult(msgspec.Struct, frozen=True, kw_only=True):
    """A result with the rows of its runners, and what those said before."""

    result: StoredResult
    rows: list[StoredHistoricalRow]
    revisions: list[StoredRevision]


class History:
    """Reads past races; raises StoreError when the database cannot be read, or not in time."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._summary = Kept(self._read_summary, clock, kept_for=SUMMARY_KEPT_FOR)

    async def odds(
        self, filters: HistoricalOddsFilters, *, limit: int, offset: int, after: Place | None
    ) -> list[StoredHistoricalRow]:
        """A page of historical odds."""
        async with self._reading() as connection:
            return await historical_odds_page(
                connection, filters, limit=limit, offset=offset, after=after
            )

    async def summary(self) -> HistorySummary:
        """What there is of history, as it was at most a minute ago."""
        return await self._summary.get()

    async def results(
        self, filters: ResultFilters, *, limit: int, offset: int
    ) -> list[tuple[StoredResult, list[StoredWinner]]]:
        """A page of results, each with its winners."""
        async with self._reading() as connection:
            results = await results_page(connection, filters, limit=limit, offset=offset)
            winners = await winners_of(connection, [result.race_id for result in results])
        return [(result, winners.get(result.race_id, [])) for result in results]

    async def result(self, race_id: RaceId) -> WholeResult | WithoutResult:
        """A race's result, or what is known of a race that has none."""
        async with self._reading() as connection:
            result = await result_of(connection, race_id)
            if result is None:
                return await without_result(connection, race_id)
            return WholeResult(
                result=result,
                rows=await historical_odds_of_race(connection, race_id),
                revisions=await revisions_of(connection, race_id),
            )

    async def race_days(self, first: date, last: date, region: str | None) -> list[RaceDay]:
        """The ledger, the newest day first."""
        async with self._reading() as connection:
            return await race_days_newest_first(connection, first, last, region)

    async def _read_summary(self) -> HistorySummary:
        async with self._reading() as connection:
            return await history_summary(connection)

    def _reading(self) -> AbstractAsyncContextManager[Connection]:
        return past_reading(self._database)
