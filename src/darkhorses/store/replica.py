"""Reads about the past from a streaming replica, for as long as it is fresh enough.

How far the replica lags is measured by positions in the primary's log and one clock, ours: a
replica that has replayed what the primary had written at a moment is as old as that moment at most.
So a market at rest looks no older than it is, and no clock of a server matters.

::

    replica answers, lags no more than allowed  -> the replica
    replica away, lags more, or is none         -> the primary
    replica lags more and the primary is away   -> the replica: there is nothing newer to be had
    both away                                   -> DatabaseUnavailableError
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta

import msgspec
import structlog

from darkhorses.store.errors import DatabaseUnavailableError, StoreError
from darkhorses.store.pool import PATIENCE, Connection, Database, QueuedDatabase
from darkhorses.store.queries import queries

_log = structlog.get_logger("darkhorses.replica")

LOOK_EVERY = timedelta(seconds=1)
_LONGEST_LOOK = timedelta(seconds=5)
_REMEMBERED = 3600

read_as_of: ContextVar[datetime | None] = ContextVar("read_as_of", default=None)
"""In the task that reads: up to when (UTC) the replica that was read had everything; None when the
primary was."""


class ReplicaReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the replica is: ``as_of`` is the moment (UTC) up to which it has everything.

    ``reason`` says why it is not read, and is None while it is.
    """

    in_use: bool
    as_of: datetime | None
    reason: str | None


class Replica:
    """Watches a replica beside its primary, and says which of the two is to be read."""

    def __init__(
        self,
        primary: Database,
        replica: Database,
        *,
        clock: Callable[[], datetime],
        longest_lag: timedelta,
    ) -> None:
        self._primary = primary
        self.database = replica
        self._clock = clock
        self._longest_lag = longest_lag
        self._written: deque[tuple[int, datetime]] = deque(maxlen=_REMEMBERED)
        self._system: int | None = None
        self._as_of: datetime | None = None
        self._trouble: str | None = "it has not been looked at yet"
        self._primary_is_away = False
        self._said: str | None = None

    @property
    def as_of(self) -> datetime | None:
        """Up to when it has everything (UTC), as far as is known."""
        return self._as_of

    def is_to_be_read(self) -> bool:
        """Whether questions about the past go to it now."""
        return self.report().in_use

    def report(self) -> ReplicaReport:
        """How it is now."""
        reason = self._trouble or self._lag_trouble()
        return ReplicaReport(in_use=reason is None, as_of=self._as_of, reason=reason)

    def note_away(self, reason: str) -> None:
        """Say that it could not be read; it is not until it has been looked at again."""
        self._trouble = reason
        self._say()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY.total_seconds())

    async def look(self) -> None:
        """Compare the two once."""
        await self._look_at_primary()
        try:
            async with (
                asyncio.timeout(_LONGEST_LOOK.total_seconds()),
                self.database.connection() as connection,
            ):
                row = await queries.replica_position(connection)
        except (StoreError, TimeoutError) as error:
            self._trouble = str(error) or "it does not answer in time"
        else:
            self._note_position(row["system_identifier"], row["is_standby"], row["position"])
        self._say()

    async def _look_at_primary(self) -> None:
        asked_at = self._clock()
        try:
            async with (
                asyncio.timeout(_LONGEST_LOOK.total_seconds()),
                self._primary.connection() as connection,
            ):
                row = await queries.primary_position(connection)
        except (StoreError, TimeoutError):
            self._primary_is_away = True
            return
        self._primary_is_away = False
        if row["system_identifier"] != self._system:
            self._system = row["system_identifier"]
            self._written.clear()
        self._written.append((row["position"], asked_at))

    def _note_position(self, system: int, is_standby: bool, position: int | None) -> None:  # noqa: FBT001  # a row
        if not is_standby:
            self._trouble = "it is no standby: it takes writes of its own"
        elif self._system is not None and system != self._system:
            self._trouble = "it is a standby of another server than DATABASE_URL's"
        elif position is None:
            self._trouble = "it has not begun to follow"
        else:
            self._trouble = None
            while self._written and self._written[0][0] <= position:
                self._as_of = self._written.popleft()[1]

    def _lag_trouble(self) -> str | None:
        if self._as_of is None:
            return "how far it lags is not known yet"
        lag = self._clock() - self._as_of
        if lag <= self._longest_lag or self._primary_is_away:
            return None
        return f"it lags by {lag.total_seconds():.0f} s"

    def _say(self) -> None:
        """Log once when it stops being read, and once when it is read again."""
        reason = self.report().reason
        kind = None if reason is None else "lags" if reason.startswith("it lags") else reason
        if kind == self._said:
            return
        if reason is not None:
            _log.warning("replica.not_read", reason=reason, instead="the primary")
        else:
            _log.info("replica.read_again")
        self._said = kind


class PastDatabase(Database):
    """What questions about the past are asked: the replica or, where it will not do, the primary.

    Each of the two is asked one question at a time, as ``QueuedDatabase`` says.
    """

    def __init__(self, primary: QueuedDatabase, replica: Replica | None) -> None:
        super().__init__(primary._pool, primary.url)  # noqa: SLF001  # the same pool
        self._of_primary = primary
        self._of_replica = None if replica is None else QueuedDatabase(replica.database)
        self._replica = replica

    def nearest(self) -> Database:
        """The database that is to be read now."""
        if self._replica is not None and self._replica.is_to_be_read():
            read_as_of.set(self._replica.as_of)
            return self._replica.database
        return self

    @asynccontextmanager
    async def connection(
        self, *, patience: timedelta | None = PATIENCE
    ) -> AsyncIterator[Connection]:
        """Borrow a connection to the one or the other, which stays the same while it is held."""
        async with AsyncExitStack() as stack:
            yield await self._borrow(stack, patience)

    async def _borrow(self, stack: AsyncExitStack, patience: timedelta | None) -> Connection:
        replica = self._replica
        if replica is not None and self._of_replica is not None and replica.is_to_be_read():
            try:
                connection = await stack.enter_async_context(
                    self._of_replica.connection(patience=patience)
                )
            except DatabaseUnavailableError as error:
                replica.note_away(str(error))
            else:
                read_as_of.set(replica.as_of)
                return connection
        read_as_of.set(None)
        return await stack.enter_async_context(self._of_primary.connection(patience=patience))
