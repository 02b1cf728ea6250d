"""The bodies of statistics."""

from datetime import datetime
from enum import StrEnum

import msgspec

from darkhorses.domain.statistics import LiveFigures, Metric, PastFigures, TrendPoint


class StatisticsTable(StrEnum):
    """Which figures are wanted."""

    LIVE = "live"
    HISTORICAL = "historical"
    ALL = "all"


class StatisticsBlocks(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The figures; what was not asked for is left out."""

    live: LiveFigures | None = None
    historical: PastFigures | None = None


class StatisticsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics as of ``updated_at``.

    ``behind_changes`` is how many price changes have come since, at most: the live figures do not
    hold them yet.
    """

    success: bool
    updated_at: datetime
    behind_changes: int
    data: StatisticsBlocks


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """A headline figure over time, oldest first.

    Every run of the last two days is kept, the last of each hour for sixty, then of each day.
    """

    success: bool
    metric: Metric
    count: int
    data: tuple[TrendPoint, ...]
