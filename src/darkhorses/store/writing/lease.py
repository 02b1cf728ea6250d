"""The right to write: a lease on a row, with an epoch that fences off whoever held it before.

Source of truth: ``worker_lease`` and the clock of the database; no worker's clock is asked. It is
a row and no advisory lock, because advisory locks belong to sessions and transaction poolers share
sessions out: two workers would both have one.

::

                acquire: epoch + 1                 renew: same epoch, expiry put off
      ┌──────┐ ──────────────────────> ┌──────┐ ──────────────────────────────────┐
      │ free │                         │ held │ <─────────────────────────────────┘
      └──────┘ <────────────────────── └──────┘
          ^     release, or not renewed    │
          │     for the time to live       │ somebody else acquires after the expiry
          │                                v
          │                            ┌──────┐  fence and renew: LeaseLostError,
          └─────────────────────────── │ lost │  nothing is written
             may acquire again, anew   └──────┘

Invariants:

- An epoch is given out once. It grows with every takeover, of this lease or of one that shares a
  duty with it, and with nothing else.
- Leases that share a duty are never live at once. Whoever takes one ends the epochs of those that
  expired, so that their holders can neither renew nor write; taking is one at a time.
- Every writing transaction fences itself first: it locks the row of its epoch FOR KEY SHARE.
  A takeover changes the key (name, epoch), so it waits until the transactions in flight have
  committed or rolled back; whoever fences after it finds no row. So no write of an older epoch
  becomes visible after the first read of a newer one.
- Renewing changes no key column and waits for nobody; nor does asking for a lease that is live.
- Holders of leases that share no duty write at the same time, but one at a time adds to the market:
  it has the turn from before it takes a number until its transaction ends, so numbers of
  revisions and of the change log follow the order of commits over all workers.
- A writer that is stopped in the middle of a transaction cannot hold a takeover off for ever:
  the fence limits its statements, its silence and the whole of it, and the database cuts it off.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import msgspec

from darkhorses.store.errors import LeaseLostError
from darkhorses.store.lease import ALL_REGIONS, LIVE, collecting
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries

TTL = timedelta(seconds=8)
"""How long a lease lives without being renewed."""

_ACQUIRE_WAIT = "5s"
_IDLE_LIMIT = "5s"
_STATEMENT_LIMIT = "30s"
_LOCK_LIMIT = "5s"
_WHOLE_LIMIT = "60s"


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that was acquired; it may have been lost since."""

    name: str
    holder: str
    epoch: int


async def acquire(
    connection: Connection,
    name: str,
    holder: str,
    ttl: timedelta = TTL,
    *,
    duties: Collection[str] | None = None,
) -> Lease | None:
    """Take a lease that is free or expired; None while another holds it or is still writing.

    Also None while one of its ``duties`` is under another live lease; by default ``live`` is for
    all there are, and a lease of another name for none.
    """
    if duties is None:
        duties = collecting(ALL_REGIONS).duties if name == LIVE else ()
    mine = list(duties)
    try:
        async with connection.transaction():
            await queries.lease_limit_wait(connection, lock_timeout=_ACQUIRE_WAIT)
            await queries.lease_create(connection, name=name)
            if await queries.lease_is_in_the_way(connection, name=name, duties=mine):
                return None
            # Everybody takes this before rows of leases, so that no two wait for each other.
            await queries.lease_choose_alone(connection)
            # Locked first and given its expiry after: the wait is not to use the time up.
            if await queries.lease_lock_expired(connection, name=name) is None:
                return None
            await queries.lease_end_overlapping(connection, name=name, duties=mine)
            # One that its holder renewed meanwhile was not ended.
            if await queries.lease_is_in_the_way(connection, name=name, duties=mine):
                return None
            row = await queries.lease_take(
                connection, name=name, holder=holder, ttl=ttl, duties=mine
            )
            return Lease(**dict(row))
    except asyncpg.LockNotAvailableError:
        return None


async def renew(connection: Connection, lease: Lease, ttl: timedelta = TTL) -> None:
    """Put the expiry off; raises LeaseLostError when another has taken the lease."""
    row = await queries.lease_renew(
        connection, name=lease.name, holder=lease.holder, epoch=lease.epoch, ttl=ttl
    )
    if row is None:
        raise _lost(lease)


async def release(connection: Connection, lease: Lease) -> None:
    """Free the lease at once for others; nothing happens when it is lost already."""
    await queries.lease_release(connection, name=lease.name, holder=lease.holder, epoch=lease.epoch)


async def fence(connection: Connection, lease: Lease) -> None:
    """Begin a writing transaction: nobody takes over before it ends.

    Raises LeaseLostError when somebody already has. Limits the transaction: 30 s a statement, 5 s
    of silence, 5 s of waiting for a lock, 60 s in all.
    """
    held = await queries.lease_fence(
        connection,
        name=lease.name,
        epoch=lease.epoch,
        idle_timeout=_IDLE_LIMIT,
        statement_timeout=_STATEMENT_LIMIT,
        lock_timeout=_LOCK_LIMIT,
        transaction_timeout=_WHOLE_LIMIT,
    )
    if held is None:
        raise _lost(lease)


@asynccontextmanager
async def writing_transaction(database: Database, lease: Lease) -> AsyncIterator[Connection]:
    """A fenced transaction: it commits as a whole, under this lease, or not at all."""
    async with database.transaction() as connection:
        await fence(connection, lease)
        yield connection


async def take_turn(connection: Connection) -> None:
    """Wait until nobody else adds to the market, and keep others waiting until the end.

    For transactions that lock what writers of the market lock, before they do.
    """
    await queries.lease_take_turn(connection)


def _lost(lease: Lease) -> LeaseLostError:
    return LeaseLostError(
        f"{lease.holder} no longer holds the lease {lease.name!r} (epoch {lease.epoch}): "
        f"another worker leads",
        lease=lease.name,
    )
