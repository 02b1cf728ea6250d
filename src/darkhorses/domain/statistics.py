"""The figures that statistics consist of, live and historical, and the headlines kept for trends.

Shares are of 1, money is per 1 staked; a figure is None where there was nothing to work it out
from. Windows are whole: race days in London, hours of the clock.
"""

from datetime import date, datetime, timedelta
from enum import StrEnum

import msgspec

from darkhorses.domain.bookmakers import BookmakerType

WINDOW_DAYS = 30
"""Race days that the league of bookmakers, the courses and the dates are counted over."""

HOURS_SHOWN = 48
"""Hours of price changes that are shown one by one."""

QUARANTINE_DAYS = 7
"""What was set aside and has not come for so long is counted no more."""

RUN_EVERY = timedelta(minutes=10)
"""How often statistics are brought up to date."""

_DIGITS = 4


def ratio(part: float, whole: float) -> float | None:
    """A part over its whole, rounded to four digits; None when there is no whole."""
    return round(float(part) / float(whole), _DIGITS) if whole else None


def rounded(value: float | None) -> float | None:
    """A mean, rounded to four digits."""
    return None if value is None else round(float(value), _DIGITS)


class LiveTotals(msgspec.Struct, frozen=True, kw_only=True):
    """The log of price changes: ``repaired_changes`` came later, out of the feed's histories.

    ``races_waiting`` are past their off and not measured yet, ``last_hour`` is the clock hour of
    the newest change.
    """

    total_changes: int
    pulled_prices: int
    repaired_changes: int
    first_hour: datetime | None
    last_hour: datetime | None
    races_measured: int
    races_waiting: int


class LiveActivity(msgspec.Struct, frozen=True, kw_only=True):
    """What happened lately, by hours of the clock, the present one included.

    Looks are those at the whole card in the last 24 hours, with their mean time in milliseconds.
    """

    changes_this_hour: int
    changes_last_24_hours: int
    changes_last_7_days: int
    looks_last_24_hours: int
    look_errors_last_24_hours: int
    mean_look_ms: float | None
    last_look_at: datetime | None


class LiveEntities(msgspec.Struct, frozen=True, kw_only=True):
    """Of how many there ever were prices."""

    races: int
    horses: int
    courses: int
    bookmakers: int


class CoverageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a bookmaker or exchange quotes now, in the races from today on that are not over.

    ``active_quotes`` are prices that can be taken, one a runner; ``coverage`` is their share of
    all runners.
    """

    bookmaker_id: str
    bookmaker_name: str
    bookmaker_type: BookmakerType
    races: int
    active_quotes: int
    coverage: float | None


class DateChanges(msgspec.Struct, frozen=True, kw_only=True):
    """A race day (London): races with prices and their price changes."""

    race_date: date
    races: int
    changes: int


class CourseChanges(msgspec.Struct, frozen=True, kw_only=True):
    """A course over the window: races with prices and their price changes."""

    course: str
    region: str
    races: int
    changes: int


class HourChanges(msgspec.Struct, frozen=True, kw_only=True):
    """An hour (UTC): price changes that took effect in it, and at how many bookmakers."""

    hour: datetime
    changes: int
    bookmakers: int


class QuarantineRow(msgspec.Struct, frozen=True, kw_only=True):
    """Pieces of the feed of one kind that were set aside, and how often they came."""

    kind: str
    records: int
    times_seen: int


class LiveQuality(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with what is live.

    ``runners_without_price`` have no price anywhere, ``stale_races`` were not looked at in time;
    both of races from today on that are not over. ``quarantined`` came in the last seven days.
    """

    runners: int
    runners_without_price: int
    stale_races: int
    quarantined: tuple[QuarantineRow, ...]


class MarketState(msgspec.Struct, frozen=True, kw_only=True):
    """The races from today (London) on by stage, and the quotes of those that are not over."""

    early_market: int
    pre_race: int
    going_to_post: int
    at_post: int
    over: int
    abandoned: int
    open_quotes: int
    suspended_quotes: int


class LeagueRow(msgspec.Struct, frozen=True, kw_only=True):
    """A bookmaker or exchange over the measured races of the window, at their scheduled offs.

    ``coverage`` is the share of all runners that it priced, ``best_share`` of its prices the share
    that nobody beat, ``mean_overround`` that of its ``complete_books``. Of the market moves of
    runners that it quoted (most bookmakers going the same way within ten minutes) it led
    ``led_share``, alone ``led_alone_share``, joined ``joined_share``; ``mean_lag_seconds`` counts
    from when most had moved, and is negative for who was ahead. ``changes_per_hour`` are changes
    of all its prices over the hours in which any price changed.
    """

    bookmaker_id: str
    bookmaker_name: str
    bookmaker_type: BookmakerType
    races: int
    runners_priced: int
    coverage: float | None
    best_share: float | None
    complete_books: int
    mean_overround: float | None
    shortened: int
    drifted: int
    market_moves: int
    led_share: float | None
    led_alone_share: float | None
    joined_share: float | None
    mean_lag_seconds: float | None
    changes_per_hour: float | None


class League(msgspec.Struct, frozen=True, kw_only=True):
    """Bookmakers, who priced most first, over the ``races`` from ``since`` on that were measured.

    ``mean_best_book`` is the mean of the sums of 1/best price, over races where all had one.
    """

    since: date
    races: int
    runners: int
    priced_runners: int
    market_moves: int
    mean_best_book: float | None
    bookmakers: tuple[LeagueRow, ...]


class LiveFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of the live odds.

    Dates and courses are those of ``window_days`` race days and all that are to come.
    """

    window_days: int
    basic_metrics: LiveTotals
    recent_activity: LiveActivity
    unique_entities: LiveEntities
    bookmaker_coverage: tuple[CoverageRow, ...]
    records_per_date: tuple[DateChanges, ...]
    course_distribution: tuple[CourseChanges, ...]
    data_quality: LiveQuality
    market_status: MarketState
    bookmaker_league: League
    changes_per_hour: tuple[HourChanges, ...]


class PastTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Historical odds: a record is a runner of a past race, non-runners too."""

    total_records: int
    runners: int
    non_runners: int
    races: int
    races_run: int
    earliest_date: date | None
    latest_date: date | None


class PastActivity(msgspec.Struct, frozen=True, kw_only=True):
    """When past days were last read, and how their ledger stands (days of a region)."""

    last_read_at: datetime | None
    days: int
    days_complete: int
    days_with_gaps: int


class PastEntities(msgspec.Struct, frozen=True, kw_only=True):
    """How many were ever seen in a past race."""

    horses: int
    jockeys: int
    trainers: int
    courses: int


class PastDate(msgspec.Struct, frozen=True, kw_only=True):
    """A past race day: its races and records."""

    race_date: date
    races: int
    records: int


class CountryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A country's past races and their runners."""

    country: str
    races: int
    runners: int


class TrackRow(msgspec.Struct, frozen=True, kw_only=True):
    """A track's past races and their runners."""

    track: str
    country: str
    races: int
    runners: int


class PastQuality(msgspec.Struct, frozen=True, kw_only=True):
    """What runners of past races lack; ``without_prices`` have neither opening nor closing one."""

    runners: int
    without_result: int
    without_sp: int
    without_prices: int
    days_with_gaps: int


class OddsCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """Of the runners of past races the share that has each price.

    ``price_range`` is the pre-race minimum and maximum; ``from_change_log`` the share whose
    prices come from our own change log and not from a card.
    """

    industry_sp: float | None
    bsp: float | None
    opening_price: float | None
    closing_price: float | None
    price_range: float | None
    forecasted_odds: float | None
    from_change_log: float | None


class FavouriteFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How favourites by SP did, and the mean field, over some past races that were run.

    A race counts once: where favourites are joint, of which ``joint_races`` tell, the unit is
    staked on them in equal parts, and each counts for its part of a win; a dead heat is the share
    of a win that it pays. ``return_at_sp`` holds the stake: under 1 is a loss.
    """

    races: int
    joint_races: int
    strike_rate: float | None
    return_at_sp: float | None
    mean_field_size: float | None


class CourseFavourites(FavouriteFigures, frozen=True, kw_only=True):
    """How favourites did at a course."""

    course: str
    country: str


class ClassFavourites(FavouriteFigures, frozen=True, kw_only=True):
    """How favourites did in races of a class; None are those that have none, as in Ireland."""

    race_class: str | None


class Favourites(msgspec.Struct, frozen=True, kw_only=True):
    """How favourites by SP did, over all, by course, and by class, most races first."""

    overall: FavouriteFigures
    by_course: tuple[CourseFavourites, ...]
    by_class: tuple[ClassFavourites, ...]


class FieldSizeRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many races were run with so many runners."""

    runners: int
    races: int


class PastFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of the historical odds; ``records_per_date`` are the newest thirty days."""

    basic_metrics: PastTotals
    recent_activity: PastActivity
    unique_entities: PastEntities
    records_per_date: tuple[PastDate, ...]
    country_distribution: tuple[CountryRow, ...]
    track_distribution: tuple[TrackRow, ...]
    data_quality: PastQuality
    odds_coverage: OddsCoverage
    favourites: Favourites
    field_sizes: tuple[FieldSizeRow, ...]


class Metric(StrEnum):
    """A headline figure of which every run is kept."""

    TOTAL_CHANGES = "total_changes"
    CHANGES_LAST_24_HOURS = "changes_last_24_hours"
    OPEN_QUOTES = "open_quotes"
    RUNNERS_WITHOUT_PRICE = "runners_without_price"
    STALE_RACES = "stale_races"
    QUARANTINED = "quarantined"
    MEAN_BEST_BOOK = "mean_best_book"
    HISTORICAL_RECORDS = "historical_records"
    DAYS_WITH_GAPS = "days_with_gaps"
    FAVOURITE_STRIKE_RATE = "favourite_strike_rate"
    FAVOURITE_RETURN = "favourite_return"


def headlines(live: LiveFigures, past: PastFigures) -> dict[Metric, float | None]:
    """The figures that are kept of a run."""
    overall = past.favourites.overall
    return {
        Metric.TOTAL_CHANGES: live.basic_metrics.total_changes,
        Metric.CHANGES_LAST_24_HOURS: live.recent_activity.changes_last_24_hours,
        Metric.OPEN_QUOTES: live.market_status.open_quotes,
        Metric.RUNNERS_WITHOUT_PRICE: live.data_quality.runners_without_price,
        Metric.STALE_RACES: live.data_quality.stale_races,
        Metric.QUARANTINED: sum(row.records for row in live.data_quality.quarantined),
        Metric.MEAN_BEST_BOOK: live.bookmaker_league.mean_best_book,
        Metric.HISTORICAL_RECORDS: past.basic_metrics.total_records,
        Metric.DAYS_WITH_GAPS: past.recent_activity.days_with_gaps,
        Metric.FAVOURITE_STRIKE_RATE: overall.strike_rate,
        Metric.FAVOURITE_RETURN: overall.return_at_sp,
    }


class TrendPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A headline figure as a run found it."""

    computed_at: datetime
    value: float
