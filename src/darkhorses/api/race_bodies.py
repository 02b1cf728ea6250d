"""The bodies under ``/api/races``; shares and chances are numbers of 6 places, 1 is 100 %."""

from datetime import date, datetime
from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType

from darkhorses.api.bodies import RaceFacts, RaceSummary, RunnerPrices
from darkhorses.domain.board import FavouriteMark
from darkhorses.domain.bookmakers import BookmakerType
from darkhorses.domain.repairs import RepairState
from darkhorses.domain.stages import Stage


class BoardCompleteness(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a race's bookmaker market there is; exchanges are not counted.

    ``possible`` is the runners in the market times the bookmakers that ever quoted the race,
    ``priced`` how many of these have a price, ``share`` the one out of the other.
    """

    bookmakers: int
    complete_bookmakers: int
    priced: int
    possible: int
    share: float | None
    unpriced_runners: tuple[str, ...]


class Favourite(msgspec.Struct, frozen=True, kw_only=True):
    """A runner of the shortest best price; several share it: JF of two, CF of more."""

    horse_id: str
    horse_name: str
    mark: FavouriteMark
    odds_decimal: Decimal
    odds_fractional: str | None


class ListedRace(RaceSummary, frozen=True, kw_only=True):
    """A race of a list; ``shortest`` are up to three runners of the shortest best prices."""

    course_id: str
    non_runners: int
    favourites: tuple[Favourite, ...]
    shortest: tuple[RunnerPrices, ...]
    completeness: BoardCompleteness


class RaceList(msgspec.Struct, frozen=True, kw_only=True):
    """The races of a day that were asked for, by off time."""

    success: bool
    date: date
    count: int
    checked_at: datetime | None
    stale: bool
    data: tuple[ListedRace, ...]


class PriceCell(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One bookmaker's or exchange's word on a runner; prices null: it was pulled.

    ``changed_at`` is when the price took effect by the feed's stamp, ``fetched_at`` when we first
    saw it, ``checked_at`` when the race was last looked at; the seconds are counted to the body's
    ``as_of``. ``is_best`` marks the best bookmaker price, ties too.
    """

    bookmaker_id: str
    odds_decimal: Decimal | None
    odds_fractional: str | None
    ew_places: int | None
    ew_denom: int | None
    is_best: bool
    changed_at: datetime
    changed_seconds_ago: int
    fetched_at: datetime
    checked_at: datetime | None
    checked_seconds_ago: int | None


class FairChances(msgspec.Struct, frozen=True, kw_only=True):
    """A runner's chance to win by all whole books together, by each way to take a margin out."""

    proportional: float
    power: float
    shin: float


class BoardRow(msgspec.Struct, frozen=True, kw_only=True):
    """A runner and every price on it; ``weight`` is in pounds.

    ``in_market`` is false for non-runners and reserves, who count for nothing. ``prices`` are the
    bookmakers', ``exchange_prices`` stand apart. ``fair`` is null where no book is whole.
    """

    horse_id: str
    horse_name: str
    horse_number: int | None
    draw: int | None
    jockey: str | None
    jockey_claim: int | None
    trainer: str | None
    age: int | None
    weight: int | None
    headgear: str | None
    form: str | None
    official_rating: int | None
    silk_url: str | None
    in_market: bool
    is_non_runner: bool
    non_runner_at: datetime | None
    is_reserve: bool
    best_odds_decimal: Decimal | None
    best_odds_fractional: str | None
    best_bookmakers: tuple[str, ...]
    is_favorite: bool
    favorite_rank: int | None
    favorite_mark: FavouriteMark | None
    fair: FairChances | None
    prices: tuple[PriceCell, ...]
    exchange_prices: tuple[PriceCell, ...]


class EachWay(msgspec.Struct, frozen=True, kw_only=True):
    """Each-way terms: so many places at 1/denominator of the odds, on so many runners."""

    places: int
    denominator: int
    runners: int


class BookColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One bookmaker's book.

    ``overround`` is the sum of 1/price less 1; null where a runner has no price, and
    ``no_overround`` says so. ``best_on`` counts the runners on whom it has the best price.
    """

    bookmaker_id: str
    bookmaker_name: str
    priced: int
    unpriced_runners: tuple[str, ...]
    overround: float | None
    no_overround: str | None
    best_on: int
    each_way: tuple[EachWay, ...]
    last_changed_at: datetime


class ExchangeColumn(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange: its prices are bettors' own, so it has no overround and is never best."""

    bookmaker_id: str
    bookmaker_name: str
    priced: int
    last_changed_at: datetime


class BestBookSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What backing every runner at its best bookmaker price would cost, of 100 to be returned.

    ``percentage`` is null where a runner has none. Under 100 it is only worth what its prices
    are: ``stale`` says whether the race was looked at too long ago (null for a past moment),
    ``oldest_changed_at`` since when the oldest of these prices stands.
    """

    percentage: float | None
    unpriced_runners: tuple[str, ...]
    stale: bool | None
    checked_at: datetime | None
    oldest_changed_at: datetime | None


class RacePage(RaceFacts, frozen=True, kw_only=True):
    """A race with every price, now or ``at`` a moment of the past.

    ``as_of`` is the instant that ages and stage are counted to; ``feed_lag_seconds`` is how old
    the feed's own refresh (``feed_refreshed_at``) was when it was last looked at.

    For a past moment ``stale`` and the feed's refresh are null, ``checked_at`` is the last look
    that is known of by then, ``is_over`` goes by the scheduled off and the changes alone, and
    ``as_now`` names what is shown as it is known today. ``prices_known_from``, told of past
    moments only, is when the first known price took effect: before it there are none.
    ``fair_books`` counts the whole books that the fair chances are of.
    """

    success: bool
    at: datetime | None
    as_of: datetime
    course_id: str
    pattern: str | None
    distance_f: Decimal | None
    surface: str | None
    age_band: str | None
    rating_band: str | None
    is_handicap: bool
    is_over: bool
    stage: Stage
    minutes_until: int
    runners: int
    non_runners: int
    last_updated: datetime | None
    checked_at: datetime | None
    stale: bool | None
    feed_refreshed_at: datetime | None
    feed_lag_seconds: int | None
    prices_known_from: datetime | None
    before_first_price: bool
    as_now: tuple[str, ...]
    standard_each_way: EachWay | None
    completeness: BoardCompleteness
    best_book: BestBookSummary
    fair_books: int
    bookmakers: tuple[BookColumn, ...]
    exchanges: tuple[ExchangeColumn, ...]
    runners_data: tuple[BoardRow, ...]


class PriceBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A price."""

    odds_decimal: Decimal
    odds_fractional: str | None


class PointBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """From ``at`` on the price was this; null: none stood. ``bookmakers`` are at a best price."""

    at: datetime
    price: PriceBody | None
    bookmakers: tuple[str, ...] | UnsetType = UNSET


class BarBody(msgspec.Struct, frozen=True, kw_only=True):
    """The first, highest, lowest and last price of a span of time, with a change in it.

    ``open`` is what stood as the span began, if anything did; ``stands`` is false when the last
    price was pulled before the span ended. Spans without a change have no bar.
    """

    begins_at: datetime
    open: PriceBody
    high: PriceBody
    low: PriceBody
    close: PriceBody
    stands: bool
    changes: int


class PriceSeries(msgspec.Struct, frozen=True, kw_only=True):
    """A price over time; ``standing`` is what stood as the page begins.

    Without a resolution it has ``points``, with one ``bars``. The best price has no bookmaker.
    """

    bookmaker_id: str | None
    bookmaker_name: str | None
    bookmaker_type: BookmakerType | None
    standing: PriceBody | None
    points: tuple[PointBody, ...] | UnsetType = UNSET
    bars: tuple[BarBody, ...] | UnsetType = UNSET


class RunnerSeries(msgspec.Struct, frozen=True, kw_only=True):
    """A runner's prices over time: the best bookmaker price, bookmakers, and exchanges apart."""

    horse_id: str
    horse_name: str
    horse_number: int | None
    is_non_runner: bool
    non_runner_at: datetime | None
    best: PriceSeries
    bookmakers: tuple[PriceSeries, ...]
    exchanges: tuple[PriceSeries, ...]


class PollingLag(msgspec.Struct, frozen=True, kw_only=True):
    """How many seconds after a change a poll saw it, over ``count`` changes of the race.

    The feed tells of changes in whole minutes: a lag is up to a minute too long.
    """

    count: int
    median_seconds: int
    p90_seconds: int
    longest_seconds: int


class PathCompleteness(msgspec.Struct, frozen=True, kw_only=True):
    """How complete the prices of a race over time are, measured by the feed's own history.

    Of its ``points``, polls saw ``seen`` in time (``polled_share``); ``added`` entries were taken
    from it, so that all but ``unplaced`` stand in the log (``share``). ``state`` is wanted, asking,
    repaired or impossible; before it ``is_final`` it is of an outage, and prices after
    ``covers_until`` are still left to polls. ``reason`` says what is not whole.
    """

    state: RepairState
    is_final: bool
    covers_until: datetime | None
    points: int
    seen: int
    added: int
    unplaced: int
    polled_share: float | None
    share: float | None
    lag: PollingLag | None
    runners_asked: int
    runners_not_found: int
    runners_failed: int
    reason: str | None
    repaired_at: datetime | None


class RaceHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Prices of a race over time, from a moment on and before another (null: all there is).

    A page ends with a whole instant, or a whole span: ask again with ``next_from`` as ``from`` for
    what follows; null when that was all. ``count`` points or bars are in this page.
    ``completeness`` is null until the race was measured: at its end, or after an outage.
    """

    success: bool
    race_id: str
    from_at: datetime | None = msgspec.field(name="from")
    to_at: datetime | None = msgspec.field(name="to")
    resolution: str | None
    count: int
    limit: int
    next_from: datetime | None
    completeness: PathCompleteness | None
    runners: tuple[RunnerSeries, ...]
