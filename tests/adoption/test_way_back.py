"""The way back: the earlier system's tables where they were, ours aside, and forward again."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from darkhorses.store.earlier_tables import created_by
from darkhorses.store.errors import StoreError
from darkhorses.store.migrations import (
    give_earlier_system_back,
    migrate,
    migrations_directory,
    require_current_schema,
)
from darkhorses.store.pool import Connection, Database
from darkhorses.store.writing import lease as leases
from tests.commands import darkhorses
from tests.earlier import TABLES, contents, make_earlier_system


@pytest.fixture
async def adopted(empty_database_url: str) -> AsyncIterator[Database]:
    """The earlier system's database, migrated."""
    await make_earlier_system(empty_database_url, past_days=1)
    database = await Database.open(empty_database_url, max_connections=2)
    await migrate(database)
    yield database
    await database.close()


async def test_there_and_back_the_database_is_as_it_was(empty_database_url: str) -> None:
    await make_earlier_system(empty_database_url)
    before = await contents(empty_database_url, "public")
    shape = await _shape(empty_database_url)

    there = darkhorses("migrate", DATABASE_URL=empty_database_url)
    back = darkhorses("migrate", "--back", "--json", DATABASE_URL=empty_database_url)

    assert (there.returncode, back.returncode) == (0, 0), back.stderr
    assert msgspec.json.decode(back.stdout)["given_back"] == [
        {"name": name, "rows": len(before[name])} for name in TABLES
    ]
    assert await contents(empty_database_url, "public") == before
    assert await _shape(empty_database_url) == shape


async def test_the_earlier_system_can_write_again_after_the_way_back(
    adopted: Database, empty_database_url: str
) -> None:
    await give_earlier_system_back(adopted)

    connection = await asyncpg.connect(empty_database_url)
    number = await connection.fetchval(
        "INSERT INTO ra_odds_live (race_id, bookmaker_id) VALUES ('rac_9', 'bet365') RETURNING id"
    )
    await connection.close()
    assert number == 100


async def test_what_was_collected_is_set_aside_and_another_start_is_a_first_one(
    adopted: Database,
) -> None:
    async with adopted.connection() as connection:
        await connection.execute(
            "INSERT INTO ra_courses (course_id, course, region_code, region)"
            " VALUES ('crs_1', 'Ascot', 'gb', 'Great Britain');"
            "SELECT ensure_odds_changes_partition('2026-06-20')"
        )
    await give_earlier_system_back(adopted)
    applied = await migrate(adopted)

    assert applied[0] == "0001_live_odds"
    await require_current_schema(adopted)
    async with adopted.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM ra_courses") == 0
        assert await connection.fetchval("SELECT course FROM darkhorses_set_aside.ra_courses")
    with pytest.raises(StoreError, match="rename or drop it first"):
        await give_earlier_system_back(adopted)


async def test_there_is_no_way_back_while_a_worker_leads(
    adopted: Database, empty_database_url: str
) -> None:
    async with adopted.connection() as connection:
        assert await leases.acquire(connection, "live", "first", timedelta(hours=1)) is not None

    with pytest.raises(StoreError, match="first is collecting: stop the workers first"):
        await give_earlier_system_back(adopted)
    assert await contents(empty_database_url, "darkhorses_legacy")


async def test_there_is_no_way_back_where_nothing_was_adopted(database: Database) -> None:
    with pytest.raises(StoreError, match="no tables of the earlier system"):
        await give_earlier_system_back(database)


async def test_whatever_the_migrations_make_is_known_by_name(connection: Connection) -> None:
    created = created_by(migrations_directory())

    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p', 'S', 'v') AND relname NOT LIKE '\\_pogo\\_%' AND NOT EXISTS ("
        "  SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype IN ('i', 'a')"
        "  AND classid = 'pg_class'::regclass AND relkind = 'S')"
    )
    functions = await connection.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    )
    assert {row[0] for row in tables} == created.relations
    assert {row[0] for row in functions} == created.functions


async def _shape(url: str) -> list[str]:
    """Every relation, constraint, policy and function outside the system's own schemas."""
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetch(
            "SELECT format('%s.%s %s', relnamespace::regnamespace, relname, relkind) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace"
            " UNION ALL SELECT format('%s %s', conname, pg_get_constraintdef(oid))"
            " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
            " UNION ALL SELECT format('%s %s', polname, polrelid::regclass) FROM pg_policy"
            " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'darkhorses_legacy'"
        )
        return sorted(row[0] for row in found)
    finally:
        await connection.close()
