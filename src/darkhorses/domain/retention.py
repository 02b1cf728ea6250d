"""Which months of the change log are made ahead, and which are kept no longer.

A month is named by its first day. Race days are London's.
"""

from collections.abc import Collection
from datetime import date
from pathlib import Path

import msgspec

MADE_AHEAD = 2
"""So many months after the present one have a partition already."""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long the change log is kept: the present month and ``months`` whole ones before it.

    An older month is dropped once it stands in a file in ``drop_into``; without such a folder it
    is detached: left as a table of its own, which no reader of the log sees.
    """

    months: int
    drop_into: Path | None = None


def month_of(day: date, shift: int = 0) -> date:
    """The first day of a day's month, or of one so many months later (or, negative, earlier)."""
    months = day.year * 12 + day.month - 1 + shift
    return date(months // 12, months % 12 + 1, 1)


def months_to_make(
    today: date, in_default: Collection[date], retention: Retention | None
) -> list[date]:
    """The present month, those ahead, and those that lie in the default partition, in order.

    What is kept no longer is not made for it.
    """
    ahead = {month_of(today, shift) for shift in range(MADE_AHEAD + 1)}
    return sorted(
        ahead | {month for month in in_default if not is_expired(month, today, retention)}
    )


def is_expired(month: date, today: date, retention: Retention | None) -> bool:
    """Whether a month is kept no longer; without a retention none ever is."""
    return retention is not None and month < month_of(today, -retention.months)
