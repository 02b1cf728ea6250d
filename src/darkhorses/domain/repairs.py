"""Repairing a race's path: when it is time, what its histories add, and how complete it was.

A race is repaired at its **end**, once its market is over and has been quiet for so long that the
feed's history is settled. One that was not looked at for too long while its market was open is
repaired at once, up to the first look after that **outage**, and again at its end.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Self

import msgspec

from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.gaps import SEEN_WITHIN, LogEntry, PricePoint, RunnerHistory, find_gaps
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.races import QuoteKey
from darkhorses.domain.stages import QUIET, interval_of, is_over, stage_at

FIRST_DAY = date(2025, 3, 17)
"""The first day of which the feed has price histories."""

REPAIRED_FOR = timedelta(days=5)
"""Races of so many days back are repaired; the nightly job, which reads more, picks them up."""

_MISSED_LOOKS = 2


class Occasion(StrEnum):
    """Why a race is repaired."""

    OUTAGE = "outage"
    END = "end"


class RepairState(StrEnum):
    """How far a repair is; IMPOSSIBLE has a reason."""

    WANTED = "wanted"
    ASKING = "asking"
    REPAIRED = "repaired"
    IMPOSSIBLE = "impossible"


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A race whose market was open was not looked at from ``since`` until ``until`` (UTC)."""

    race_id: RaceId
    race_date: date
    region: str
    since: datetime
    until: datetime


class RepairableRace(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether a race is to be repaired; ``occasion`` and ``state`` of its last repair.

    ``region`` is the feed's code in lower case; ``outage_to`` the first look after an outage.
    """

    race_id: RaceId
    race_date: date
    off_dt: datetime
    region: str
    race_status: str | None
    is_abandoned: bool
    last_change_at: datetime | None
    runners: int
    occasion: Occasion | None = None
    state: RepairState | None = None
    outage_to: datetime | None = None


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """How long after changes, in whole seconds, polls saw them.

    The feed's history is in whole minutes, so a lag is up to a minute too long, and may be
    negative by as much.
    """

    count: int
    median: int
    p90: int
    longest: int

    @classmethod
    def of(cls, seconds: Iterable[int]) -> Self | None:
        """The figures of some lags, by nearest rank; None of none."""
        ordered = sorted(seconds)
        if not ordered:
            return None
        last = len(ordered) - 1
        return cls(
            count=len(ordered),
            median=ordered[last // 2],
            p90=ordered[-(-9 * last // 10)],
            longest=ordered[-1],
        )


class AddedPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A price that polling missed, as it is to stand in the change log."""

    horse_id: HorseId
    bookmaker_id: BookmakerId
    point: PricePoint


class RaceGaps(msgspec.Struct, frozen=True, kw_only=True):
    """What the histories of a race's runners say of our log, over all quotes.

    ``added`` are in the order of time. ``bookmakers`` are those in the histories, each with when
    its last price there changed.
    """

    points: int
    seen: int
    unplaced: int
    lag: Lag | None
    added: tuple[AddedPrice, ...]
    bookmakers: tuple[tuple[Bookmaker, datetime], ...]


def is_outage(off_dt: datetime, looked_at: datetime, next_look_at: datetime) -> bool:
    """Whether two looks are so far apart that prices between them may have come and gone.

    Less than two looks of the stage are none, nor is what a poll may be late by anyway.
    """
    allowed = max(SEEN_WITHIN, _MISSED_LOOKS * interval_of(stage_at(off_dt, looked_at)))
    return next_look_at - looked_at > allowed


def occasion_of(race: RepairableRace, now: datetime) -> Occasion | None:
    """On what occasion a race is to be repaired now; None when it is not."""
    if race.state in (RepairState.REPAIRED, RepairState.IMPOSSIBLE):
        if race.occasion is Occasion.END:
            return None
        return Occasion.END if _has_ended(race, now) else None
    if _has_ended(race, now):
        return Occasion.END
    is_closed = is_over(
        off_dt=race.off_dt,
        race_status=race.race_status,
        is_abandoned=race.is_abandoned,
        last_change_at=race.last_change_at,
        now=now,
    )
    return race.occasion if race.state is not None and not is_closed else None


def by_urgency(races: Iterable[RepairableRace], today: date) -> list[RepairableRace]:
    """The races in the order in which they are repaired: the most recent day, the biggest."""
    return sorted(
        races,
        key=lambda race: (
            abs(race.race_date - today),
            -race.runners,
            -race.off_dt.timestamp(),
            race.race_id,
        ),
    )


def find_race_gaps(
    histories: Iterable[RunnerHistory],
    log: Mapping[QuoteKey, Sequence[LogEntry]],
    *,
    until: datetime | None = None,
) -> RaceGaps:
    """Lay the histories of a race's runners beside its log, quote by quote.

    ``until`` is the first look after an outage: what that look or the next one may still see in
    time is left to them, and counts as ``unplaced``.
    """
    latest = None if until is None else until - SEEN_WITHIN
    points = seen = unplaced = 0
    lags: list[int] = []
    added: list[AddedPrice] = []
    quoting: dict[BookmakerId, tuple[Bookmaker, datetime]] = {}
    for history in histories:
        for bookmaker_id, path in history.paths.items():
            found = find_gaps(path, log.get((history.horse_id, bookmaker_id), ()))
            news = [point for point in found.added if latest is None or point.at <= latest]
            points += found.points
            seen += found.seen
            unplaced += found.unplaced + len(found.added) - len(news)
            lags += found.lags
            added += (
                AddedPrice(horse_id=history.horse_id, bookmaker_id=bookmaker_id, point=point)
                for point in news
            )
            last = path[-1].at
            if bookmaker_id not in quoting or quoting[bookmaker_id][1] < last:
                quoting[bookmaker_id] = history.bookmakers[bookmaker_id], last
    # A stable sort: two prices of a quote at one instant stay in their order.
    added.sort(key=lambda entry: entry.point.at)
    return RaceGaps(
        points=points,
        seen=seen,
        unplaced=unplaced,
        lag=Lag.of(lags),
        added=tuple(added),
        bookmakers=tuple(quoting.values()),
    )


def _has_ended(race: RepairableRace, now: datetime) -> bool:
    """Whether the market has been over and quiet for so long that its history is settled."""
    if race.is_abandoned:
        return race.last_change_at is None or now - race.last_change_at > QUIET
    return is_over(
        off_dt=race.off_dt,
        race_status=None,
        is_abandoned=False,
        last_change_at=race.last_change_at,
        now=now,
    )
