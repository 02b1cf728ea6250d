"""Who leads: holding the lease, renewing it, and stepping down when it is lost.

::

    STANDBY ── lease free or expired: acquire (epoch + 1) ──> LEADER ── stop: release ──> STANDBY
       ^                                                        │
       └─ renewal refused, or not possible for most of the TTL ─┘

A leader that cannot renew steps down by itself before its lease ends; should it write all the same,
the fence in every writing transaction refuses.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import structlog

from darkhorses.store.errors import LeaseLostError, StoreError
from darkhorses.store.lease import Scope
from darkhorses.store.pool import Database
from darkhorses.store.writing import lease as leases
from darkhorses.store.writing.lease import TTL, Lease

_log = structlog.get_logger("darkhorses.worker")

_RENEW_EVERY = 2.0
_TRY_EVERY = 0.5
_STEP_DOWN_AFTER = 6.0
_ACQUIRE_PATIENCE = TTL + timedelta(seconds=2)


class Leadership:
    """Keeps trying to lead; ``on_gain`` and ``on_loss`` are awaited as it comes and goes.

    What it leads in is said by the ``scope``: the regions, or what is done once for all.
    """

    def __init__(
        self,
        database: Database,
        holder: str,
        *,
        scope: Scope,
        on_gain: Callable[[Lease], Awaitable[None]],
        on_loss: Callable[[], Awaitable[None]],
    ) -> None:
        self._database = database
        self._holder = holder
        self._scope = scope
        self._on_gain = on_gain
        self._on_loss = on_loss
        self._lease: Lease | None = None
        self._database_away = False
        self._lost = asyncio.Event()

    @property
    def lease(self) -> Lease | None:
        """The lease while it is held."""
        return self._lease

    def step_down(self, name: str | None = None) -> None:
        """Say that a write under the lease of that name was refused: another worker leads."""
        if name in (None, self._scope.name):
            self._lost.set()

    async def run(self) -> None:
        """Lead whenever possible, until cancelled; the lease is released on the way out."""
        try:
            while True:
                lease = await self._acquire()
                if lease is None:
                    await asyncio.sleep(_TRY_EVERY)
                    continue
                await self._lead(lease)
        finally:
            await self._release()

    async def _acquire(self) -> Lease | None:
        try:
            async with self._database.transaction(
                statement_timeout=TTL, patience=_ACQUIRE_PATIENCE
            ) as connection:
                lease = await leases.acquire(
                    connection, self._scope.name, self._holder, duties=self._scope.duties
                )
        except StoreError as error:
            self._note_database(str(error))
            return None
        self._note_database(None)
        return lease

    async def _lead(self, lease: Lease) -> None:
        self._lease = lease
        self._lost.clear()
        _log.info("lease.acquired", lease=lease.name, holder=self._holder, epoch=lease.epoch)
        try:
            await self._on_gain(lease)
            await self._keep(lease)
        finally:
            await self._on_loss()
        _log.warning("lease.lost", lease=lease.name, holder=self._holder, epoch=lease.epoch)
        self._lease = None

    async def _keep(self, lease: Lease) -> None:
        """Renew until the lease is lost."""
        renewed = time.monotonic()
        while time.monotonic() - renewed < _STEP_DOWN_AFTER:
            # Not wait_for: before Python 3.12 it swallows a cancellation that comes with the loss.
            with suppress(TimeoutError):
                async with asyncio.timeout(_RENEW_EVERY):
                    await self._lost.wait()
                return
            asked = time.monotonic()
            try:
                async with (
                    asyncio.timeout(_STEP_DOWN_AFTER - (asked - renewed)),
                    self._database.transaction(
                        statement_timeout=TTL / 2, patience=TTL / 2
                    ) as connection,
                ):
                    await leases.renew(connection, lease)
            except LeaseLostError:
                return
            except (StoreError, TimeoutError) as error:
                self._note_database(str(error) or "no answer in time")
            else:
                self._note_database(None)
                renewed = asked

    async def _release(self) -> None:
        if self._lease is None:
            return
        lease, self._lease = self._lease, None
        try:
            async with asyncio.timeout(1), self._database.transaction() as connection:
                await leases.release(connection, lease)
        except (StoreError, TimeoutError) as error:
            _log.warning("lease.release_failed", error=str(error))
        else:
            _log.info("lease.released", lease=lease.name, holder=self._holder, epoch=lease.epoch)

    def _note_database(self, error: str | None) -> None:
        """Log once when the database goes away, and once when it is back."""
        if error is not None and not self._database_away:
            _log.error("database.unavailable", error=error, then="waiting for it")
        elif error is None and self._database_away:
            _log.info("database.back")
        self._database_away = error is not None
