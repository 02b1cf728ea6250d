"""The bodies about past races, field by field; prices, returns and money are exact numbers."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from darkhorses.domain.identifiers import HorseId
from darkhorses.domain.past_races import StoredHistoricalRow, StoredResult, StoredWinner
from darkhorses.domain.price_summaries import DataSource
from darkhorses.domain.race_days import Completeness, RaceDay


class HistoricalOdds(msgspec.Struct, frozen=True, kw_only=True):
    """A page of historical odds, newest day and off first, within a race by number.

    ``count`` rows are in this page. ``next`` is the ``cursor`` of the page after it, null at the
    end; ``offset`` is null where a cursor was given.
    """

    success: bool
    count: int
    limit: int
    offset: int | None
    next: str | None
    data: tuple[StoredHistoricalRow, ...]


class CollectedYear(msgspec.Struct, frozen=True, kw_only=True):
    """What was collected of a year."""

    year: int
    records: int
    races: int
    results: int


class CollectedRegion(msgspec.Struct, frozen=True, kw_only=True):
    """What was collected of a region; ``region`` is the feed's code: gb, ire."""

    region: str
    records: int
    races: int
    results: int


class CollectedDays(msgspec.Struct, frozen=True, kw_only=True):
    """Days of regions in the ledger: those that lack something, may be amended, and are done."""

    total: int
    complete: int
    provisional: int
    missing: int


class HistoricalSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of historical odds.

    All of it is the ledger's word (a row of ``/api/race-days`` says what its last reading
    brought), but for ``courses`` and ``by_data_source``, which are counted; at most a minute old.
    ``total_records`` are runners, one row each; ``total_races`` of them have ``total_results``.
    """

    success: bool
    total_records: int
    total_races: int
    total_results: int
    courses: int
    earliest_date: date | None
    latest_date: date | None
    days: CollectedDays
    by_year: tuple[CollectedYear, ...]
    by_region: tuple[CollectedRegion, ...]
    by_data_source: dict[DataSource, int]


class RaceDayRow(RaceDay, frozen=True, kw_only=True):
    """A day of a region as the ledger has it.

    ``status`` is the lesser of ``cards`` and ``results``: missing while anything is, provisional
    while it may still be amended, complete after that. ``reason`` says why a day is not complete,
    or what was lost of it; ``checked_at`` is when it was last read, ``completed_at`` when it was
    first complete, ``repaired_at`` when prices that polling had missed were last added to it.
    """

    status: Completeness


class RaceDays(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the ledger, the newest day first; ``total`` days match.

    A day that was never tried has no row.
    """

    success: bool
    count: int
    total: int
    limit: int
    offset: int
    data: tuple[RaceDayRow, ...]


class ResultRow(msgspec.Struct, frozen=True, kw_only=True):
    """A race that has a result, and who won it (more than one in a dead heat)."""

    race: StoredResult
    winners: tuple[StoredWinner, ...]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """A page of results, the newest off first; ``count`` races are in it."""

    success: bool
    count: int
    limit: int
    offset: int
    data: tuple[ResultRow, ...]


class ResultRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A horse that ran; fields are those of historical odds.

    ``finishing_position`` is the feed's text, a number or a code such as UR, ``position_no`` its
    number; ``dead_heat_count`` horses share it, null where it stands alone.
    """

    horse_id: HorseId
    horse_name: str
    horse_number: int | None
    stall_number: int | None
    finishing_position: str | None
    position_no: int | None
    dead_heat_count: int | None
    winning_distance: Decimal | None
    industry_sp: Decimal | None
    industry_sp_fractional: str | None
    sp_favorite_position: int | None
    sp_favorite_mark: str | None
    bsp: Decimal | None
    sp_win_return: Decimal | None
    place_return: Decimal | None
    ew_return: Decimal | None
    rule_4_pence: int | None
    prize: Decimal | None
    prize_currency: str | None
    opening_price: Decimal | None
    closing_price: Decimal | None
    pre_race_min: Decimal | None
    pre_race_max: Decimal | None
    forecasted_odds: Decimal | None
    data_source: DataSource
    jockey: str | None
    jockey_id: str | None
    trainer: str | None
    trainer_id: str | None
    age: int | None
    weight: str | None
    headgear: str | None
    official_rating: int | None


class ResultNonRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A horse that did not run; without an id where nothing but the result's text names it."""

    horse_id: HorseId | None
    horse_name: str
    horse_number: int | None
    reason: str | None


class ResultRevision(msgspec.Struct, frozen=True, kw_only=True):
    """A correction: the columns that changed at ``superseded_at``, with what they said before."""

    horse_id: HorseId
    horse_name: str | None
    superseded_at: datetime
    said: dict[str, Any]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A race's result: runners by place (those without one last), non-runners, corrections."""

    success: bool
    race: StoredResult
    runners: tuple[ResultRunner, ...]
    non_runners: tuple[ResultNonRunner, ...]
    revisions: tuple[ResultRevision, ...]
