"""Migrations: plain SQL files in ``migrations/``, applied in one transaction by pogo.

Worker and API go on while they run. A migration that waits for a table makes everybody who comes
after it wait, too, so it waits for a moment only, lets everything go, and tries again: nobody is
kept from writing for longer than TABLE_WAIT and the time that the statements take by themselves.

Source of truth: the names in ``_pogo_migration`` against the files that came with this DarkHorses.
A name that is recorded and not among the files is a newer DarkHorses's: nothing is touched then.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import cast

import asyncpg
import msgspec
import structlog
from pogo_core.error import BadMigrationError
from pogo_core.util import migrate as pogo

import darkhorses
from darkhorses.store.earlier_tables import (
    EarlierTable,
    find_earlier_tables,
    give_back,
    move_away,
    note_adopted,
)
from darkhorses.store.errors import (
    DatabaseBusyError,
    DatabaseUnavailableError,
    SchemaOutdatedError,
    SchemaTooNewError,
    StoreError,
)
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries

_LOCK = 0x6461726B686F7273  # "darkhors": any number, the same for every DarkHorses
_LOCK_TIMEOUT = timedelta(minutes=1)
TABLE_WAIT = timedelta(seconds=2)
"""How long a migration waits for a table that others use, and they for it, at a time."""

PATIENCE = timedelta(minutes=2)
"""How long it tries in all."""

_PAUSE = timedelta(seconds=1)
_STATEMENT_TIMEOUT = timedelta(minutes=15)

_log = structlog.get_logger("darkhorses.migrations")

# Our own log says what was applied; pogo would say it once more as a warning.
_quiet = logging.getLogger(f"{__name__}.pogo")
_quiet.setLevel(logging.ERROR)


class _TableInUseError(StoreError):
    """A table that a migration needs was not free in time."""


class SchemaState(msgspec.Struct, frozen=True, kw_only=True):
    """Names of migrations: applied, still to be applied, and applied by a newer DarkHorses."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Whether the database and this DarkHorses fit."""
        return not self.pending and not self.unknown


def migrations_directory() -> Path:
    """Where the files are: in the installed package, or beside ``src/`` in a checkout."""
    package = Path(darkhorses.__file__).parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


async def schema_state(connection: Connection, directory: Path | None = None) -> SchemaState:
    """Compare the database with the files; writes nothing."""
    directory = directory or migrations_directory()
    files = {path.stem for path in directory.iterdir() if path.suffix == ".sql"}
    applied: set[str] = set()
    if await queries.migrations_recorded(connection):
        async for row in queries.migrations_applied(connection):
            applied.add(row["migration_id"])
    return SchemaState(
        applied=_ordered(applied & files),
        pending=_ordered(files - applied),
        unknown=_ordered(applied - files),
    )


async def migrate(
    database: Database,
    directory: Path | None = None,
    *,
    lock_timeout: timedelta = _LOCK_TIMEOUT,
    table_wait: timedelta = TABLE_WAIT,
    patience: timedelta = PATIENCE,
) -> list[str]:
    """Apply what is pending, all or nothing; the names applied.

    Tables of the earlier system are moved away first, in the same transaction; ``writing.adoption``
    then brings over what fits. Safe when several run at once: the later ones wait and find nothing
    left. Raises SchemaTooNewError, DatabaseBusyError when another run takes longer than
    ``lock_timeout`` or a table is in use for all of ``patience``, and StoreError when a migration
    fails.
    """
    directory = directory or migrations_directory()
    async with database.connection(patience=None) as connection, connection.transaction():
        await _wait_for_others(connection, lock_timeout)
        before = await schema_state(connection, directory)
        _refuse_newer(before)
        if before.pending:
            await _limit_lock_wait(connection, table_wait)
            earlier = () if before.applied else await find_earlier_tables(connection)
            if earlier:
                earlier = await move_away(connection, earlier, directory)
            await _apply_when_free(connection, directory, patience)
            if earlier:
                await note_adopted(connection, earlier)
    return list(before.pending)


