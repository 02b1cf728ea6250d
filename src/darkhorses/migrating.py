"""What ``darkhorses migrate`` does: the schema, and the tables that an earlier system left.

``store.migrations`` moves those away and makes ours, at once or not at all; then
``store.writing.adoption`` brings over what fits, and goes on where it was when it is run again.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime

import msgspec

from darkhorses.database import open_database
from darkhorses.settings import Settings
from darkhorses.store.adoption import Adoption, current_adoption
from darkhorses.store.earlier_tables import LEGACY, SET_ASIDE, EarlierTable
from darkhorses.store.migrations import (
    SchemaState,
    give_earlier_system_back,
    migrate,
    schema_state,
)
from darkhorses.store.pool import Database
from darkhorses.store.writing.adoption import Stretch, bring_over


class Migrated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Names of the migrations applied, and what became of an earlier system's tables, if any."""

    applied: tuple[str, ...]
    adoption: Adoption | None = None


async def migrate_database(
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    progress: Callable[[Stretch], None] = lambda _: None,
) -> Migrated:
    """Migrate the database that the settings ask for, and bring over what an earlier system left.

    ``progress`` is told of each stretch that was committed.
    """
    async with _opened(settings) as database:
        applied = await migrate(database)
        await bring_over(database, clock=clock, progress=progress)
        async with database.connection() as connection:
            adoption = await current_adoption(connection)
    return Migrated(applied=tuple(applied), adoption=adoption)


async def look_at_schema(settings: Settings) -> tuple[SchemaState, Adoption | None]:
    """How the database compares with this DarkHorses; changes nothing."""
    async with _opened(settings) as database, database.connection() as connection:
        return await schema_state(connection), await current_adoption(connection)


async def back_to_earlier_system(settings: Settings) -> tuple[EarlierTable, ...]:
    """Set our tables aside and put the earlier system's where they were; these, with their rows."""
    async with _opened(settings) as database:
        return await give_earlier_system_back(database)


def migrated_lines(migrated: Migrated) -> list[str]:
    """What was done, for people."""
    lines = [f"applied {name}" for name in migrated.applied] or ["nothing to apply"]
    return lines + ([] if migrated.adoption is None else adoption_lines(migrated.adoption))


def adoption_lines(adoption: Adoption) -> list[str]:
    """How the adoption stands, for people."""
    lines = [
        f"earlier system found: {table.name}, about {table.rows:,} rows, will be kept as "
        f"{LEGACY}.{table.name}"
        for table in adoption.waiting
    ]
    for table in adoption.tables:
        state = "" if table.finished else ", not finished: run `darkhorses migrate` again"
        lines.append(
            f"{table.name}: {table.rows_kept:,} rows kept as {table.kept_as}, "
            f"{table.rows_brought:,} brought over{state}"
        )
        lines += [f"  left {count:,}: {reason}" for reason, count in table.rows_left.items()]
        lines += [
            f"  {column}: {count:,} values left out, they make no sense"
            for column, count in table.facts_left_out.items()
        ]
        if table.finished and table.rows_seen != table.rows_kept:
            lines.append(f"  {table.rows_seen:,} rows were seen: it was changed meanwhile")
    lines += [
        f"{d.kind} {d.what} refers to {LEGACY}.{d.refers_to}: it sees the old rows"
        for d in adoption.dependents
    ]
    return lines


def way_back_lines(tables: tuple[EarlierTable, ...]) -> list[str]:
    """What was given back, for people."""
    return [
        *(f"{table.name}: {table.rows:,} rows, where they were" for table in tables),
        f"the tables of DarkHorses stand in the schema {SET_ASIDE} now",
    ]


def _opened(settings: Settings) -> AbstractAsyncContextManager[Database]:
    return open_database(
        settings,
        max_connections=1,
        application_name="darkhorses migrate",
        migrate_embedded=False,
    )
