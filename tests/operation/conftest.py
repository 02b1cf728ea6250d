"""What tests of operation share: a server of their own, which they may stop and copy."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Database


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path that PostgreSQL of a run by root may enter."""
    with tempfile.TemporaryDirectory(prefix="dh-op-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture
def own_server(folder: Path) -> Iterator[EmbeddedServer]:
    """A server that no other test uses."""
    with EmbeddedServer.start(folder / "p", durable=False) as server:
        yield server


@pytest.fixture
async def own_database(own_server: EmbeddedServer) -> AsyncIterator[Database]:
    """Its database, migrated."""
    database = await Database.open(own_server.url, max_connections=3)
    await migrate(database)
    yield database
    await database.close()
