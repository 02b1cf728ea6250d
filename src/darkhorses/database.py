"""The database that the settings ask for: the one at DATABASE_URL, or the embedded one."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from darkhorses.settings import Settings
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.migrations import migrate, require_current_schema
from darkhorses.store.pool import Connection, Database, is_transaction_pooler
from darkhorses.store.replica import Replica

_log = structlog.get_logger("darkhorses.database")

REPLICA_CONNECTIONS = 2
"""To a replica: one for questions, one for looking how far it lags."""


@asynccontextmanager
async def open_database(
    settings: Settings,
    *,
    max_connections: int,
    application_name: str,
    migrate_embedded: bool = True,
) -> AsyncIterator[Database]:
    """Open the database for as long as the block runs; connects when it is first used.

    The embedded server is started, or found running, and migrated: it is ours alone. A database
    at DATABASE_URL is never migrated here; ``require_current_schema`` tells whether it fits.
    """
    async with _database_url(settings) as url:
        database = await Database.open(
            url,
            max_connections=max_connections,
            transaction_pooler=is_transaction_pooler(url, settings.pooler),
            application_name=application_name,
        )
        try:
            if settings.database_url is None and migrate_embedded:
                names = await migrate(database)
                if names:
                    _log.info("database.migrated", names=names)
            yield database
        finally:
            await database.close()


@asynccontextmanager
async def open_connection(
    settings: Settings, *, application_name: str
) -> AsyncIterator[Connection]:
    """One connection to that database, for a command; raises SchemaOutdatedError and the like."""
    async with open_database(
        settings, max_connections=1, application_name=application_name
    ) as database:
        await require_current_schema(database)
        async with database.connection() as connection:
            yield connection


@asynccontextmanager
async def open_replica(
    settings: Settings,
    primary: Database,
    *,
    clock: Callable[[], datetime],
    watched: bool = True,
) -> AsyncIterator[Replica | None]:
    """Open the replica that the settings name, if any, and watch it while the block runs."""
    url = settings.database_replica_url
    if url is None:
        yield None
        return
    database = await Database.open(
        url,
        max_connections=REPLICA_CONNECTIONS,
        transaction_pooler=is_transaction_pooler(url, settings.pooler),
        application_name="darkhorses api replica",
    )
    replica = Replica(
        primary,
        database,
        clock=clock,
        longest_lag=timedelta(seconds=settings.replica_longest_lag),
    )
    watching = [asyncio.create_task(replica.run())] if watched else []
    try:
        yield replica
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        await database.close()


@asynccontextmanager
async def _database_url(settings: Settings) -> AsyncIterator[str]:
    if settings.database_url is not None:
        yield settings.database_url
        return
    data_dir = Path(settings.data_dir) if settings.data_dir is not None else None
    server = await asyncio.to_thread(EmbeddedServer.start, data_dir)
    _log.info("database.embedded", directory=str(server.directory))
    try:
        yield server.url
    finally:
        await asyncio.to_thread(server.release)


@asynccontextmanager
async def passing_database(directory: Path) -> AsyncIterator[EmbeddedServer]:
    """An empty embedded database while the block runs; one that a crash left is removed first."""
    starting = asyncio.create_task(asyncio.to_thread(_start_server, directory))
    try:
        server = await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.to_thread(_remove, directory, await starting)
        raise
    try:
        yield server
    finally:
        await asyncio.to_thread(_remove, directory, server)


def _start_server(directory: Path) -> EmbeddedServer:
    if directory.exists():
        # A server whose users were all killed is found running here, and stopped.
        _remove(directory, EmbeddedServer.start(directory, durable=False))
    return EmbeddedServer.start(directory, durable=False)


def _remove(directory: Path, server: EmbeddedServer) -> None:
    server.release()
    shutil.rmtree(directory, ignore_errors=True)
