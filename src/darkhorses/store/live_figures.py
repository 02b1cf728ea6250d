"""The statistics of live odds, read from the sums and from the races that are not over yet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import asyncpg
import msgspec

from darkhorses.domain.bookmakers import BookmakerType
from darkhorses.domain.freshness import is_stale
from darkhorses.domain.london import race_day
from darkhorses.domain.stages import Stage, is_over, stage_at
from darkhorses.domain.statistics import (
    HOURS_SHOWN,
    QUARANTINE_DAYS,
    WINDOW_DAYS,
    CourseChanges,
    CoverageRow,
    DateChanges,
    HourChanges,
    League,
    LeagueRow,
    LiveActivity,
    LiveEntities,
    LiveFigures,
    LiveQuality,
    LiveTotals,
    MarketState,
    QuarantineRow,
    ratio,
    rounded,
)
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_WEEK = timedelta(days=7)


async def live_figures(
    connection: Connection, *, now: datetime, card_interval: timedelta
) -> LiveFigures:
    """Read the live block; ``card_interval`` decides which races are stale.

    Asks the sums of the window and the races from today on, and never a big table as a whole.
    """
    since = race_day(now) - timedelta(days=WINDOW_DAYS)
    totals = await counted(connection, "live")
    week = [
        msgspec.convert(dict(row), HourChanges)
        async for row in queries.statistics_changes_by_hour(connection, since=now - _WEEK)
    ]
    races = [
        _open_race(row, now)
        async for row in queries.statistics_open_races(connection, today=race_day(now))
    ]
    going = [race for race in races if not race.is_over]
    league = await _league(connection, since, now)
    dates = queries.statistics_races_by_date(connection, since=since)
    courses = queries.statistics_races_by_course(connection, since=since)
    shown_from = now - timedelta(hours=HOURS_SHOWN)
    return LiveFigures(
        window_days=WINDOW_DAYS,
        basic_metrics=await _totals(connection, totals, league.races, now),
        recent_activity=await _activity(connection, week, now),
        unique_entities=LiveEntities(
            races=totals.get("races", 0),
            horses=totals.get("horses", 0),
            courses=totals.get("courses", 0),
            bookmakers=totals.get("bookmakers", 0),
        ),
        bookmaker_coverage=await _coverage(connection, going),
        records_per_date=tuple([msgspec.convert(dict(row), DateChanges) async for row in dates]),
        course_distribution=tuple(
            [msgspec.convert(dict(row), CourseChanges) async for row in courses]
        ),
        data_quality=await _quality(connection, going, now, card_interval),
        market_status=_market_status(races, now),
        bookmaker_league=league,
        changes_per_hour=tuple(row for row in week if row.hour > shown_from),
    )


async def counted(connection: Connection, scope: str) -> dict[str, int]:
    """How many of each kind there are, ``live`` or ``historical``; kinds without any are absent."""
    rows = queries.statistics_totals(connection, scope=scope)
    return {row["kind"]: row["counted"] async for row in rows}


class _OpenRace(msgspec.Struct, frozen=True, kw_only=True):
    """A race from today on; ``unpriced`` of its runners have no price anywhere."""

    race_id: str
    off_dt: datetime
    checked_at: datetime
    is_abandoned: bool
    is_over: bool
    runners: int
    unpriced: int
    open_quotes: int
    suspended_quotes: int


def _open_race(row: asyncpg.Record, now: datetime) -> _OpenRace:
    fields = dict(row)
    over = is_over(
        off_dt=fields["off_dt"],
        race_status=fields.pop("race_status"),
        is_abandoned=fields["is_abandoned"],
        last_change_at=fields.pop("odds_changed_at"),
        now=now,
    )
    return _OpenRace(is_over=over, **fields)


async def _totals(
    connection: Connection, totals: Mapping[str, int], measured: int, now: datetime
) -> LiveTotals:
    span = await queries.statistics_span(connection)
    return LiveTotals(
        total_changes=totals.get("changes", 0),
        pulled_prices=totals.get("pulled", 0),
        repaired_changes=totals.get("repaired", 0),
        first_hour=span["first_hour"],
        last_hour=span["last_hour"],
        races_measured=measured,
        races_waiting=await queries.statistics_races_waiting(connection, now=now),
    )


async def _activity(
    connection: Connection, week: Sequence[HourChanges], now: datetime
) -> LiveActivity:
    looks = await queries.statistics_poll_cycles(connection, since=now - _DAY)
    return LiveActivity(
        changes_this_hour=sum(row.changes for row in week if row.hour > now - _HOUR),
        changes_last_24_hours=sum(row.changes for row in week if row.hour > now - _DAY),
        changes_last_7_days=sum(row.changes for row in week),
        looks_last_24_hours=looks["looks"],
        look_errors_last_24_hours=looks["errors"],
        mean_look_ms=rounded(looks["mean_ms"]),
        last_look_at=looks["last_look_at"],
    )


async def _coverage(connection: Connection, going: Sequence[_OpenRace]) -> tuple[CoverageRow, ...]:
    runners = sum(race.runners for race in going)
    rows = queries.statistics_coverage(connection, race_ids=[race.race_id for race in going])
    return tuple(
        [
            msgspec.convert({**row, "coverage": ratio(row["active_quotes"], runners)}, CoverageRow)
            async for row in rows
        ]
    )


async def _quality(
    connection: Connection, going: Sequence[_OpenRace], now: datetime, card_interval: timedelta
) -> LiveQuality:
    rows = queries.statistics_quarantine(connection, since=now - timedelta(days=QUARANTINE_DAYS))
    return LiveQuality(
        runners=sum(race.runners for race in going),
        runners_without_price=sum(race.unpriced for race in going),
        stale_races=sum(
            is_stale(
                checked_at=race.checked_at,
                stage=stage_at(race.off_dt, now),
                card_interval=card_interval,
                now=now,
            )
            for race in going
        ),
        quarantined=tuple([msgspec.convert(dict(row), QuarantineRow) async for row in rows]),
    )


def _market_status(races: Sequence[_OpenRace], now: datetime) -> MarketState:
    going = [race for race in races if not race.is_over]
    stages = Counter(stage_at(race.off_dt, now) for race in going)
    abandoned = sum(race.is_abandoned for race in races)
    return MarketState(
        early_market=stages[Stage.EARLY_MARKET],
        pre_race=stages[Stage.PRE_RACE],
        going_to_post=stages[Stage.GOING_TO_POST],
        at_post=stages[Stage.AT_POST],
        over=len(races) - len(going) - abandoned,
        abandoned=abandoned,
        open_quotes=sum(race.open_quotes for race in going),
        suspended_quotes=sum(race.suspended_quotes for race in going),
    )


async def _league(connection: Connection, since: date, now: datetime) -> League:
    whole = await queries.statistics_measured(connection, since=since)
    rates = {
        row["bookmaker_id"]: ratio(row["changes"], row["hours"])
        async for row in queries.statistics_changes_by_bookmaker(
            connection, since=now - timedelta(days=WINDOW_DAYS)
        )
    }
    return League(
        since=since,
        races=whole["races"],
        runners=whole["runners"],
        priced_runners=whole["priced_runners"],
        market_moves=whole["market_moves"],
        mean_best_book=rounded(whole["best_book"]),
        bookmakers=tuple(
            [
                _league_row(row, whole["runners"], rates.get(row["bookmaker_id"]))
                async for row in queries.statistics_league(connection, since=since)
            ]
        ),
    )


def _league_row(row: asyncpg.Record, runners: int, changes_per_hour: float | None) -> LeagueRow:
    moves = row["market_moves"]
    return LeagueRow(
        bookmaker_id=row["bookmaker_id"],
        bookmaker_name=row["bookmaker_name"],
        bookmaker_type=BookmakerType(row["bookmaker_type"]),
        races=row["races"],
        runners_priced=row["runners_priced"],
        coverage=ratio(row["runners_priced"], runners),
        best_share=_best_share(row),
        complete_books=row["books"],
        mean_overround=rounded(row["overround"]),
        shortened=row["shortened"],
        drifted=row["drifted"],
        market_moves=moves,
        led_share=ratio(row["led"], moves),
        led_alone_share=ratio(row["led_alone"], moves),
        joined_share=ratio(row["joined"], moves),
        mean_lag_seconds=ratio(row["lag_seconds"], row["joined"]),
        changes_per_hour=changes_per_hour,
    )


def _best_share(row: asyncpg.Record) -> float | None:
    """An exchange is not among those that can have the best price."""
    if row["bookmaker_type"] == BookmakerType.EXCHANGE:
        return None
    return ratio(row["best"], row["runners_priced"])
