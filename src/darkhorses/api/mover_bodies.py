"""The bodies of movers; chances are 1/price in percent, points are percentage points of it."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec


class Window(StrEnum):
    """How far back a move is looked for; the morning begins at 08:00 in London."""

    FIVE_MINUTES = "5m"
    HOUR = "1h"
    MORNING = "morning"
    OPENING = "opening"


class Direction(StrEnum):
    """Steamers have shortened, drifters have lengthened."""

    STEAMERS = "steamers"
    DRIFTERS = "drifters"


class MoverBook(msgspec.Struct, frozen=True, kw_only=True):
    """One bookmaker's or exchange's price at both ends; ``began_at`` null: it has not followed."""

    bookmaker_id: str
    bookmaker_name: str
    odds_before: Decimal
    odds_after: Decimal
    points: float
    began_at: datetime | None


class Mover(msgspec.Struct, frozen=True, kw_only=True):
    """A runner that moved.

    ``points`` is above 0 for a steamer: the mean change of 1/price over the ``bookmakers``, who
    had a price at both ends, as the exchanges had. ``moved`` of them went its way. ``led`` went
    first, at ``began_at``; ``not_followed`` stand where they stood, or on the other side.
    ``withdrawn`` horses were found to be non-runners within the window: all others shorten then.
    """

    race_id: str
    race_date: date
    race_time: str
    off_dt: datetime
    course: str
    region: str
    race_name: str
    horse_id: str
    horse_name: str
    horse_number: int | None
    direction: Direction
    points: float
    chance_before: float
    chance_after: float
    best_before: Decimal
    best_after: Decimal
    began_at: datetime
    moved: int
    led: tuple[str, ...]
    not_followed: tuple[str, ...]
    withdrawn: int
    bookmakers: tuple[MoverBook, ...]
    exchanges: tuple[MoverBook, ...]
    checked_at: datetime
    stale: bool


class Movers(msgspec.Struct, frozen=True, kw_only=True):
    """The largest moves, the largest first; ``since`` is null for each bookmaker's own opening.

    ``count`` are in this answer, ``total`` were found.
    """

    success: bool
    window: Window
    since: datetime | None
    count: int
    total: int
    limit: int
    method: str
    checked_at: datetime | None
    stale: bool
    data: tuple[Mover, ...]
