"""A streaming replica of an embedded server, made as an operator makes one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.embedded.account import Account
from darkhorses.store.embedded.binaries import find_programs
from darkhorses.store.embedded.cluster import Cluster


class Standby:
    """A server that follows another one's log."""

    def __init__(self, primary_url: str, directory: Path) -> None:
        self._account = Account.choose()
        self._programs = find_programs(self._account)
        self._cluster = Cluster(directory, self._account, self._programs, durable=False)
        self._directory = directory
        socket = parse_qs(urlsplit(primary_url).query)["host"][0]
        directory.mkdir(mode=0o700)
        self._account.own(directory)
        made = self._account.run(
            self._programs / "pg_basebackup",
            f"--host={socket}",
            "--username=postgres",
            f"--pgdata={directory}",
            "--checkpoint=fast",
            "--write-recovery-conf",
        )
        assert made.returncode == 0, made.stderr
        self._path = urlsplit(primary_url).path

    @property
    def url(self) -> str:
        """Where it answers, whether it runs or not."""
        return f"postgresql://postgres@{self._path}?host={self._directory}"

    def start(self) -> None:
        """Start it, and return when it takes questions."""
        self._cluster.run()

    def stop(self) -> None:
        """Stop it; a second call does nothing."""
        self._cluster.stop()

    async def pause(self) -> None:
        """Let it take the log and no longer replay it."""
        await self._run("SELECT pg_wal_replay_pause()")
        while await self._run("SELECT pg_get_wal_replay_pause_state()") != "paused":
            pass

    async def go_on(self) -> None:
        """Replay again."""
        await self._run("SELECT pg_wal_replay_resume()")

    async def promote(self) -> None:
        """Make it a primary of its own."""
        assert await self._run("SELECT pg_promote()")

    async def _run(self, command: str) -> object:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(command)
        finally:
            await connection.close()


@contextmanager
def streaming_replica(primary: EmbeddedServer, directory: Path) -> Iterator[Standby]:
    """A standby of a server that runs; it is stopped and removed at the end."""
    standby = Standby(primary.url, directory)
    standby.start()
    try:
        yield standby
    finally:
        standby.stop()
        shutil.rmtree(directory, ignore_errors=True)
