"""Price paths over time: every change, bars of open, high, low and close, and the best price.

A path is a step: a price stands until the next point, and a point without a price says that none
stood from then on.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Protocol

import msgspec

from darkhorses.domain.board import exact_value, price_order
from darkhorses.domain.gaps import PricePoint
from darkhorses.domain.identifiers import BookmakerId
from darkhorses.domain.prices import Price

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_RANK = -1


class BestPoint(PricePoint, frozen=True, kw_only=True, gc=False):
    """From ``at`` on this was the best bookmaker price, offered by these."""

    bookmakers: tuple[BookmakerId, ...] = ()


class QuoteChange(PricePoint, frozen=True, kw_only=True, gc=False):
    """From ``at`` on this was one bookmaker's price on a runner."""

    bookmaker_id: BookmakerId


class Quoted(Protocol):
    """A change of a bookmaker's price on a runner, in whatever form."""

    @property
    def at(self) -> datetime:
        """When it took effect (UTC)."""

    @property
    def price(self) -> Price | None:
        """What was quoted from then on; None: it was pulled."""

    @property
    def bookmaker_id(self) -> BookmakerId:
        """Who quoted it."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """The prices that stood in a span of time from ``begins_at`` on.

    ``open`` stood as it began, or is the first in it; ``close`` is the last, and ``stands`` is
    False when that was pulled and none stood at the end. ``changes`` counts the points in it.
    """

    begins_at: datetime
    open: Price
    high: Price
    low: Price
    close: Price
    stands: bool
    changes: int


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A path between two moments: the price that stood as it began, and the points from then on."""

    standing: Price | None
    points: tuple[PricePoint, ...]


def best_path(
    changes: Iterable[Quoted], *, withdrawn_at: datetime | None = None
) -> list[BestPoint]:
    """The best price over time, from the changes of one runner at bookmakers in order of time.

    A point for every instant at which the price, or who offers it, became another one; none
    stands from ``withdrawn_at`` on, whatever is still quoted.
    """
    changes = list(changes)
    ranks = _ranks({change.price for change in changes})
    standing: dict[BookmakerId, int] = {}
    prices: dict[BookmakerId, Price | None] = {}
    path: list[BestPoint] = []
    best = _NO_RANK
    holders: list[BookmakerId] = []
    last: tuple[Price | None, list[BookmakerId]] = (None, [])
    for at, together in groupby(changes, key=attrgetter("at")):
        if withdrawn_at is not None and at >= withdrawn_at:
            break
        moved = False
        for change in together:
            who, price = change.bookmaker_id, change.price
            standing[who] = rank = ranks[price]
            prices[who] = price
            if rank > best:
                best, holders, moved = rank, [who], True
            elif who in holders:
                moved = True
                if rank < best:
                    best, holders = _without(who, best, holders, standing)
            elif rank == best != _NO_RANK:
                holders, moved = sorted([*holders, who]), True
        if moved and (now := (prices[holders[0]] if holders else None, holders)) != last:
            path.append(BestPoint(at=at, price=now[0], bookmakers=tuple(holders)))
            last = now
    if withdrawn_at is not None and path and path[-1].price is not None:
        path.append(BestPoint(at=withdrawn_at, price=None))
    return path


def _without(
    who: BookmakerId,
    best: int,
    holders: list[BookmakerId],
    standing: Mapping[BookmakerId, int],
) -> tuple[int, list[BookmakerId]]:
    """The best rank, and who has it, once somebody who had it has a lower one."""
    others = [holder for holder in holders if holder != who]
    if others:
        return best, others
    best = max(standing.values())
    if best == _NO_RANK:
        return best, []
    return best, sorted([one for one, rank in standing.items() if rank == best])


def _ranks(prices: Iterable[Price | None]) -> dict[Price | None, int]:
    """The order of prices, the shortest first; equal ones share a rank, and no price has none.

    Whole numbers, because a path compares standing prices at every instant.
    """
    ranks: dict[Price | None, int] = {None: _NO_RANK}
    rank, before = _NO_RANK, None
    for price in sorted([price for price in prices if price is not None], key=price_order):
        value = price_order(price)
        if value != before:
            rank, before = rank + 1, value
        ranks[price] = rank
    return ranks


def stretch(
    path: Iterable[PricePoint], *, from_at: datetime | None, to_at: datetime | None
) -> Stretch:
    """The part of a path from a moment on and before another."""
    if from_at is None and to_at is None:
        return Stretch(standing=None, points=tuple(path))
    standing: Price | None = None
    points = []
    for point in path:
        if from_at is not None and point.at < from_at:
            standing = point.price
        elif to_at is None or point.at < to_at:
            points.append(point)
    return Stretch(standing=standing, points=tuple(points))


def bars(part: Stretch, resolution: timedelta) -> list[Bar]:
    """Bars of a stretch, one for every span in which a point falls and a price stood.

    Spans begin at whole multiples of the resolution since 1970 (UTC). A span without a point has
    no bar: the close before it goes on while it ``stands``.
    """
    made = []
    standing = part.standing
    for begins_at, inside in groupby(part.points, key=lambda p: span_start(p.at, resolution)):
        points = list(inside)
        bar = _bar(begins_at, standing, points)
        if bar is not None:
            made.append(bar)
        standing = points[-1].price
    return made


def span_start(at: datetime, resolution: timedelta) -> datetime:
    """When the span that holds an instant began."""
    return at - (at - _EPOCH) % resolution


def _bar(begins_at: datetime, standing: Price | None, points: Sequence[PricePoint]) -> Bar | None:
    # A price that was replaced at the very start of the span never stood in it.
    prices = [standing] if standing is not None and points[0].at > begins_at else []
    prices += [point.price for point in _lasting(points) if point.price is not None]
    if not prices:
        return None
    return Bar(
        begins_at=begins_at,
        open=prices[0],
        high=max(prices, key=exact_value),
        low=min(prices, key=exact_value),
        close=prices[-1],
        stands=points[-1].price is not None,
        changes=len(points),
    )


def _lasting(points: Sequence[PricePoint]) -> list[PricePoint]:
    """The points that another one of the same instant did not replace at once."""
    return [
        point
        for position, point in enumerate(points)
        if position + 1 == len(points) or points[position + 1].at > point.at
    ]
