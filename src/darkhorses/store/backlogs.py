"""What is left to do and who leads, in two small questions."""

from datetime import date, datetime

import msgspec

from darkhorses.store.lease import LeaseState, wanted_leases
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

MOST_MESSAGES = 100_000
"""Messages of webhooks are counted up to so many."""


class Backlogs(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to do from a race day on, the newest look at the whole card, and the leases.

    ``leases`` are those that are wanted; ``race_days_missing`` are days of a region.
    """

    last_card_at: datetime | None
    leases: tuple[LeaseState, ...]
    race_days_missing: int
    gap_repairs_pending: int
    messages_pending: int
    messages_dead: int
    webhooks_dead: int


async def backlogs(connection: Connection, first_day: date) -> Backlogs:
    """What is left to do."""
    row = await queries.backlogs(connection, first_day=first_day, most=MOST_MESSAGES)
    return Backlogs(**dict(row), leases=tuple(await wanted_leases(connection)))
