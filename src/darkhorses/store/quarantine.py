"""What was set aside of the feed, and why; the pieces themselves stay in the database."""

from datetime import datetime

import msgspec

from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """A piece that could not be understood; ``kind`` is race, runner or quote."""

    kind: str
    race_id: str | None
    horse_id: str | None
    reason: str
    seen_count: int
    first_seen_at: datetime
    last_seen_at: datetime


async def latest_set_aside(connection: Connection, most: int) -> list[SetAside]:
    """The pieces seen last, the latest first."""
    return [SetAside(**dict(row)) async for row in queries.quarantine_latest(connection, most=most)]


async def count_set_aside(connection: Connection) -> int:
    """How many different pieces were set aside."""
    count: int = await queries.quarantine_count(connection)
    return count
