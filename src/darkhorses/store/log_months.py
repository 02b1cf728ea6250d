"""Which months of the change log hold a stretch of it.

A change's number says nothing of its race's day: a repair of the 31st comes after the first prices
of the 1st. ``odds_log_months`` has the span of each month, written in the transaction that logs.
Who asks the log by numbers asks for these days, too: other months then need no look and no plan.
"""

from datetime import date

import msgspec

from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

LAST_CHANGE = 2**63 - 1
"""Above every change id there can be."""


class LogMonths(msgspec.Struct, frozen=True, kw_only=True):
    """Months by race day, from ``first_day`` to before ``end_day``, and their newest change.

    Every change of the stretch up to ``newest`` is of these days; later ones may have been logged
    since this was read, and be of any.
    """

    first_day: date
    end_day: date
    newest: int


async def months_with_changes(
    connection: Connection, *, after: int, until: int
) -> LogMonths | None:
    """The months of the changes above ``after``, up to and with ``until``; None without any."""
    row = await queries.months_with_changes(connection, after=after, until=until)
    return None if row is None else LogMonths(**dict(row))
