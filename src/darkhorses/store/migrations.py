"""Migrations: plain SQL files in ``migrations/``, applied in one transaction by pogo.

Source of truth: the names in ``_pogo_migration`` against the files that came with this DarkHorses.
A name that is recorded and not among the files is a newer DarkHorses's: nothing is touched then.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import cast

import asyncpg
import msgspec
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
_STATEMENT_TIMEOUT = timedelta(minutes=15)

# Our own log says what was applied; pogo would say it once more as a warning.
_quiet = logging.getLogger(f"{__name__}.pogo")
_quiet.setLevel(logging.ERROR)


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
) -> list[str]:
    """Apply what is pending, all or nothing; the names applied.

    Tables of the earlier system are moved away first, in the same transaction; ``writing.adoption``
    then brings over what fits. Safe when several run at once: the later ones wait and find nothing
    left. Raises SchemaTooNewError, DatabaseBusyError when another run takes longer than
    ``lock_timeout``, and StoreError when a migration fails.
    """
    directory = directory or migrations_directory()
    async with database.connection(patience=None) as connection, connection.transaction():
        await _wait_for_others(connection, lock_timeout)
        before = await schema_state(connection, directory)
        _refuse_newer(before)
        if before.pending:
            earlier = () if before.applied else await find_earlier_tables(connection)
            if earlier:
                earlier = await move_away(connection, earlier, directory)
            await _apply(connection, directory)
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
