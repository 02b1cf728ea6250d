"""What polling missed: a price history of the feed laid beside our own log of a quote.

A history is in whole minutes and our polls in seconds, and a poll sees a price only at the next
refresh that is looked at. So the two paths are aligned in order: a poll belongs to a point of the
history with the same price that stood then, give or take ``EARLY`` and ``SEEN_WITHIN``. A point
that no poll belongs to in time was missed and is placed between the polls around it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Unreadable

SEEN_WITHIN = timedelta(minutes=6)
"""A poll this long after a change has seen it in time: a refresh of the feed and a look at it."""

EARLY = timedelta(minutes=1)
"""How much earlier than a whole minute of the history a poll may have seen its price."""

_MINUTE = timedelta(minutes=1)


class PricePoint(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """From ``at`` (UTC) on the price was this; None when it was pulled."""

    at: datetime
    price: Price | None


class LogEntry(PricePoint, frozen=True, kw_only=True):
    """An entry of our own log; ``by_poll`` is False for one that came from a history before."""

    seen_at: datetime
    by_poll: bool


class RunnerHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The feed's price history of one runner, per bookmaker, oldest first, in whole minutes."""

    race_id: RaceId
    horse_id: HorseId
    paths: dict[BookmakerId, tuple[PricePoint, ...]]
    bookmakers: dict[BookmakerId, Bookmaker]
    unreadable: tuple[Unreadable, ...] = ()


class QuoteRepair(msgspec.Struct, frozen=True, kw_only=True):
    """What a history says about our log of one quote.

    ``points`` are changes in the history, equal neighbours counted once; ``seen`` those that
    polls saw in time, with ``lags`` the whole seconds from each of them to when a poll saw it;
    ``unplaced`` those for which polls leave no room. ``added`` are to be logged, in this order.
    """

    points: int
    seen: int
    unplaced: int
    lags: tuple[int, ...]
    added: tuple[PricePoint, ...]


def find_gaps(history: Iterable[PricePoint], log: Iterable[LogEntry]) -> QuoteRepair:
    """Lay a quote's history beside its log; entries that were added before are not added again.

    ``history`` and ``log`` are each in the order of time. An added price is placed at the
    history's minute, or at the last poll that saw an earlier price if that was later. It never
    repeats the price that stands; one for which polls leave no room is left out.
    """
    entries = list(log)
    points = _without_repeats(history)
    polls = sorted((entry for entry in entries if entry.by_poll), key=lambda entry: entry.at)
    aligned = _align(points, polls)
    seen: dict[int, int] = {}
    for poll, index in zip(polls, aligned, strict=True):
        if index is not None and poll.at <= points[index].at + SEEN_WITHIN:
            seen.setdefault(index, int((poll.seen_at - points[index].at).total_seconds()))
    missed = [index for index in range(len(points)) if index not in seen]
    placed = _place(points, missed, polls, aligned)
    return QuoteRepair(
        points=len(points),
        seen=len(seen),
        unplaced=len(missed) - len(placed),
        lags=tuple(seen.values()),
        added=tuple(_news(placed, entries)),
    )


def is_same_price(one: Price | None, other: Price | None) -> bool:
    """Whether two prices are the same, whichever way each is written."""
    if one is None or other is None:
        return one is other
    return one.decimal == other.decimal or one.exact == other.exact


def _without_repeats(points: Iterable[PricePoint]) -> list[PricePoint]:
    """The points that change the price; before the first there is none."""
    changes: list[PricePoint] = []
    standing: Price | None = None
    for point in points:
        if not is_same_price(point.price, standing):
            changes.append(point)
            standing = point.price
    return changes


class _Trail(NamedTuple):
    """An alignment up to a poll: how many polls belong, and by how many seconds they do not fit."""

    point: int
    worth: tuple[int, float]
    poll: int
    before: "_Trail | None"


def _align(points: Sequence[PricePoint], polls: Sequence[LogEntry]) -> list[int | None]:
    """The point that each poll belongs to; as many as can in order, as near in time as can be."""
    times = [point.at for point in points]
    # Trails by the last point reached; one that reaches further is kept only if it is worth more.
    trails: list[_Trail] = []
    for position, poll in enumerate(polls):
        reached = []
        for index in _points_near(times, poll.at):
            if not is_same_price(points[index].price, poll.price):
                continue
            at = bisect_right(trails, index, key=lambda trail: trail.point)
            before = trails[at - 1] if at else None
            count, misfit = before.worth if before is not None else (0, 0.0)
            worth = (count + 1, misfit - _seconds_outside(times, index, poll.at))
            reached.append(_Trail(index, worth, position, before))
        for trail in reached:
            _keep(trails, trail)
    aligned: list[int | None] = [None] * len(polls)
    step = trails[-1] if trails else None
    while step is not None:
        aligned[step.poll] = step.point
        step = step.before
    return aligned


def _points_near(times: Sequence[datetime], at: datetime) -> range:
    """The points whose price may have been seen at an instant."""
    ended = bisect_left(times, at - SEEN_WITHIN)
    return range(max(0, ended - 1), bisect_right(times, at + EARLY))


def _seconds_outside(times: Sequence[datetime], index: int, at: datetime) -> float:
    """By how much an instant misses the time for which a point stood."""
    if at < times[index]:
        return (times[index] - at).total_seconds()
    if index + 1 == len(times):
        return 0.0
    return max(0.0, (at - times[index + 1]).total_seconds())


def _keep(trails: list[_Trail], trail: _Trail) -> None:
    """Put a trail among the others unless one that reaches no further is worth as much."""
    at = bisect_right(trails, trail.point, key=lambda other: other.point)
    if at and trails[at - 1].worth >= trail.worth:
        return
    start = at - 1 if at and trails[at - 1].point == trail.point else at
    end = start
    while end < len(trails) and trails[end].worth <= trail.worth:
        end += 1
    trails[start:end] = [trail]


def _place(
    points: Sequence[PricePoint],
    missed: Sequence[int],
    polls: Sequence[LogEntry],
    aligned: Sequence[int | None],
) -> list[PricePoint]:
    """Missed points with the instants at which they stand in order with the polls."""
    placed: list[PricePoint] = []
    before = following = 0
    for index in missed:
        # Polls before ``before`` saw earlier points; the one at ``following`` saw no earlier one.
        while following < len(polls):
            point = aligned[following]
            if point is not None and point >= index:
                break
            following += 1
            if point is not None:
                before = following
        minute_ends = points[index].at + _MINUTE
        last = before
        while last < following and polls[last].at < minute_ends:
            last += 1
        at = points[index].at
        if last:
            at = max(at, polls[last - 1].at)
        if placed:
            at = max(at, placed[-1].at)
        if following == len(polls) or at < polls[following].at:
            placed.append(PricePoint(at=at, price=points[index].price))
    return placed


def _news(placed: Sequence[PricePoint], log: Sequence[LogEntry]) -> list[PricePoint]:
    """The placed points that are not in the log yet and differ from what stands when they come."""
    added_before = {(entry.at, entry.price) for entry in log if not entry.by_poll}
    news: list[PricePoint] = []
    standing: Price | None = None
    # Sorting keeps the order of equals: a point placed at a poll's instant comes after it.
    for point in sorted([*log, *placed], key=lambda point: point.at):
        if isinstance(point, LogEntry):
            standing = point.price
        elif (point.at, point.price) not in added_before and not is_same_price(
            point.price, standing
        ):
            standing = point.price
            news.append(point)
    return news