async def give_earlier_system_back(
    database: Database,
    directory: Path | None = None,
    *,
    lock_timeout: timedelta = _LOCK_TIMEOUT,
) -> tuple[EarlierTable, ...]:
    """Set our tables aside and put those of the earlier system where they were; with their rows.

    All or nothing. Raises StoreError when there are none, or when a worker leads.
    """
    async with database.connection() as connection, connection.transaction():
        await _wait_for_others(connection, lock_timeout)
        return await give_back(connection, directory or migrations_directory())


async def require_current_schema(database: Database) -> None:
    """Raise SchemaOutdatedError or SchemaTooNewError, which say what to run, unless it fits."""
    async with database.connection() as connection:
        state = await schema_state(connection)
    _refuse_newer(state)
    if state.pending:
        raise SchemaOutdatedError(
            f"the database lacks {_listed(state.pending)}: run `darkhorses migrate`"
        )


async def _limit_lock_wait(connection: Connection, wait: timedelta) -> None:
    async for _ in queries.migrations_limit_wait(connection, lock_timeout=_milliseconds(wait)):
        pass


async def _wait_for_others(connection: Connection, lock_timeout: timedelta) -> None:
    async for _ in queries.migrations_prepare(
        connection,
        lock_timeout=_milliseconds(lock_timeout),
        statement_timeout=_milliseconds(_STATEMENT_TIMEOUT),
    ):
        pass
    try:
        await queries.migrations_lock(connection, key=_LOCK)
    except asyncpg.LockNotAvailableError as error:
        raise DatabaseBusyError(
            f"another migration has been running for {lock_timeout.total_seconds():.0f} s: wait "
            f"for it, then run `darkhorses migrate` again"
        ) from error


async def _apply_when_free(connection: Connection, directory: Path, patience: timedelta) -> None:
    """Apply, and try again while tables are in use; what was locked is let go in between."""
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        try:
            async with connection.transaction():
                await _apply(connection, directory)
        except _TableInUseError as error:
            if time.monotonic() >= deadline:
                users = await _longest_users(connection)
                raise DatabaseBusyError(
                    f"a table was in use for {patience.total_seconds():.0f} s, nothing was "
                    f"changed: {users}; run `darkhorses migrate` again when that has ended"
                ) from error
            _log.info(
                "migration.waits", reason="a table is in use", again_in=_PAUSE.total_seconds()
            )
            await asyncio.sleep(_PAUSE.total_seconds())
        else:
            return


async def _longest_users(connection: Connection) -> str:
    return (
        "; ".join(
            [
                f"{row['application_name'] or 'somebody'} (pid {row['pid']}) has had a transaction "
                f"open for {row['seconds']} s"
                async for row in queries.migrations_in_the_way(connection)
            ]
        )
        or "nobody has a transaction open for long, so there are many short ones"
    )


async def _apply(connection: Connection, directory: Path) -> None:
    try:
        await pogo.apply(
            cast("asyncpg.Connection[asyncpg.Record]", connection),
            directory,
            schema_name="public",
            logger=_quiet,
        )
    except BadMigrationError as error:
        cause = error.__cause__
        if isinstance(cause, asyncpg.LockNotAvailableError):
            raise _TableInUseError(str(cause)) from error
        if isinstance(cause, (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)):
            raise DatabaseUnavailableError(f"the database went away: {cause}") from error
        raise StoreError(
            f"{error}, nothing was changed: {'no cause given' if cause is None else cause}"
        ) from error


def _refuse_newer(state: SchemaState) -> None:
    if state.unknown:
        raise SchemaTooNewError(
            f"a newer DarkHorses has migrated this database ({_listed(state.unknown)}): install "
            f"that version or a later one"
        )


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _milliseconds(duration: timedelta) -> str:
    return str(int(duration / timedelta(milliseconds=1)))
