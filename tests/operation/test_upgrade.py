"""An upgrade under load: a migration waits for a table, and the writers do not wait for it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from darkhorses.store.errors import DatabaseBusyError
from darkhorses.store.migrations import migrate, migrations_directory, schema_state
from darkhorses.store.pool import Connection, Database
from tests.market import NOON, MarketWriter, card, race, runner

SHORT = timedelta(milliseconds=50)
LONG = timedelta(minutes=2)
ADA = runner("Ada", 1)
RACE = race(off_dt=NOON + timedelta(hours=1))
_IS_MIGRATING = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_WAITS = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
    " AND relation = 'ra_races'::regclass"
)


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    directory = tmp_path / "migrations"
    shutil.copytree(migrations_directory(), directory)
    names = sorted(path.stem for path in directory.glob("*.sql"))
    (directory / "9999_newer.sql").write_text(
        f"-- A column more.\n-- depends: {names[-1]}\n\n-- migrate: apply\n\n"
        "ALTER TABLE ra_races ADD COLUMN newer text;\n\n-- migrate: rollback\n"
    )
    return directory


@asynccontextmanager
async def long_reader(url: str) -> AsyncIterator[Connection]:
    """Somebody who has read races in a transaction that goes on and on."""
    connection = await asyncpg.connect(url, server_settings={"application_name": "a long report"})
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT count(*) FROM ra_races")
    try:
        yield connection
        await transaction.commit()
    finally:
        await connection.close()


async def until_true(connection: Connection, sql: str) -> None:
    async with asyncio.timeout(30):
        while not await connection.fetchval(sql):
            pass


async def has_newer(connection: Connection) -> bool:
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM information_schema.columns"
        " WHERE table_name = 'ra_races' AND column_name = 'newer')"
    )
    return found


async def test_writers_go_on_while_a_migration_waits_for_a_long_reader(
    database: Database, database_url: str, connection: Connection, newer: Path
) -> None:
    writer = await MarketWriter.leading(database)
    async with long_reader(database_url):
        migrating = asyncio.create_task(
            migrate(database, newer, table_wait=timedelta(milliseconds=300), patience=LONG)
        )
        prices = ("2/1", "3/1", "4/1")
        for minute, price in enumerate(prices):
            await until_true(connection, _WAITS)
            # It waits behind the migration, which has to let go before the writer gives up.
            look = card(RACE, (ADA, {"Bet365": price}))
            await writer.look(look, seen_at=NOON + timedelta(minutes=minute))
        assert not migrating.done()
        assert await connection.fetchval("SELECT count(*) FROM ra_odds_changes") == len(prices)
    assert await migrating == ["9999_newer"]
    assert await has_newer(connection)


async def test_a_migration_that_never_gets_its_table_says_who_has_it_and_changes_nothing(
    database: Database, database_url: str, connection: Connection, newer: Path
) -> None:
    async with long_reader(database_url):
        with pytest.raises(
            DatabaseBusyError, match=r"in use for 0 s, nothing.*a long report \(pid"
        ):
            await migrate(database, newer, table_wait=SHORT, patience=timedelta(0))
        assert (await schema_state(connection, newer)).pending == ("9999_newer",)
        assert not await has_newer(connection)
        assert not await connection.fetchval(_IS_MIGRATING)
    assert await migrate(database, newer, table_wait=SHORT) == ["9999_newer"]
    assert await has_newer(connection)
