import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from asyncpg.transaction import Transaction

from darkhorses.store.errors import DatabaseBusyError, DatabaseUnavailableError
from darkhorses.store.pool import Connection, Database, is_transaction_pooler
from tests.faults.proxy import Proxy, before_database

SOON = timedelta(seconds=0.2)

_SLEEPERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep(60%' AND state = 'active'
"""


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[tuple[Proxy, Database]]:
    async with before_database(database_url) as (proxy, address):
        through = await Database.open(address, max_connections=1)
        yield proxy, through
        await through.close()


async def pid(database: Database) -> int:
    async with database.connection() as connection:
        number: int = await connection.fetchval("SELECT pg_backend_pid()")
        return number


async def until(connection: Connection, sql: str, expected: int) -> None:
    async with asyncio.timeout(30):
        while await connection.fetchval(sql) != expected:
            await connection.execute("SELECT pg_sleep(0.01)")


async def test_a_connection_that_swallows_everything_is_cut_when_patience_ends(
    proxy: tuple[Proxy, Database],
) -> None:
    link, database = proxy
    first = await pid(database)
    link.swallow()

    async def write() -> None:
        async with database.transaction(patience=SOON) as connection:
            await connection.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailableError):
        await write()
    link.heal()
    # The old connection swallows for ever: an answer came over another.
    again = await pid(database)
    # A pooler of transactions may lend the same backend to both.
    assert again != first or is_transaction_pooler(database.url, "auto")


async def test_savepoints_of_a_cut_connection_hold_nobody_up(
    proxy: tuple[Proxy, Database],
) -> None:
    link, database = proxy

    async def write() -> None:
        async with (
            database.transaction(patience=SOON) as connection,
            connection.transaction(),
        ):
            link.swallow()
            await connection.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailableError):
        await write()


async def test_who_is_cancelled_leaves_at_once_and_the_connection_is_not_lent_again(
    proxy: tuple[Proxy, Database],
) -> None:
    link, database = proxy
    first = await pid(database)
    asked = asyncio.Event()

    async def write() -> None:
        async with database.transaction() as connection:
            link.swallow()
            asked.set()
            await connection.execute("SELECT 1")

    writing = asyncio.create_task(write())
    await asked.wait()
    await asyncio.sleep(0)
    writing.cancel()
    async with asyncio.timeout(20):  # asyncpg by itself would wait for ever
        with pytest.raises(asyncio.CancelledError):
            await writing
    link.heal()
    # The old connection swallows for ever: an answer came over another.
    again = await pid(database)
    # A pooler of transactions may lend the same backend to both.
    assert again != first or is_transaction_pooler(database.url, "auto")


async def test_a_statement_of_who_was_cancelled_does_not_go_on(
    database: Database, connection: Connection
) -> None:
    async def ask() -> None:
        async with database.connection() as asking:
            await asking.execute("SELECT pg_sleep(60)")

    asking = asyncio.create_task(ask())
    await until(connection, _SLEEPERS, 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(connection, _SLEEPERS, 0)


async def test_a_statement_whose_time_is_over_ends_at_the_server_and_keeps_the_connection(
    database_url: str, connection: Connection
) -> None:
    database = await Database.open(database_url, max_connections=1)
    first = await pid(database)
    with pytest.raises(DatabaseBusyError):
        async with database.statements(limit=SOON) as asking:
            await asking.execute("SELECT pg_sleep(60)")
    await until(connection, _SLEEPERS, 0)
    again = await pid(database)
    # A pooler of transactions may lend another backend.
    assert again == first or is_transaction_pooler(database.url, "auto")
    await database.close()


async def test_an_error_rolls_back_and_keeps_the_connection(
    proxy: tuple[Proxy, Database],
) -> None:
    _, database = proxy
    first = await pid(database)

    async def write() -> None:
        async with database.transaction() as connection:
            await connection.execute("CREATE TABLE never (id int)")
            raise LookupError

    with pytest.raises(LookupError):
        await write()
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT to_regclass('never')") is None
    assert await pid(database) == first


async def test_a_transaction_whose_beginning_is_cancelled_ends_with_its_connection(
    database_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Transaction.start

    async def begin_and_be_cancelled(transaction: Transaction) -> None:
        await begin(transaction)
        raise asyncio.CancelledError

    database = await Database.open(database_url, max_connections=1)
    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "start", begin_and_be_cancelled)
        with pytest.raises(asyncio.CancelledError):
            async with database.transaction():
                pass

    assert await pid(database)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    await database.close()
