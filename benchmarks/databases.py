"""Databases for a benchmark: a server of its own that goes with it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Database


@contextmanager
def a_server(*, durable: bool = False) -> Iterator[str]:
    """Start an embedded server without data and give its address; everything goes with it.

    ``durable``: commits reach the disk, as they do for users.
    """
    with tempfile.TemporaryDirectory(prefix="darkhorses-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL of a run by root works as another user
        with EmbeddedServer.start(directory, durable=durable) as server:
            yield server.url


async def a_database(server: str, name: str, *, migrated: bool = True) -> str:
    """Make a database on a server and give its address."""
    admin = await Database.open(server, max_connections=1)
    async with admin.connection() as connection:
        await connection.execute(f"CREATE DATABASE {name}")
    await admin.close()
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    if migrated:
        database = await Database.open(url, max_connections=1)
        await migrate(database)
        await database.close()
    return url
