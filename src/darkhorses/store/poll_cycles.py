"""Poll cycles: what each look at the whole card found."""

from datetime import datetime

import msgspec

from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


class PollCycle(msgspec.Struct, frozen=True, kw_only=True):
    """One poll cycle; counts are of what the feed sent, ``fetch_duration_ms`` milliseconds."""

    fetch_timestamp: datetime
    races_count: int
    horses_count: int
    bookmakers_found: int
    total_odds_fetched: int
    changed_count: int
    bookmaker_list: tuple[str, ...]
    fetch_duration_ms: int
    errors_count: int


async def latest_poll_cycle(connection: Connection) -> PollCycle | None:
    """The last poll cycle, or None before the first."""
    row = await queries.latest_poll_cycle(connection)
    if row is None:
        return None
    return PollCycle(**{**dict(row), "bookmaker_list": tuple(row["bookmaker_list"])})
