"""One embedded PostgreSQL for all tests of a run; a clone of a migrated database for each test."""

import asyncio
import fcntl
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Connection, Database
from tests import examples
from tests.poolers import pooled_server

TEMPLATE = "migrated"
_DIRECTORY = pytest.StashKey[Path]()
_POOLERS: dict[str, str] = {}
"""By a server's own address, that of the pooler through which tests are to reach it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run reach every database of a test through a pooler."""
    parser.addoption(
        "--pooler",
        choices=["session", "transaction"],
        help="reach the tests' databases through PgBouncer in this mode",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the run's directory; workers of pytest-xdist are told it."""
    examples.load_profile(config.getoption("markexpr"))
    # A run that is told to end, as by timeout(1), still takes its server with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given: dict[str, Any] | None = getattr(config, "workerinput", None)
    if given is None:
        directory = Path(tempfile.mkdtemp(prefix="darkhorses-tests-"))
        # PostgreSQL of a run by root works as another user, who is to reach its data.
        directory.chmod(0o755)
    else:
        directory = Path(given["postgres_directory"])
    config.stash[_DIRECTORY] = directory


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist the run's directory."""
    node.workerinput["postgres_directory"] = str(node.config.stash[_DIRECTORY])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the run's directory, and the server of a worker that was killed with it."""
    directory = config.stash.get(_DIRECTORY, None)
    if directory is None or hasattr(config, "workerinput"):
        return
    if (directory / "postgres18" / "postmaster.pid").exists():
        EmbeddedServer.start(directory, durable=False).release()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[EmbeddedServer]:
    """The run's server, shared by all workers; forgets everything in a crash."""
    directory = pytestconfig.stash[_DIRECTORY]
    with EmbeddedServer.start(directory, durable=False) as server:
        with _file_lock(directory / "template.lock"):
            asyncio.run(_ensure_template(server.url))
        mode: str | None = pytestconfig.getoption("pooler")
        if mode is None:
            yield server
            return
        with pooled_server(server.url, mode) as pooler, pytest.MonkeyPatch.context() as patch:
            patch.setitem(_POOLERS, server.url, pooler)
            if mode == "transaction":
                # Statements that are prepared once belong to a session.
                connect = partial(asyncpg.connect, statement_cache_size=0)
                patch.setattr(asyncpg, "connect", connect)
            yield server


@pytest.fixture
async def database_url(postgres: EmbeddedServer) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    async with fresh_database(postgres.url, template=TEMPLATE) as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres: EmbeddedServer) -> AsyncIterator[str]:
    """A database of the test's own with nothing in it."""
    async with fresh_database(postgres.url, template="template0") as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The test's migrated database, opened."""
    database = await Database.open(database_url, max_connections=4, application_name="tests")
    yield database
    await database.close()


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """A connection to the test's migrated database."""
    async with database.connection(patience=None) as connection:
        yield connection


@asynccontextmanager
async def fresh_database(server_url: str, *, template: str) -> AsyncIterator[str]:
    """Clone a database of the server and drop the clone afterwards; its address."""
    name = f"test_{uuid4().hex}"
    await _command(server_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    try:
        yield database_of(_POOLERS.get(server_url, server_url), name)
    finally:
        await _command(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def database_of(server_url: str, name: str) -> str:
    """The address of another database of the same server."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


async def _ensure_template(server_url: str) -> None:
    connection = await asyncpg.connect(server_url)
    try:
        names = [row[0] for row in await connection.fetch("SELECT datname FROM pg_database")]
        if TEMPLATE in names:
            return
        await connection.execute('CREATE DATABASE "migrating" TEMPLATE template0')
        database = await Database.open(database_of(server_url, "migrating"), max_connections=1)
        await migrate(database)
        await database.close()
        await connection.execute(f'ALTER DATABASE "migrating" RENAME TO "{TEMPLATE}"')
    finally:
        await connection.close()


async def _command(server_url: str, command: str) -> None:
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(command)
    finally:
        await connection.close()


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
