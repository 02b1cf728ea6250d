"""The bodies of the REST API, field by field; instants are ISO 8601 in UTC, prices numbers."""

from datetime import date, datetime
from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType

from darkhorses.domain.board import FavouriteMark
from darkhorses.domain.bookmakers import BookmakerType
from darkhorses.domain.races import MarketStatus
from darkhorses.domain.stages import Stage


class LiveOddsRow(msgspec.Struct, frozen=True, kw_only=True):
    """One bookmaker's live price on one runner, with the facts of its race.

    ``race_time`` is London's clock, ``weight`` pounds, ``runners`` the number that are to run,
    ``fetched_at`` when this price was first seen, ``checked_at`` when the feed was last asked
    about the race; ``stale`` says that this is too long ago.
    """

    race_id: str
    race_date: date
    race_time: str
    off_dt: datetime
    course: str
    region: str
    race_name: str
    race_class: str | None
    race_type: str | None
    distance: str | None
    going: str | None
    runners: int
    horse_id: str
    horse_name: str
    horse_number: int | None
    is_non_runner: bool
    jockey: str | None
    trainer: str | None
    draw: int | None
    weight: int | None
    age: int | None
    form: str | None
    bookmaker_id: str
    bookmaker_name: str
    bookmaker_type: BookmakerType
    odds_decimal: Decimal | None
    odds_fractional: str | None
    ew_places: int | None
    ew_denom: int | None
    market_status: MarketStatus
    in_play: bool
    odds_timestamp: datetime | None
    fetched_at: datetime
    updated_at: datetime
    checked_at: datetime
    stale: bool


class LiveOdds(msgspec.Struct, frozen=True, kw_only=True):
    """A page of live odds by off time, saddle-cloth number and bookmaker.

    ``count`` rows are in this page, ``total`` match; ``checked_at`` is the oldest last look at a
    race of this page that is not over.
    """

    success: bool
    count: int
    total: int
    limit: int
    offset: int
    race_date: date
    checked_at: datetime | None
    stale: bool
    data: tuple[LiveOddsRow, ...]


class Offer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one bookmaker or exchange offers on a runner."""

    bookmaker: str
    odds_fractional: str | None
    odds_decimal: Decimal
    bookmaker_type: BookmakerType


class RunnerPrices(msgspec.Struct, frozen=True, kw_only=True):
    """A runner with its best bookmaker price (exchanges apart) and every price on offer.

    ``best_bookmaker`` is one of ``best_bookmakers``, who all offer the best price;
    ``favorite_mark`` is F, JF (two) or CF (more) for those of the shortest price.
    """

    horse_id: str
    horse_name: str
    horse_number: int | None
    draw: int | None
    jockey: str | None
    trainer: str | None
    best_odds_decimal: Decimal | None
    best_odds_fractional: str | None
    best_bookmaker: str | None
    best_bookmakers: tuple[str, ...]
    is_favorite: bool
    favorite_rank: int | None
    favorite_mark: FavouriteMark | None
    all_odds: tuple[Offer, ...] | UnsetType = UNSET


class AbsentRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A horse that has no place in the market: ``reason`` is ``non_runner`` or ``reserve``."""

    horse_id: str
    horse_name: str
    horse_number: int | None
    reason: str
    non_runner_at: datetime | None


class RaceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a race is; ``race_time`` is London's clock."""

    race_id: str
    race_date: date
    race_time: str
    off_dt: datetime
    course: str
    region: str
    race_name: str
    race_class: str | None
    race_type: str | None
    distance: str | None
    going: str | None
    prize: str | None
    race_status: str | None
    is_abandoned: bool


class RaceSummary(RaceFacts, frozen=True, kw_only=True):
    """A race and where it stands.

    ``minutes_until`` counts whole minutes to the scheduled off and is negative past it;
    ``last_updated`` is when a price last changed, ``checked_at`` when the feed was last asked.
    """

    is_over: bool
    runners: int
    stage: Stage
    minutes_until: int
    last_updated: datetime
    checked_at: datetime
    stale: bool


class StageRace(RaceSummary, frozen=True, kw_only=True):
    """A race with its runners, favourites first, and the stage that it enters next, if any."""

    next_phase: Stage | None
    next_phase_name: str | None
    next_phase_time: datetime | None
    next_phase_minutes: int | None
    runners_data: tuple[RunnerPrices, ...]
    absent_runners: tuple[AbsentRunner, ...]


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """Races by stage, each by off time."""

    at_post: tuple[StageRace, ...]
    going_to_post: tuple[StageRace, ...]
    pre_race: tuple[StageRace, ...]
    early_market: tuple[StageRace, ...]


class RacesByStage(msgspec.Struct, frozen=True, kw_only=True):
    """All races that are not over; ``timestamp`` is when this body was made."""

    success: bool
    stages: Stages
    total_races: int
    timestamp: datetime
    checked_at: datetime | None
    stale: bool


class UpcomingRaces(msgspec.Struct, frozen=True, kw_only=True):
    """Races that go off within ``hours_ahead`` hours, by off time."""

    success: bool
    count: int
    hours_ahead: float
    checked_at: datetime | None
    stale: bool
    data: tuple[RaceSummary, ...]


class NextRace(msgspec.Struct, frozen=True, kw_only=True):
    """The next scheduled off, and today's races (London).

    ``current_interval`` is how often, in seconds, the most urgent race is looked at now.
    """

    success: bool
    next_race: RaceSummary | None
    races_today: tuple[RaceSummary, ...]
    total_races_today: int
    races_finished: int
    races_upcoming: int
    current_interval: int | None
    checked_at: datetime | None
    stale: bool


class BookmakerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A bookmaker or exchange; ``active`` is False once it has quoted nothing for long."""

    bookmaker_id: str
    bookmaker_name: str
    bookmaker_type: BookmakerType
    active: bool
    last_quoted_at: datetime | None
    created_at: datetime


class Bookmakers(msgspec.Struct, frozen=True, kw_only=True):
    """Every bookmaker and exchange ever seen, by name."""

    success: bool
    count: int
    data: tuple[BookmakerRow, ...]


class CourseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A racecourse; ``region_code`` is the feed's: gb, ire, …."""

    course_id: str
    course: str
    region_code: str
    region: str


class Courses(msgspec.Struct, frozen=True, kw_only=True):
    """Every known course, by region and name."""

    success: bool
    count: int
    data: tuple[CourseRow, ...]
