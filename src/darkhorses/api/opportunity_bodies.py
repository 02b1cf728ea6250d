"""The bodies of opportunities; chances and values are numbers of 6 places, 1 is 100 %."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec
from msgspec import UNSET, UnsetType


class Kind(StrEnum):
    """The kinds of opportunities."""

    BEST_BOOK = "best_book"
    EXTRA_PLACES = "extra_places"
    EACH_WAY = "each_way"
    PLACE_BOUNDARY = "place_boundary"


class OfferedRace(msgspec.Struct, frozen=True, kw_only=True):
    """The race of an opportunity.

    ``age_seconds`` is how long ago the feed was last asked about it, ``feed_refreshed_at`` when the
    feed itself last refreshed its odds, where it says so.
    """

    race_id: str
    race_date: date
    race_time: str
    off_dt: datetime
    course: str
    region: str
    race_name: str
    is_handicap: bool
    runners: int
    minutes_until: int
    checked_at: datetime
    age_seconds: int
    feed_refreshed_at: datetime | None


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One runner of a best book, at the price of all these ``bookmakers``.

    ``changed_at`` is when the price last changed, at that of them where it is the oldest.
    """

    horse_id: str
    horse_name: str
    bookmakers: tuple[str, ...]
    odds_decimal: Decimal
    odds_fractional: str | None
    stake: Decimal
    changed_at: datetime
    price_age_seconds: int


class BestBookRow(OfferedRace, frozen=True, kw_only=True):
    """A best book under 100 %.

    ``percentage`` is the sum of 1/price in percent, ``margin`` what 1 staked gains before rounding
    to pennies; ``returned`` comes back whoever wins, ``profit`` is what is left of it.
    """

    percentage: float
    margin: float
    staked: Decimal
    returned: Decimal
    profit: Decimal
    legs: tuple[Leg, ...]


class ExtraPlacesRow(OfferedRace, frozen=True, kw_only=True):
    """A bookmaker's better each-way terms; the standard ones are null where only winning pays."""

    bookmaker_id: str
    bookmaker_name: str
    ew_places: int
    ew_denom: int
    standard_places: int | None
    standard_denom: int | None
    extra_places: int
    smaller_fraction: bool


class EachWayRow(OfferedRace, frozen=True, kw_only=True):
    """A bet each way that pays by fair chances.

    ``value`` is the gain expected of 1 staked in halves on win and place; ``win_value`` and
    ``place_value`` of 1 staked on that part. ``fair_books`` whole books made the chances.
    """

    horse_id: str
    horse_name: str
    bookmaker_id: str
    bookmaker_name: str
    odds_decimal: Decimal
    odds_fractional: str | None
    ew_places: int
    ew_denom: int
    changed_at: datetime
    price_age_seconds: int
    win_chance: float
    place_chance: float
    win_value: float
    place_value: float
    value: float
    fair_books: int


class PlaceBoundaryRow(OfferedRace, frozen=True, kw_only=True):
    """A race whose standard terms one more non-runner changes; null: only winning would pay."""

    places: int
    denom: int
    places_after: int | None
    denom_after: int | None
    warning: str


class BestBooks(msgspec.Struct, frozen=True, kw_only=True):
    """Best books under 100 %, the lowest first; ``total`` were found."""

    method: str
    total: int
    data: tuple[BestBookRow, ...]


class ExtraPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """Better terms, those with most extra places first; ``total`` were found."""

    method: str
    total: int
    data: tuple[ExtraPlacesRow, ...]


class EachWayEdges(msgspec.Struct, frozen=True, kw_only=True):
    """Each-way edges, the largest first; ``total`` were found."""

    method: str
    total: int
    data: tuple[EachWayRow, ...]


class PlaceBoundaries(msgspec.Struct, frozen=True, kw_only=True):
    """Place boundaries by off time; ``total`` were found."""

    method: str
    total: int
    data: tuple[PlaceBoundaryRow, ...]


class Opportunities(msgspec.Struct, frozen=True, kw_only=True):
    """What the races that are to come offer, each kind with how it was worked out.

    ``races`` were looked at; ``left_out`` were not, as they are stale or were looked at too long
    ago. A ``kind`` that was not asked for is left out.
    """

    success: bool
    races: int
    left_out: int
    checked_at: datetime | None
    best_book: BestBooks | UnsetType = UNSET
    extra_places: ExtraPlaces | UnsetType = UNSET
    each_way: EachWayEdges | UnsetType = UNSET
    place_boundary: PlaceBoundaries | UnsetType = UNSET
