"""The commands ``darkhorses backfill`` and ``darkhorses run historical-odds``."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import date, datetime, timedelta

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from darkhorses.database import open_database
from darkhorses.domain.errors import SettingError
from darkhorses.domain.london import race_day
from darkhorses.domain.race_days import FIRST_DAY, GAPS_OF, RaceDay
from darkhorses.logs import configure_logs
from darkhorses.settings import Settings, read_environment, redaction_of
from darkhorses.store.lease import live_leases
from darkhorses.store.migrations import require_current_schema
from darkhorses.store.pool import Database
from darkhorses.store.race_days import race_days_between
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.requests import FeedAccess
from darkhorses.worker.app import clock, feed_access
from darkhorses.worker.backfill import Backfilled, beside_a_worker, fill_days
from darkhorses.worker.historical_odds import DueDay, due_days
from darkhorses.worker.past_days import FilledDay, PastDays

_CONNECTIONS = 4
_LINES = 20
_REQUESTS_A_DAY = 2
_REGION = re.compile(r"[a-z]{2,3}")


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Which days to fill: from first to last, or ``named`` ones whatever the ledger says."""

    first: date
    last: date
    regions: tuple[str, ...]
    named: tuple[date, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill is to read.

    ``skipped`` days of a region need no reading now; ``requests`` is about how many it takes and
    ``seconds`` the least time that the feed's pace allows for them.
    """

    due: tuple[DueDay, ...]
    skipped: int
    requests: int
    seconds: int


class SpanError(SettingError):
    """An option asks for days or regions that cannot be read; the message names it."""


def check_span(span: Span, now: datetime) -> None:
    """Raise SpanError for days not over or before the feed's first, and for odd regions."""
    yesterday = race_day(now) - timedelta(days=1)
    options = [("--from", span.first), ("--to", span.last)]
    for option, day in [("--date", day) for day in span.named] or options:
        if day < FIRST_DAY:
            raise SpanError(f"{option} {day}: the feed has no cards before {FIRST_DAY}")
        if day > yesterday:
            raise SpanError(f"{option} {day}: not over in London, the last day is {yesterday}")
    if span.first > span.last:
        raise SpanError(f"--from {span.first}: after --to {span.last}")
    for region in span.regions:
        if not _REGION.fullmatch(region):
            raise SpanError(
                f"--regions or DARKHORSES_REGIONS {region!r}: expected codes such as gb,ire"
            )


def last_days(now: datetime, regions: tuple[str, ...], named: Sequence[date] = ()) -> Span:
    """The days that the nightly job looks after."""
    today = race_day(now)
    return Span(
        first=today - GAPS_OF, last=today - timedelta(days=1), regions=regions, named=tuple(named)
    )


async def plan_backfill(settings: Settings, span: Span) -> Plan:
    """What ``run_backfill`` would read; asks the ledger and not the feed."""
    async with _opened(settings, span) as (_database, plan, _access):
        return plan


async def run_backfill(settings: Settings, span: Span) -> Backfilled:
    """Fill the days that the ledger lacks; ends early, and in order, at SIGINT or SIGTERM."""
    async with (
        _opened(settings, span) as (database, plan, access),
        RacingApi.open(access, clock=clock) as feed,
    ):
        past = PastDays(feed, database, clock)
        with _progress(len(plan.due), settings.log_level) as on_day:
            filling = fill_days(
                past,
                database,
                plan.due,
                on_day=on_day,
                rest=access.breaker_rest,
                skipped=plan.skipped,
            )
            work = asyncio.create_task(filling)
            with _stopping(work):
                return await work


@asynccontextmanager
async def _opened(
    settings: Settings, span: Span
) -> AsyncIterator[tuple[Database, Plan, FeedAccess]]:
    """The database, what is to be read, and how the feed may be asked for it."""
    access = feed_access(settings)
    check_span(span, clock())
    async with open_database(
        settings, max_connections=_CONNECTIONS, application_name="darkhorses backfill"
    ) as database:
        await require_current_schema(database)
        async with database.connection() as connection:
            ledger = await race_days_between(connection, span.first, span.last, span.regions)
            is_collected = bool(await live_leases(connection))
        if is_collected:
            paces = beside_a_worker(access.paces)
            access = msgspec.structs.replace(access, paces=paces)
        yield database, _plan(span, ledger, access), access


def _plan(span: Span, ledger: dict[tuple[date, str], RaceDay], access: FeedAccess) -> Plan:
    skipped = 0
    if span.named:
        due = [DueDay(day=day, regions=span.regions) for day in sorted(set(span.named))]
    else:
        due = due_days(span.first, span.last, span.regions, ledger, clock())
        days = (span.last - span.first).days + 1
        skipped = days * len(span.regions) - sum(len(day.regions) for day in due)
    return Plan(
        due=tuple(due),
        skipped=skipped,
        requests=len(due) * _REQUESTS_A_DAY,
        seconds=round(len(due) / access.paces.racecards_per_second),
    )


def summary(done: Backfilled) -> list[str]:
    """What a backfill brought, in lines for people."""
    filled = done.filled
    lines = [
        f"days by region: {filled.days} read, {done.skipped} up to date, {done.left} not come to",
        f"races {filled.races}",
        f"rows {filled.rows}: {filled.written} new or different, {filled.revised} of them revised",
        f"gaps {len(filled.gaps)}",
    ]
    lines += [f"  {day}: {reason}" for day, reason in sorted(filled.gaps.items())]
    if done.error is not None:
        lines.append(f"ended early: {done.error}")
    return lines


def plan_lines(plan: Plan) -> list[str]:
    """What a backfill would do, in lines for people."""
    regions = sum(len(day.regions) for day in plan.due)
    took = timedelta(seconds=plan.seconds)
    first = f"would read {len(plan.due)} days ({regions} by region), {plan.requests} requests or so"
    return [
        f"{first}, in {took} or more",
        *(f"  {day.day} {' '.join(day.regions)}" for day in plan.due),
    ]


@contextmanager
def _stopping(work: "asyncio.Task[Backfilled]") -> Iterator[None]:
    """Let SIGINT and SIGTERM cancel the work: the days in hand are rolled back."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, work.cancel)
    try:
        yield
    finally:
        for number in numbers:
            with suppress(ValueError):
                loop.remove_signal_handler(number)


class _Rate(ProgressColumn):
    """Days a minute."""

    def render(self, task: Task) -> Text:
        """The rate of the last while; nothing before there is one."""
        return Text("" if task.speed is None else f"{task.speed * 60:.0f} days/min")


@contextmanager
def _progress(
    total: int, log_level: str
) -> Iterator[Callable[[DueDay, Sequence[FilledDay]], None]]:
    """A bar with rate and time left on a terminal, a line now and then elsewhere; on stderr."""
    if not sys.stderr.isatty():
        yield _Lines(total).advance
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        # Log lines of now go above the bar, which has put itself between them and the terminal.
        hide = redaction_of(read_environment())
        configure_logs(log_level, hide)
        task = bar.add_task("days", total=total)

        def advance(due: DueDay, _found: Sequence[FilledDay]) -> None:
            bar.update(task, advance=1, description=str(due.day))

        try:
            yield advance
        finally:
            bar.stop()
            configure_logs(log_level, hide)


class _Lines:
    """Progress in plain lines: one for every twentieth of the days."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._step = max(1, total // _LINES)
        self._began = clock()

    def advance(self, due: DueDay, _found: Sequence[FilledDay]) -> None:
        """A day is done."""
        self._done += 1
        if self._done % self._step and self._done != self._total:
            return
        took = (clock() - self._began).total_seconds()
        rate = self._done / took * 60 if took else 0.0
        left = timedelta(seconds=round((self._total - self._done) * took / self._done))
        sys.stderr.write(
            f"{self._done}/{self._total} days, {due.day} done, {rate:.0f} days/min, {left} left\n"
        )
        sys.stderr.flush()
