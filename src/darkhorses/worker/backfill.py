"""Filling the ledger over years: days in parallel, as fast as the feed's pace lets them.

Resumable by the ledger: a day that is complete is not asked for again, and one that was cut off in
the middle was never written. It needs no lease and runs beside a live worker: the days are
serialised one by one, and it takes a smaller part of the feed's pace while a worker leads, because
the limits are of the account and not of a process. After a day that the feed failed for it rests,
and it gives up when too many fail in a row: an outage of a minute does not cost the days after it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta

import msgspec

from darkhorses.domain.errors import DarkHorsesError
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries
from darkhorses.upstream.pacing import Paces
from darkhorses.worker.historical_odds import DueDay, Filled, added_up
from darkhorses.worker.past_days import FilledDay, PastDays

_IN_FLIGHT = 6
_IDLE_LIMIT = "10s"
_STATEMENT_LIMIT = "30s"
_LOCK_LIMIT = "10s"
_WHOLE_LIMIT = "60s"
_BESIDE_A_WORKER = 0.5
_GUARD_BESIDE_A_WORKER = 25
_MOST_FAILURES = 30

OnDay = Callable[[DueDay, Sequence[FilledDay]], None]
"""Told of each day that is done."""


class FeedDownError(DarkHorsesError):
    """The feed failed for day after day; the message says how."""


class Backfilled(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill brought; ``left`` days were not come to, ``error`` is why it ended early."""

    filled: Filled
    skipped: int
    left: int = 0
    error: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether no gap is left."""
        return not (self.filled.gaps or self.left or self.error)


def beside_a_worker(paces: Paces) -> Paces:
    """The part of the pace that a backfill takes while a worker leads."""
    return Paces(
        racecards_per_second=paces.racecards_per_second * _BESIDE_A_WORKER,
        races_per_second=paces.races_per_second * _BESIDE_A_WORKER,
        courses_per_second=paces.courses_per_second,
        requests_per_ten_seconds=min(paces.requests_per_ten_seconds, _GUARD_BESIDE_A_WORKER),
    )


async def fill_days(
    past: PastDays,
    database: Database,
    days: Sequence[DueDay],
    *,
    on_day: OnDay,
    rest: timedelta,
    skipped: int = 0,
) -> Backfilled:
    """Read days and write them; a day that the feed failed for is tried once more at the end.

    ``rest`` is how long the feed is left alone after a failure. Cancelled, the days in hand are
    rolled back and what was done is returned all the same.
    """
    filling = _Filling(past, database, rest)
    error: str | None = None
    try:
        await filling.read(days, on_day)
        if again := filling.failed(days):
            await asyncio.sleep(rest.total_seconds())
            await filling.read(again, lambda _due, _found: None)
    except asyncio.CancelledError:
        error = "interrupted"
    except ExceptionGroup as group:
        known, unknown = group.split(DarkHorsesError)
        if known is None or unknown is not None:
            raise
        error = str(_first(known))
    return Backfilled(
        filled=added_up(filling.filled.values()),
        skipped=skipped,
        left=sum((due.day, r) not in filling.filled for due in days for r in due.regions),
        error=error,
    )


class _Filling:
    """Days being read, several at a time; ``filled`` is what became of each in each region."""

    def __init__(self, past: PastDays, database: Database, rest: timedelta) -> None:
        self._past = past
        self._database = database
        self._rest = rest.total_seconds()
        self._failures = 0
        self.filled: dict[tuple[date, str], FilledDay] = {}

    async def read(self, days: Sequence[DueDay], on_day: OnDay) -> None:
        """Read days; raises a group with FeedDownError when too many fail in a row."""
        waiting = iter(days)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_IN_FLIGHT, len(days))):
                group.create_task(self._work(waiting, on_day))

    def failed(self, days: Sequence[DueDay]) -> list[DueDay]:
        """The days among these that the feed failed for."""
        failed = {day.race_date for day in self.filled.values() if day.failed}
        return [due for due in days if due.day in failed]

    async def _work(self, waiting: Iterator[DueDay], on_day: OnDay) -> None:
        failed: list[FilledDay] = []
        for due in waiting:
            if failed:
                await asyncio.sleep(self._rest)
            found = []
            async for day in self._past.fill(due.day, due.regions, self._transaction):
                found.append(day)
                self.filled[day.race_date, day.region] = day
            on_day(due, found)
            failed = [day for day in found if day.failed]
            self._failures = self._failures + 1 if failed else 0
            if self._failures >= _MOST_FAILURES:
                raise FeedDownError(
                    f"{self._failures} days in a row could not be read: {failed[0].gap}"
                )

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._database.transaction() as connection:
            await queries.lease_limit_writer(
                connection,
                idle_timeout=_IDLE_LIMIT,
                statement_timeout=_STATEMENT_LIMIT,
                lock_timeout=_LOCK_LIMIT,
                transaction_timeout=_WHOLE_LIMIT,
            )
            yield connection


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
