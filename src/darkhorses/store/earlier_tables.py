"""Tables of the earlier system that stand where ours are to stand: found, moved away, given back.

They are moved into the schema ``darkhorses_legacy`` with all that is theirs (rows, indexes, owned
sequences, triggers, policies, foreign keys) and keep their names there; views and other tables that
refer to them go on doing so. Everything happens in the transaction of the caller, so that a table
is where it was or where it shall be, whenever somebody is killed.
"""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import asyncpg
import msgspec

from darkhorses.store.errors import DatabaseBusyError, StoreError
from darkhorses.store.lease import live_leases
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

LEGACY = "darkhorses_legacy"
"""Where the earlier system's tables stand once they have been adopted."""

SET_ASIDE = "darkhorses_set_aside"
"""Where our tables stand once somebody went back to the earlier system."""

NAMES = ("ra_bookmakers", "ra_odds_statistics", "ra_odds_live", "ra_odds_historical")
"""The earlier system's tables, in the order in which they are read."""

_WIDE_LIVE = {"race_id", "race_date", "course", "horse_name", "bookmaker_name", "odds_decimal"}
_HISTORICAL = {"date_of_race", "track", "horse_name"}
_CREATED = re.compile(r"^CREATE (TABLE|VIEW|SEQUENCE|(?:OR REPLACE )?FUNCTION) (\w+)", re.MULTILINE)
_OF_POGO = ("_pogo_migration", "_pogo_version")


class EarlierTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the earlier system; ``rows`` as the planner estimates, or counted once moved."""

    name: str
    rows: int


class Dependent(msgspec.Struct, frozen=True, kw_only=True):
    """A view, or a table with a foreign key, that refers to one of the earlier tables."""

    what: str
    kind: str
    refers_to: str


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """What the migrations create, by name."""

    relations: frozenset[str]
    functions: frozenset[str]


def created_by(directory: Path) -> Created:
    """Read from the migrations what they create."""
    relations: set[str] = set()
    functions: set[str] = set()
    for path in directory.glob("*.sql"):
        for kind, name in _CREATED.findall(path.read_text()):
            (functions if kind.endswith("FUNCTION") else relations).add(name)
    return Created(relations=frozenset(relations), functions=frozenset(functions))


async def find_earlier_tables(connection: Connection) -> tuple[EarlierTable, ...]:
    """The earlier system's tables of a database that we never migrated; none where it never was.

    It is known by its wide live prices, or by historical rows without race ids.
    """
    rows = {row["name"]: row async for row in queries.earlier_tables_found(connection)}
    columns = {name: set(row["columns"]) for name, row in rows.items()}
    live = columns.get("ra_odds_live", set())
    historical = columns.get("ra_odds_historical", set())
    if not (live >= _WIDE_LIVE or (historical >= _HISTORICAL and "race_id" not in historical)):
        return ()
    return tuple(
        EarlierTable(name=name, rows=rows[name]["about_rows"]) for name in NAMES if name in rows
    )


async def move_away(
    connection: Connection, tables: Sequence[EarlierTable], directory: Path
) -> tuple[EarlierTable, ...]:
    """Move the tables away, counted before and after.

    Raises StoreError when tables of somebody else stand in our way too, when these are not ours to
    move, or when a row was lost.
    """
    names = [table.name for table in tables]
    in_the_way = await _present(connection, created_by(directory).relations - set(names))
    if in_the_way:
        raise StoreError(
            f"beside the earlier system's tables stand others of names that we need, "
            f"{', '.join(in_the_way)}: nothing was changed. Move them into another schema, or give "
            f"DarkHorses a database of its own (docs/migrating.md)"
        )
    await queries.see_all_rows(connection)
    try:
        before = await _counted(connection, names, "public")
        await queries.make_legacy_schema(connection)
        await _move(connection, names, (), "public", LEGACY)
        after = await _counted(connection, names, LEGACY)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.DuplicateTableError) as error:
        raise StoreError(
            f"the earlier system's tables cannot be moved, nothing was changed: {error}. Connect "
            f"as their owner (on Supabase: postgres), with no tables of these names in {LEGACY}"
        ) from error
    except asyncpg.LockNotAvailableError as error:
        raise DatabaseBusyError(
            "the earlier system is using its tables, nothing was changed: stop its workers and "
            "whoever reads from it, then run `darkhorses migrate` again"
        ) from error
    if before != after:
        raise StoreError(f"the earlier system's rows changed on the way: {before}, then {after}")
    return tuple(EarlierTable(name=name, rows=after[name]) for name in names)


async def note_adopted(connection: Connection, tables: Sequence[EarlierTable]) -> None:
    """Note which tables were moved away, in the transaction that moved them."""
    await queries.note_adopted(
        connection,
        table_names=[table.name for table in tables],
        steps=[NAMES.index(table.name) for table in tables],
        rows_kept=[table.rows for table in tables],
    )


async def give_back(connection: Connection, directory: Path) -> tuple[EarlierTable, ...]:
    """Move our tables into ``darkhorses_set_aside`` and the earlier system's back, counted.

    Raises StoreError when nothing was adopted, when a worker of ours leads, or when tables that
    were set aside earlier are still there.
    """
    if not await queries.schema_exists(connection, name=LEGACY):
        raise StoreError("no tables of the earlier system were adopted here")
    for lease in await live_leases(connection):
        raise StoreError(f"{lease.holder} is collecting: stop the workers first")
    if await queries.schema_exists(connection, name=SET_ASIDE):
        raise StoreError(
            f"there is a schema {SET_ASIDE} of an earlier way back: rename or drop it first"
        )
    created = created_by(directory)
    months = [row["name"] async for row in queries.months_of_changes(connection)]
    await queries.make_set_aside_schema(connection)
    await _move(
        connection,
        created.relations | set(months) | set(_OF_POGO),
        created.functions,
        "public",
        SET_ASIDE,
    )
    await queries.see_all_rows(connection)
    await _move(connection, NAMES, (), LEGACY, "public")
    counted = await _counted(connection, NAMES, "public")
    await queries.drop_legacy_schema(connection)
    return tuple(EarlierTable(name=name, rows=counted[name]) for name in NAMES if name in counted)


async def legacy_dependents(connection: Connection) -> tuple[Dependent, ...]:
    """What refers to the adopted tables from outside; it goes on reading the old rows."""
    rows = queries.legacy_dependents(connection)
    return tuple([Dependent(**dict(row)) async for row in rows])


async def _present(connection: Connection, names: Collection[str]) -> list[str]:
    return [row["name"] async for row in queries.relations_present(connection, names=list(names))]


async def _counted(connection: Connection, names: Collection[str], home: str) -> dict[str, int]:
    counting = queries.counting_tables(connection, names=list(names), home=home)
    statements = {row["name"]: row["statement"] async for row in counting}
    return {name: await connection.fetchval(count) for name, count in statements.items()}


async def _move(
    connection: Connection,
    relations: Collection[str],
    functions: Collection[str],
    home: str,
    away: str,
) -> None:
    places = {"home": home, "away": away}
    moving = [
        *[r async for r in queries.moving_tables(connection, names=list(relations), **places)],
        *[r async for r in queries.moving_functions(connection, names=list(functions), **places)],
    ]
    for row in moving:
        await connection.execute(row["statement"])
