"""Connections to PostgreSQL, few and without session state, so that they work through poolers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import asyncpg

from darkhorses.store.errors import DatabaseBusyError, database_errors
from darkhorses.tracing import span

# asyncpg's classes are generic in their stubs alone.
if TYPE_CHECKING:
    Connection = (
        asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    )
else:
    Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
"""What a repository's function takes."""

TRANSACTION_POOLER_PORT = 6543

PATIENCE = timedelta(seconds=60)
"""How long a borrowed connection may be kept; then it is cut, and whoever waits for it is told."""

_LAST_WORD = timedelta(seconds=1)

LONGEST_TURN = timedelta(seconds=10)
"""How long a question to a queued database waits for those before it."""


def is_transaction_pooler(url: str, pooler: str) -> bool:
    """Whether connections go through a transaction pooler; ``pooler`` is the setting."""
    if pooler == "auto":
        return urlsplit(url).port == TRANSACTION_POOLER_PORT
    return pooler == "transaction"


async def _keep_session(_connection: Connection) -> None:
    """Nothing to reset: no code of ours leaves session state behind."""


class Database:
    """A small pool of connections that are made when they are needed.

    Opening it connects nothing, so a database that is away is met by the first use, as
    DatabaseUnavailableError, and by every use until it is back.

    A network that swallows what it is given says nothing either, and no limit of the server's
    reaches through it. So each connection is lent for a time, its ``patience`` (None: for ever),
    and one whose borrower is cancelled has a second to let its statement go. Then it is cut.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", url: str) -> None:
        self._pool = pool
        self.url = url

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        max_connections: int,
        transaction_pooler: bool | None = None,
        application_name: str = "darkhorses",
        connect_timeout: timedelta = timedelta(seconds=5),
    ) -> Self:
        """Make the pool; ``transaction_pooler`` switches prepared statements off.

        None leaves it to the address's port.
        """
        if transaction_pooler is None:
            transaction_pooler = is_transaction_pooler(url, "auto")
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=max_connections,
            timeout=connect_timeout.total_seconds(),
            statement_cache_size=0 if transaction_pooler else 256,
            max_inactive_connection_lifetime=60,
            server_settings={"application_name": application_name},
            reset=_keep_session,
        )
        with database_errors():
            await pool
        return cls(pool, url)

    @property
    def connections(self) -> tuple[int, int, int]:
        """Connections that are in use, that are open, and that may be open."""
        is_open = self._pool.get_size()
        return is_open - self._pool.get_idle_size(), is_open, self._pool.get_max_size()

    def nearest(self) -> "Database":
        """The database for whoever reads over connections of its own: this one."""
        return self

    async def close(self) -> None:
        """Close every connection; those in use are cut."""
        self._pool.terminate()

    @asynccontextmanager
    async def connection(
        self, *, patience: timedelta | None = PATIENCE
    ) -> AsyncIterator[Connection]:
        """Borrow a connection for single statements."""
        with database_errors():
            async with self._acquired() as connection:
                with _cut_after(connection, patience):
                    try:
                        yield connection
                    except asyncio.CancelledError:
                        await _stop(connection, lambda: connection.execute("SELECT 1"))
                        raise

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Connection]:
        # asyncpg's own time limit makes a task of it, which turns of the loop are lost to.
        async with asyncio.timeout(10):
            connection = await self._pool.acquire()
        try:
            yield connection
        finally:
            await self._pool.release(connection)

    @asynccontextmanager
    async def statements(self, *, limit: timedelta) -> AsyncIterator[Connection]:
        """Borrow a connection for statements that are each a whole, without a transaction.

        One that is at work when their time is over is cancelled: DatabaseBusyError.
        """
        async with self.connection() as connection:
            try:
                async with asyncio.timeout(limit.total_seconds()):
                    yield connection
            except TimeoutError:
                raise DatabaseBusyError("the database did not answer in time") from None

    @asynccontextmanager
    async def snapshot(self, *, statement_timeout: timedelta) -> AsyncIterator[Connection]:
        """Borrow a connection that reads one state of the database; statements are limited."""
        async with (
            self.connection() as connection,
            _transaction(connection, isolation="repeatable_read", readonly=True),
        ):
            await _limit_statements(connection, statement_timeout)
            yield connection

    @asynccontextmanager
    async def transaction(
        self,
        *,
        statement_timeout: timedelta | None = None,
        patience: timedelta | None = PATIENCE,
    ) -> AsyncIterator[Connection]:
        """Borrow a connection in a transaction; each statement in it has a time limit."""
        with span("transaction"):
            async with self.connection(patience=patience) as connection, _transaction(connection):
                if statement_timeout is not None:
                    await _limit_statements(connection, statement_timeout)
                yield connection


class QueuedDatabase(Database):
    """A database's pool for those who ask one at a time, whoever they are.

    So they leave the other connections to whoever must not wait. Raises DatabaseBusyError when a
    turn does not come in time.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database._pool, database.url)  # noqa: SLF001  # the same pool
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def connection(
        self, *, patience: timedelta | None = PATIENCE
    ) -> AsyncIterator[Connection]:
        """Borrow a connection once it is one's turn."""
        try:
            async with asyncio.timeout(LONGEST_TURN.total_seconds()):
                await self._turn.acquire()
        except TimeoutError:
            raise DatabaseBusyError("other questions came first") from None
        try:
            async with super().connection(patience=patience) as connection:
                yield connection
        finally:
            self._turn.release()


@contextmanager
def _cut_after(connection: Connection, patience: timedelta | None) -> Iterator[None]:
    """Cut a connection that is kept for too long; whoever waits for it gets an error."""
    if patience is None:
        yield
        return
    loop = asyncio.get_running_loop()
    timer = loop.call_later(patience.total_seconds(), connection.terminate)
    try:
        yield
    finally:
        timer.cancel()


async def _stop(connection: Connection, next_statement: Callable[[], Awaitable[object]]) -> None:
    """Have the server let go of a cancelled statement: the next one waits for that by itself."""
    errors = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
    with _cut_after(connection, _LAST_WORD), suppress(*errors):
        await next_statement()


@asynccontextmanager
async def _transaction(connection: Connection, **options: Any) -> AsyncIterator[None]:
    """A transaction as asyncpg's own, but that the end of a cancelled one is not waited for."""
    transaction = connection.transaction(**options)
    try:
        await transaction.start()
    except asyncio.CancelledError:
        # It may have begun all the same, and asyncpg would say so when the connection comes back.
        connection.terminate()
        raise
    try:
        yield
    except asyncio.CancelledError:
        await _stop(connection, transaction.rollback)
        raise
    except BaseException:
        await transaction.rollback()
        raise
    await transaction.commit()


async def _limit_statements(connection: Connection, timeout: timedelta) -> None:
    await connection.execute(
        "SELECT set_config('statement_timeout', $1, true)",
        str(int(timeout / timedelta(milliseconds=1))),
    )
