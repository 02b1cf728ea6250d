"""Races, their runners and the quotes on them, as one look at the feed shows them."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import BookmakerId, CourseId, HorseId, RaceId
from darkhorses.domain.prices import Price


class MarketStatus(StrEnum):
    """Whether a price can be taken."""

    OPEN = "OPEN"
    SUSPENDED = "SUSPENDED"


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """A racecourse; ``region_code`` is ``gb``, ``ire`` or another of the feed's codes."""

    course_id: CourseId
    course: str
    region_code: str
    region: str


class Race(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a race.

    ``race_date`` is the race day in London, ``off_dt`` the scheduled off in UTC, ``off_time``
    London's 24-hour clock, ``distance_f`` furlongs, ``field_size`` the feed's own count of
    runners (None or 0 before declarations), ``race_status`` ``entry``, ``declared``, ``result``
    or None. Source: the feed's racecard; empty texts are None.
    """

    race_id: RaceId
    race_date: date
    off_dt: datetime
    off_time: str
    course_id: CourseId
    course: str
    region: str
    race_name: str
    race_class: str | None = None
    race_type: str | None = None
    pattern: str | None = None
    distance: str | None = None
    distance_f: Decimal | None = None
    going: str | None = None
    surface: str | None = None
    age_band: str | None = None
    rating_band: str | None = None
    prize: str | None = None
    field_size: int | None = None
    race_status: str | None = None
    is_abandoned: bool = False


class Runner(msgspec.Struct, frozen=True, kw_only=True):
    """A runner as declared.

    ``horse_number`` is the saddle-cloth number (None for a non-runner that lost it: the store
    keeps the one it had), ``draw`` None where there is no draw, ``weight_lbs`` pounds,
    ``jockey`` without the claim, ``jockey_claim_lbs`` pounds.
    """

    horse_id: HorseId
    horse_name: str
    horse_number: int | None = None
    draw: int | None = None
    jockey: str | None = None
    jockey_id: str | None = None
    jockey_claim_lbs: int | None = None
    trainer: str | None = None
    trainer_id: str | None = None
    age: int | None = None
    weight_lbs: int | None = None
    headgear: str | None = None
    form: str | None = None
    official_rating: int | None = None
    silk_url: str | None = None
    is_non_runner: bool = False
    is_reserve: bool = False


class Quote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One bookmaker's word on one runner; ``price`` None when it has none on offer.

    ``ew_places`` and ``ew_denom`` are its each-way terms (3 and 5: three places, a fifth the
    odds), None for win only and for exchanges.
    """

    price: Price | None
    ew_places: int | None = None
    ew_denom: int | None = None


QuoteKey = tuple[HorseId, BookmakerId]
"""What a quote is about, within a race."""


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the feed that cannot be understood, set aside with the reason.

    ``kind`` is ``race``, ``runner`` or ``quote``; ``payload`` is the JSON as received.
    """

    kind: str
    race_id: str | None
    horse_id: str | None
    reason: str
    payload: str


class QuotesSince(msgspec.Struct, frozen=True, kw_only=True):
    """Where a card's quotes differ from those of an earlier card, which have the same keys.

    ``quotes`` are that card's own, so that whoever holds them knows them again.
    """

    quotes: dict[QuoteKey, Quote]
    differing: tuple[QuoteKey, ...]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One race as one look at the feed shows it.

    ``quotes`` are of all runners; a runner in ``runners_without_odds`` came without any word on
    odds, so its last known quotes stand. ``whole`` is False when a runner was set aside: a
    runner that is missing then may be that one, so nothing may be concluded from its absence.
    ``refreshed_at`` is the feed's own refresh stamp of the odds. ``since`` spares a comparison
    with the earlier card that it names; it says nothing that ``quotes`` do not.
    """

    race: Race
    runners: dict[HorseId, Runner]
    quotes: dict[QuoteKey, Quote]
    runners_without_odds: frozenset[HorseId] = frozenset()
    whole: bool = True
    refreshed_at: datetime | None = None
    since: QuotesSince | None = None


class CardPage(msgspec.Struct, frozen=True, kw_only=True):
    """All races of one look at the feed, what had to be set aside, and who was quoted.

    ``missing`` counts races that the feed announced and did not send.
    """

    cards: tuple[Card, ...]
    bookmakers: dict[BookmakerId, Bookmaker]
    unreadable: tuple[Unreadable, ...] = ()
    missing: int = 0
