"""How collecting went of late, step by step."""

from datetime import datetime, timedelta

import msgspec

from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


class PollHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The looks at the whole card of a step of time that begins at ``begins_at`` (UTC).

    Durations are from asking to the last answer understood, in milliseconds.
    """

    begins_at: datetime
    looks: int
    looks_with_errors: int
    changes: int
    median_ms: int
    longest_ms: int


async def poll_health(
    connection: Connection, since: datetime, step: timedelta
) -> dict[datetime, PollHealth]:
    """The steps since an instant that had any look, by their beginning."""
    rows = queries.poll_health(connection, since=since, step=step)
    return {row["begins_at"]: PollHealth(**dict(row)) async for row in rows}
