import pytest

from darkhorses.store.pool import Database
from darkhorses.store.server_facts import (
    OLDEST_VERSION,
    Pooling,
    observed_pooling,
    server_facts,
)
from tests.poolers import direct, pgbouncer


async def test_the_server_tells_its_version_and_time(database: Database) -> None:
    async with database.connection() as connection:
        facts = await server_facts(connection)
        later = await connection.fetchval("SELECT clock_timestamp()")

    assert facts.version_number > OLDEST_VERSION
    assert facts.version.startswith("18")
    assert facts.clock < later
    assert not facts.is_encrypted


async def test_without_a_pooler_none_is_seen(database_url: str) -> None:
    database = await Database.open(direct(database_url), max_connections=2)

    assert await observed_pooling(database) is Pooling.NONE

    await database.close()


@pytest.mark.parametrize("mode", [Pooling.SESSION, Pooling.TRANSACTION])
async def test_the_kind_of_a_pooler_is_seen(database_url: str, mode: Pooling) -> None:
    with pgbouncer(database_url, mode.value) as url:
        database = await Database.open(url, max_connections=2, transaction_pooler=True)

        assert await observed_pooling(database) is mode

        await database.close()
