"""The daily job that looks after the months of the change log.

It makes the coming months ahead and moves what lies in the default partition. By setting, and never
otherwise, it detaches months that are kept no longer, or drops them: that only once the month
stands in a file that was read back, row by row, and holds as many as the log.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from darkhorses.domain.london import race_day
from darkhorses.domain.retention import Retention, is_expired, months_to_make
from darkhorses.export.files import CannotWriteError, write_whole
from darkhorses.export.formats import ExportFormat, best_for_archives
from darkhorses.export.streaming import exported
from darkhorses.export.verifying import FileOfChanges, NotVerifiedError, read_back
from darkhorses.store.exporting import ExportQuery, ExportTable, open_exports
from darkhorses.store.partitions import (
    MonthOfChanges,
    last_day_of,
    month_of_changes,
    months_in_default,
    partition_name,
    partitioned_months,
)
from darkhorses.store.pool import Database
from darkhorses.store.writing.lease import Lease
from darkhorses.store.writing.partitions import (
    detach_partition,
    drop_partition,
    make_partition,
    move_into_partition,
)
from darkhorses.worker.scheduling import ScheduledJob
from darkhorses.worker.triggers import DailyTrigger

_log = structlog.get_logger("darkhorses.worker")

RETENTION = "retention"

_HOUR = 4
_AGAIN_AFTER = timedelta(hours=1)


class MonthsKept(msgspec.Struct, kw_only=True):
    """What was done, or would be: months made, detached and dropped, by their tables' names.

    ``moved`` are rows taken out of the default partition; ``files`` hold the months dropped.
    """

    made: list[str] = []
    moved: int = 0
    detached: list[str] = []
    dropped: list[str] = []
    files: list[str] = []


class Months:
    """Looks after the months of the change log; ``retention`` None keeps them all.

    ``writing`` is the lock of whoever adds to the change log in this process.
    """

    def __init__(
        self,
        database: Database,
        retention: Retention | None,
        writing: asyncio.Lock,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._retention = retention
        self._writing = writing
        self._clock = clock

    async def keep(self, *, dry_run: bool = False) -> MonthsKept:
        """Make, move, detach and drop what is due; what is done stands when something fails.

        Raises StoreErrors, CannotWriteError and NotVerifiedError.
        """
        today = race_day(self._clock())
        async with self._database.connection() as connection:
            there = await partitioned_months(connection)
            in_default = await months_in_default(connection)
        done = MonthsKept()
        retention = self._retention
        for month in months_to_make(today, in_default, retention):
            if month not in there:
                await self._make(month, done, has_rows=month in in_default, dry_run=dry_run)
        for month in there:
            if retention is not None and is_expired(month, today, retention):
                await self._retire(month, retention.drop_into, done, dry_run=dry_run)
        if not dry_run and (done.made or done.detached or done.dropped):
            _log.info("retention.finished", **msgspec.structs.asdict(done))
        return done

    async def _make(self, month: date, done: MonthsKept, *, has_rows: bool, dry_run: bool) -> None:
        if dry_run:
            done.made.append(partition_name(month))
            return
        if has_rows:
            async with self._beside() as database:
                moved = await move_into_partition(database, month, writing=self._writing)
        else:
            moved = await make_partition(self._database, month, writing=self._writing)
        if moved is not None:
            done.moved += moved
            done.made.append(partition_name(month))

    async def _retire(
        self, month: date, drop_into: Path | None, done: MonthsKept, *, dry_run: bool
    ) -> None:
        name = partition_name(month)
        if drop_into is None:
            if not dry_run:
                await detach_partition(self._database, month, writing=self._writing)
            done.detached.append(name)
            return
        export_format = best_for_archives()
        path = drop_into / f"{name}.{export_format}"
        if not dry_run:
            async with self._beside() as database:
                newest = await _archive(database, month, path, export_format)
            await drop_partition(self._database, month, newest, writing=self._writing)
        done.dropped.append(name)
        done.files.append(str(path))

    @asynccontextmanager
    async def _beside(self) -> AsyncIterator[Database]:
        """A connection of its own for what takes long: live odds and the lease need theirs."""
        database = await open_exports(
            self._database, connections=1, application_name="darkhorses retention"
        )
        try:
            yield database
        finally:
            await database.close()


def retention_job(
    database: Database,
    retention: Retention | None,
    writing: asyncio.Lock,
    *,
    clock: Callable[[], datetime],
) -> ScheduledJob:
    """Schedule it: daily at 04:00 in London, at the start, and soon after a failure."""
    months = Months(database, retention, writing, clock)

    async def work(_: Lease) -> MonthsKept:
        return await months.keep()

    return ScheduledJob(
        name=RETENTION,
        reason="daily at 04:00",
        trigger=DailyTrigger(_HOUR),
        work=work,
        again_after=_AGAIN_AFTER,
    )


def _is_there(path: Path) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWriteError(f"cannot make {path.parent}: {error.strerror or error}") from error
    return path.exists()


def _is_same(found: FileOfChanges, logged: MonthOfChanges) -> bool:
    return (found.rows, found.newest) == (logged.rows, logged.newest)


async def _archive(database: Database, month: date, path: Path, export_format: ExportFormat) -> int:
    """Have a month in a file that is known to be whole; the number of its newest change.

    A file that is there already is never written over: it is taken if it is the month.
    """
    if not await asyncio.to_thread(_is_there, path):
        await export_month(database, month, path, export_format)
    async with database.connection() as connection:
        logged = await month_of_changes(connection, month)
    found = await asyncio.to_thread(read_back, path, export_format)
    if not _is_same(found, logged):
        raise NotVerifiedError(
            f"{path} holds {found.rows:,} changes up to {found.newest}, and the log of "
            f"{month:%B %Y} has {logged.rows:,} up to {logged.newest}: nothing was dropped"
        )
    return logged.newest


async def export_month(
    exports: Database, month: date, path: Path, export_format: ExportFormat
) -> None:
    """Write the changes of a month into a file that is not there yet; from ``open_exports``."""
    query = ExportQuery(table=ExportTable.ODDS_CHANGES, from_day=month, to_day=last_day_of(month))
    await write_whole(exported(exports, query, export_format), path, replace=False)
