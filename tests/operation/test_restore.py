"""The drill: dump while prices come in, lose what followed, restore, and go on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from darkhorses.postgres import connection_variables
from darkhorses.simulator import Simulator
from darkhorses.store.pool import Connection, Database
from tests.api.processes import running_api
from tests.api.streaming import streaming
from tests.collecting import DIFFERS_FROM_LIVE, quick_simulator, worker_environment
from tests.commands import darkhorses
from tests.operation.runbooks import commands_under, typed
from tests.poolers import direct
from tests.worker.processes import WorkerProcess

_LOG = "SELECT * FROM ra_odds_changes WHERE change_id <= $1 ORDER BY change_id"
_NEWEST = "SELECT max(change_id) FROM ra_odds_changes"
_NUMBERS_ARE_UNIQUE = "SELECT count(*) = count(DISTINCT change_id) FROM ra_odds_changes"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with quick_simulator() as simulator:
        yield simulator


@pytest.fixture
def environment(database_url: str, simulator: Simulator) -> dict[str, str]:
    return worker_environment(database_url, simulator)


async def collects_more(worker: WorkerProcess) -> None:
    """Until a whole card has brought changes."""
    while (await worker.until("poll.finished"))["changed"] == 0:
        pass


async def newest(database: Database) -> int:
    async with database.connection() as connection:
        found: int = await connection.fetchval(_NEWEST)
    return found


async def log_is_whole(connection: Connection) -> object:
    """Whether it leads to the live prices, and has each number once."""
    differences = await connection.fetchval(DIFFERS_FROM_LIVE)
    return differences == 0 and await connection.fetchval(_NUMBERS_ARE_UNIQUE)


async def log_until(connection: Connection, change_id: int) -> list[asyncpg.Record]:
    return await connection.fetch(_LOG, change_id)


async def what_was_kept_is_given_up(client: httpx.AsyncClient, tag: str) -> None:
    answer = await client.get("/api/live-odds", headers={"if-none-match": tag})
    assert answer.status_code == 200
    # What the worker wrote last may still be on its way to the API.
    async with asyncio.timeout(20):
        while answer.status_code != 304:
            again = {"if-none-match": answer.headers["etag"]}
            answer = await client.get("/api/live-odds", headers=again)


async def test_a_backup_made_under_load_is_restored_and_collecting_goes_on(
    environment: dict[str, str], database: Database, tmp_path: Path
) -> None:
    # As the documentation says: dumps and restores do not go through a pooler of transactions.
    url = {"DATABASE_URL": direct(environment["DATABASE_URL"])}
    async with WorkerProcess.start(**environment) as worker:
        await collects_more(worker)
        await typed(commands_under("operations.md", "Backup"), tmp_path, **url)
        dumped_by = await newest(database)
        await collects_more(worker)
        assert await worker.stop() == 0
    lost = await newest(database)
    assert lost > dumped_by
    async with database.connection() as connection:
        before = await log_until(connection, lost)
    async with (
        running_api(DATABASE_URL=environment["DATABASE_URL"]) as api,
        httpx.AsyncClient(base_url=api.url) as client,
    ):
        await api.until("market.loaded")
        async with streaming(client) as stream:
            position = (await stream.until("snapshot")).event_id
        tag = (await client.get("/api/live-odds")).headers["etag"]
        await api.stop()
    assert position is not None
    assert position.startswith(f"{lost}-")

    said = await typed(commands_under("operations.md", "Restore"), tmp_path, **url)

    assert "pending: -" in said
    assert "unknown: -" in said
    restored = await newest(database)
    assert 0 < restored <= dumped_by
    async with database.connection() as connection:
        await connection.reload_schema_state()
        assert await log_until(connection, lost) == [
            row for row in before if row["change_id"] <= restored
        ]
        assert await log_is_whole(connection)
    async with (
        running_api(DATABASE_URL=environment["DATABASE_URL"]) as api,
        httpx.AsyncClient(base_url=api.url) as client,
    ):
        await api.until("market.loaded")
        async with asyncio.timeout(20), streaming(client, last_event_id=position) as stream:
            resync = await stream.until("resync")
            assert resync.data["reason"] == "unknown_position"
            await stream.until("snapshot")
        async with WorkerProcess.start(**environment) as worker:
            await collects_more(worker)
            assert await worker.stop() == 0
        # By now the log has passed the place that the client of before comes back to.
        async with asyncio.timeout(20), streaming(client, last_event_id=position) as stream:
            assert (await stream.until("resync")).data["reason"] == "unknown_position"
        await what_was_kept_is_given_up(client, tag)
        await api.stop()
    async with database.connection() as connection:
        added = await connection.fetchval(
            "SELECT min(change_id) FROM ra_odds_changes WHERE change_id > $1", restored
        )
        assert added > lost
        revision = await connection.fetchval("SELECT max(revision) FROM ra_races")
        assert revision > int(position.partition("-")[2])
        assert await log_is_whole(connection)


def test_programs_are_told_where_a_database_is() -> None:
    assert connection_variables("postgresql://me:s%40f3@db.example:6000/races?sslmode=require") == {
        "PGHOST": "db.example",
        "PGPORT": "6000",
        "PGUSER": "me",
        "PGPASSWORD": "s@f3",
        "PGDATABASE": "races",
        "PGSSLMODE": "require",
        "PGAPPNAME": "darkhorses postgres",
    }


def test_programs_find_the_embedded_database_and_their_exit_code_is_ours(folder: Path) -> None:
    data = {"DARKHORSES_DATA_DIR": str(folder / "d")}
    asked = darkhorses(
        "postgres", "psql", "--tuples-only", "--no-align", "--command=SELECT 6 * 7", **data
    )
    assert (asked.returncode, asked.stdout) == (0, "42\n")
    refused = darkhorses("postgres", "psql", "--command=nonsense", **data)
    assert refused.returncode == 1


def test_programs_are_refused_behind_a_transaction_pooler() -> None:
    url = "postgresql://me:hunter2@db.example:6543/x"
    refused = darkhorses("postgres", "pg_dump", DATABASE_URL=url)
    assert refused.returncode == 2
    assert "session pooler" in refused.stderr
    assert "hunter2" not in refused.stderr
