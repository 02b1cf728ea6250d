"""Who leads, as everybody may read it; ``writing.lease`` says how it comes about."""

from datetime import datetime

import msgspec

from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

LEASE_NAME = "live"
"""The lease of the one worker that writes."""


class LeaseState(msgspec.Struct, frozen=True, kw_only=True):
    """A lease as it stands; ``is_live`` by the database's clock at the time of reading."""

    name: str
    holder: str
    epoch: int
    expires_at: datetime
    is_live: bool


async def current_lease(connection: Connection, name: str = LEASE_NAME) -> LeaseState | None:
    """The lease; None when nobody ever held it."""
    row = await queries.lease_current(connection, name=name)
    if row is None or row["epoch"] == 0:
        return None
    return LeaseState(**dict(row))
