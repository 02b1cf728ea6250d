"""Races that are over, as they are kept and told."""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from darkhorses.domain.history import HistoricalRow
from darkhorses.domain.identifiers import CourseId, HorseId, RaceId


class StoredHistoricalRow(HistoricalRow, frozen=True, kw_only=True):
    """A row of historical odds, a runner of a race that is over; prices are decimal odds.

    ``race_time`` is London's clock, ``weight`` stones and pounds. ``opening_price``,
    ``closing_price``, ``pre_race_min``, ``pre_race_max`` and ``forecasted_odds`` are over all
    bookmakers without exchanges; ``data_source`` says where they come from: our own log of
    changes, the card, or nothing but the result. ``sp_win_return`` is returned for 1 staked at
    SP, ``place_return`` for 1 on the place, ``ew_return`` for 1 each way (2 staked), stakes
    included; null where there is no place betting. ``winning_distance`` is lengths behind the
    winner (for the winner, ahead of the second), ``match_timestamp`` when card and result were
    joined. The feed knows nothing in running: ``ip_min`` and ``ip_max`` are null.
    """

    ip_min: Decimal | None = None
    ip_max: Decimal | None = None
    match_timestamp: datetime | None = None
    created_at: datetime
    updated_at: datetime


class StoredResult(msgspec.Struct, frozen=True, kw_only=True):
    """A race that has a result; ``runners_count`` horses ran.

    ``non_runners`` is the feed's free text, ``tote`` its dividends by their name;
    ``is_provisional`` says that it may still be amended.
    """

    race_id: RaceId
    race_date: date
    off_dt: datetime
    region: str
    course_id: CourseId
    course: str
    race_name: str
    race_class: str | None
    race_type: str | None
    pattern: str | None
    distance: str | None
    distance_f: Decimal | None
    going: str | None
    surface: str | None
    age_band: str | None
    rating_band: str | None
    is_handicap: bool
    runners_count: int
    winning_time: str | None
    comments: str | None
    non_runners: str | None
    tote: dict[str, str]
    is_provisional: bool
    created_at: datetime
    updated_at: datetime


class StoredWinner(msgspec.Struct, frozen=True, kw_only=True):
    """A horse that won, or shared the win; with its starting price."""

    race_id: RaceId
    horse_id: HorseId
    horse_name: str
    horse_number: int | None
    jockey: str | None
    trainer: str | None
    industry_sp: Decimal | None
    industry_sp_fractional: str | None
    sp_favorite_mark: str | None
