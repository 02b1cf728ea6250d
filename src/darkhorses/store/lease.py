"""Who leads, as everybody may read it; ``writing.lease`` says how it comes about.

A lease is for duties: collecting some regions, and what is done once for all of them (statistics,
webhooks, months of the change log). A worker of all regions has one lease, ``live``, for
everything. Where regions are split, each set of them has a lease of its own, ``live:gb``, and what
is done once is under another, ``once``, which any of those workers may hold beside its own.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import msgspec

from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

LIVE = "live"
"""The lease of a worker of all regions: nobody else does anything beside it."""

ONCE = "once"
"""The duty, and the lease, of what is done once for all regions."""

ALL_REGIONS = frozenset({"gb", "ire"})

_MISSED_FOR = timedelta(days=1)


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """A lease by its name, and what its holder alone does."""

    name: str
    duties: tuple[str, ...]


class LeaseState(msgspec.Struct, frozen=True, kw_only=True):
    """A lease as it stood at ``read_at``, by the database's clock.

    ``taken_at`` is None when a worker of an earlier version took it.
    """

    name: str
    holder: str
    epoch: int
    expires_at: datetime
    is_live: bool
    duties: tuple[str, ...]
    taken_at: datetime | None
    read_at: datetime

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that its holder collects."""
        return tuple(duty for duty in self.duties if duty != ONCE)


DONE_ONCE = Scope(name=ONCE, duties=(ONCE,))
"""The lease of what is done once, beside those of split regions."""


def collecting(regions: Collection[str]) -> Scope:
    """The lease for collecting some regions; for all of them it is for what is done once, too."""
    duties = tuple(sorted(set(regions)))
    if set(duties) >= ALL_REGIONS:
        return Scope(name=LIVE, duties=(*duties, ONCE))
    return Scope(name=f"{LIVE}:{'+'.join(duties)}", duties=duties)


def is_for_everything(scope: Scope) -> bool:
    """Whether its holder has no need of another lease."""
    return ONCE in scope.duties


def missed_duties(
    leases: Iterable[LeaseState], *, for_at_least: timedelta = timedelta()
) -> tuple[str, ...]:
    """What was somebody's duty within the last day and is nobody's now; from ``wanted_leases``.

    With ``for_at_least``, not what ended a moment ago: a takeover may be on its way.
    """
    wanted: set[str] = set()
    done: set[str] = set()
    for lease in leases:
        if lease.is_live:
            done.update(lease.duties)
        elif lease.read_at - lease.expires_at >= for_at_least:
            wanted.update(lease.duties)
    return tuple(sorted(wanted - done))


async def current_lease(connection: Connection, name: str = LIVE) -> LeaseState | None:
    """The lease; None when nobody ever held it."""
    row = await queries.lease_current(connection, name=name)
    if row is None or row["epoch"] == 0:
        return None
    return _state(dict(row))


async def wanted_leases(connection: Connection) -> list[LeaseState]:
    """The leases that are held, and those that ended within a day and left a duty to nobody.

    Where none is, the one that ended last; none where nobody ever led.
    """
    rows = queries.leases_wanted(connection, missed_for=_MISSED_FOR)
    return [_state(dict(row)) async for row in rows]


async def live_leases(connection: Connection) -> list[LeaseState]:
    """The leases under which regions are being collected."""
    return [lease for lease in await wanted_leases(connection) if lease.is_live and lease.regions]


def _state(row: dict[str, object]) -> LeaseState:
    return msgspec.convert(row, LeaseState)
