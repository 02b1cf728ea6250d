"""A database server of a test's own, to be restarted and killed: the run's is shared by others."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Self

import asyncpg

from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Database


@contextmanager
def _directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="dh-faults-"))
    # PostgreSQL of a run by root works as another user, who is to reach its data.
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class OwnCluster:
    """A durable embedded server, migrated; ``url`` is its database."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._cluster = server._cluster
        self.url = server.url

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncIterator[Self]:
        """Start one; it is stopped and removed at the end."""
        with _directory() as directory:
            server = await asyncio.to_thread(EmbeddedServer.start, directory)
            try:
                database = await Database.open(server.url, max_connections=1)
                await migrate(database)
                await database.close()
                yield cls(server)
            finally:
                await asyncio.to_thread(server.release)

    async def go(self, how: str) -> None:
        """Go down: ``fast`` or ``immediate`` by pg_ctl, ``kill`` by kill -9 of the postmaster."""
        if how == "kill":
            postmaster = self._cluster.postmaster()
            assert postmaster is not None
            os.kill(postmaster.pid, signal.SIGKILL)
            while self._cluster.postmaster() is not None:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0)
            return
        directory = self._cluster.directory
        await asyncio.to_thread(
            self._cluster._command,
            "pg_ctl", "stop", f"--pgdata={directory}", f"--mode={how}", "--wait",
        )  # fmt: skip

    async def come_back(self) -> None:
        """Be up again, recovered."""
        await asyncio.to_thread(self._cluster.run)

    async def kill_a_backend(self) -> None:
        """Kill -9 the backend of a worker: the server throws everybody out and recovers itself."""
        connection = await asyncpg.connect(self.url)
        pid = await connection.fetchval(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'darkhorses worker' LIMIT 1"
        )
        connection.terminate()
        os.kill(pid, signal.SIGKILL)
