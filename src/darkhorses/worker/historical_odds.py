"""The nightly job: what the ledger of the last days lacks is read, and the newest read again.

It is keyed by race day and not by the clock. A run does what the ledger says is due: every gap of
the last seven days, and once a day each of the last three, whose results may still be amended. So
a worker that was down catches up when it starts, and one that starts again in the night, even in
the hour that comes twice when UK clocks go back, finds nothing to do.
"""

from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta
from functools import partial

import msgspec

from darkhorses.domain.errors import DarkHorsesError
from darkhorses.domain.london import race_day
from darkhorses.domain.race_days import GAPS_OF, RaceDay, is_due
from darkhorses.store.pool import Database
from darkhorses.store.race_days import race_days_between
from darkhorses.store.writing.history import Transaction
from darkhorses.store.writing.lease import Lease, writing_transaction
from darkhorses.upstream.client import RacingApi
from darkhorses.worker.past_days import FilledDay, PastDays
from darkhorses.worker.scheduling import ScheduledJob
from darkhorses.worker.triggers import DailyTrigger

HISTORICAL_ODDS = "historical_odds"

_HOUR = 1
_AGAIN_AFTER = timedelta(minutes=30)
_DAY = timedelta(days=1)


class DaysUnreadError(DarkHorsesError):
    """The feed could not be read for some days; the ledger says which, and why."""


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What a run brought: days of a region read, races, rows, and the days that have gaps."""

    days: int = 0
    races: int = 0
    rows: int = 0
    written: int = 0
    revised: int = 0
    gaps: dict[str, str] = {}
    failed: int = 0


class DueDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day and its regions that are to be read."""

    day: date
    regions: tuple[str, ...]


def due_days(
    first: date,
    last: date,
    regions: Collection[str],
    ledger: dict[tuple[date, str], RaceDay],
    now: datetime,
) -> list[DueDay]:
    """The days from first to last that are to be read: those with gaps first, then newest first."""
    due: list[tuple[bool, date, tuple[str, ...]]] = []
    day = last
    while day >= first:
        wanted = tuple(r for r in sorted(regions) if is_due(day, ledger.get((day, r)), now))
        known = [ledger.get((day, region)) for region in wanted]
        if wanted:
            due.append((all(k is not None and not k.has_gap for k in known), day, wanted))
        day -= _DAY
    due.sort(key=lambda entry: entry[0])
    return [DueDay(day=day, regions=wanted) for _, day, wanted in due]


def added_up(filled: Collection[FilledDay]) -> Filled:
    """The figures of some days together."""
    return Filled(
        days=len(filled),
        races=sum(day.races for day in filled),
        rows=sum(day.rows for day in filled),
        written=sum(day.written for day in filled),
        revised=sum(day.revised for day in filled),
        gaps={f"{day.race_date} {day.region}": day.gap for day in filled if day.gap is not None},
        failed=sum(day.failed for day in filled),
    )


async def fill_due_days(
    past: PastDays,
    database: Database,
    transaction: Transaction,
    *,
    regions: Collection[str],
    now: datetime,
) -> Filled:
    """Read what is due of the last seven days, day by day so that live odds keep their pace."""
    yesterday = race_day(now) - _DAY
    first = race_day(now) - GAPS_OF
    async with database.connection() as connection:
        ledger = await race_days_between(connection, first, yesterday, regions)
    filled: list[FilledDay] = []
    for due in due_days(first, yesterday, regions, ledger, now):
        filled += [day async for day in past.fill(due.day, due.regions, transaction)]
    return added_up(filled)


def historical_odds_job(
    feed: RacingApi,
    database: Database,
    *,
    regions: Collection[str],
    clock: Callable[[], datetime],
) -> ScheduledJob:
    """Schedule it: daily at 01:00 in London, at the start, and soon after a failed read."""
    past = PastDays(feed, database, clock)

    async def work(lease: Lease) -> Filled:
        found = await fill_due_days(
            past,
            database,
            partial(writing_transaction, database, lease),
            regions=regions,
            now=clock(),
        )
        if found.failed:
            raise DaysUnreadError(_sentence(found))
        return found

    return ScheduledJob(
        name=HISTORICAL_ODDS,
        reason="daily at 01:00",
        trigger=DailyTrigger(_HOUR),
        work=work,
        again_after=_AGAIN_AFTER,
    )


def _sentence(found: Filled) -> str:
    day, reason = next(iter(found.gaps.items()))
    more = len(found.gaps) - 1
    return f"{day} is not complete: {reason}" + (f" (and {more} more days)" if more else "")
