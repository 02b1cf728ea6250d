"""Filling the ledger over years: days in parallel, as fast as the feed's pace lets them.

Resumable by the ledger: a day that is complete is not asked for again, and one that was cut off in
the middle was never written. It needs no lease and runs beside a live worker: the days are
serialised one by one, and it takes a smaller part of the feed's pace while a worker leads, because
the limits are of the account and not of a process.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import date

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
_BESIDE_A_WORKER = 0.5
_GUARD_BESIDE_A_WORKER = 25

OnDay = Callable[[DueDay, Sequence[FilledDay]], None]
"""Told of each day that is done."""


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
    past: PastDays, database: Database, days: Sequence[DueDay], *, on_day: OnDay, skipped: int = 0
) -> Backfilled:
    """Read days and write them; a day that the feed failed for is tried once more at the end.

    Cancelled, the days in hand are rolled back and what was done is returned all the same.
    """
    filled: dict[date, list[FilledDay]] = {}
    error: str | None = None
    try:
        await _fill_all(past, database, days, filled, on_day)
        failed = [due for due in days if any(day.failed for day in filled.get(due.day, ()))]
        await _fill_all(past, database, failed, filled, lambda _due, _found: None)
    except asyncio.CancelledError:
        error = "interrupted"
    except ExceptionGroup as group:
        known = group.subgroup(DarkHorsesError)
        if known is None or group.subgroup(lambda e: not isinstance(e, DarkHorsesError)):
            raise
        error = str(_first(known))
    return Backfilled(
        filled=added_up([day for found in filled.values() for day in found]),
        skipped=skipped,
        left=sum(len(due.regions) for due in days if due.day not in filled),
        error=error,
    )


async def _fill_all(
    past: PastDays,
    database: Database,
    days: Collection[DueDay],
    filled: dict[date, list[FilledDay]],
    on_day: OnDay,
) -> None:
    waiting = iter(list(days))

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Connection]:
        async with database.transaction() as connection:
            await queries.lease_limit_writer(
                connection,
                idle_timeout=_IDLE_LIMIT,
                statement_timeout=_STATEMENT_LIMIT,
                lock_timeout=_LOCK_LIMIT,
            )
            yield connection

    async def work() -> None:
        for due in waiting:
            found = await past.fill(due.day, due.regions, transaction)
            filled[due.day] = found
            on_day(due, found)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_IN_FLIGHT, len(days))):
            group.create_task(work())


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
