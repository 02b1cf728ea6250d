"""From a race's change log to its prices over time, a page at a time."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from darkhorses.api.path_completeness import path_completeness
from darkhorses.api.race_bodies import (
    BarBody,
    PointBody,
    PriceBody,
    PriceSeries,
    RaceHistory,
    RunnerSeries,
)
from darkhorses.domain.bookmakers import Bookmaker, BookmakerType, bookmaker_named
from darkhorses.domain.gaps import PricePoint
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.price_series import (
    Bar,
    BestPoint,
    QuoteChange,
    Stretch,
    bars,
    best_path,
    stretch,
)
from darkhorses.domain.prices import Price
from darkhorses.readmodel.market import by_number
from darkhorses.store.logged_races import RaceChanges
from darkhorses.store.races import StoredRunner


class Resolution(StrEnum):
    """How long a bar is."""

    SECONDS_10 = "10s"
    MINUTES_1 = "1m"
    MINUTES_5 = "5m"
    MINUTES_15 = "15m"
    MINUTES_30 = "30m"
    HOURS_1 = "1h"

    @property
    def length(self) -> timedelta:
        """The same as a duration."""
        unit = {"s": "seconds", "m": "minutes", "h": "hours"}[self[-1]]
        return timedelta(**{unit: int(self[:-1])})


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which prices of a race over time: from a moment on and before another."""

    race_id: RaceId
    horse_id: HorseId | None
    bookmaker_id: BookmakerId | None
    from_at: datetime | None
    to_at: datetime | None
    resolution: Resolution | None
    limit: int
    best_only: bool = False


class _Path(msgspec.Struct, frozen=True, kw_only=True):
    """One price over time; the best bookmaker price has no bookmaker."""

    bookmaker: Bookmaker | None
    part: Stretch
    bars: list[Bar] | None

    def instants(self) -> Iterable[datetime]:
        if self.bars is not None:
            return (bar.begins_at for bar in self.bars)
        return (point.at for point in self.part.points)

    @property
    def size(self) -> int:
        return len(self.part.points if self.bars is None else self.bars)

    @property
    def is_empty(self) -> bool:
        return self.part.standing is None and not self.part.points


def race_history(race: RaceChanges, query: HistoryQuery) -> RaceHistory:
    """One page of the prices over time that are asked for."""
    quoting = {change.bookmaker_id for changes in race.changes.values() for change in changes}
    known = [race.bookmakers.get(who) or bookmaker_named(who) for who in quoting]
    by_name = sorted(known, key=lambda one: (one.bookmaker_name.casefold(), one.bookmaker_id))
    paths = {
        horse_id: _paths(race.runners.get(horse_id), changes, by_name, query)
        for horse_id, changes in race.changes.items()
    }
    every = [path for of_runner in paths.values() for path in of_runner]
    next_from, count = _page_end(every, query.limit)
    names = {who: known.bookmaker_name for who, known in race.bookmakers.items()}
    prices = _PriceBodies()
    return RaceHistory(
        success=True,
        race_id=query.race_id,
        from_at=query.from_at,
        to_at=query.to_at,
        resolution=query.resolution,
        count=count,
        limit=query.limit,
        next_from=next_from,
        completeness=path_completeness(race.repair) if race.repair is not None else None,
        runners=tuple(
            _runner_series(stored, paths[stored.runner.horse_id], next_from, prices, names)
            for stored in sorted(race.runners.values(), key=by_number)
            if stored.runner.horse_id in paths
        ),
    )


def _paths(
    runner: StoredRunner | None,
    changes: list[QuoteChange],
    bookmakers: list[Bookmaker],
    query: HistoryQuery,
) -> list[_Path]:
    """A runner's paths: the best price, then everyone's that is asked for, by name."""
    fixed = {one.bookmaker_id for one in bookmakers if one.bookmaker_type is BookmakerType.FIXED}
    best = best_path(
        (change for change in changes if change.bookmaker_id in fixed),
        withdrawn_at=_withdrawn_at(runner),
    )
    paths = [_path(None, best, query)]
    if query.best_only:
        return paths
    by_bookmaker: dict[BookmakerId, list[QuoteChange]] = {}
    for change in changes:
        by_bookmaker.setdefault(change.bookmaker_id, []).append(change)
    for bookmaker in bookmakers:
        who = bookmaker.bookmaker_id
        if who in by_bookmaker and query.bookmaker_id in (None, who):
            path = _path(bookmaker, by_bookmaker[who], query)
            if not path.is_empty:
                paths.append(path)
    return paths


def _withdrawn_at(runner: StoredRunner | None) -> datetime | None:
    if runner is None:
        return None
    moments = (runner.non_runner_at, runner.removed_at)
    return min((moment for moment in moments if moment is not None), default=None)


def _path(bookmaker: Bookmaker | None, points: Sequence[PricePoint], query: HistoryQuery) -> _Path:
    part = stretch(points, from_at=query.from_at, to_at=query.to_at)
    made = None if query.resolution is None else bars(part, query.resolution.length)
    return _Path(bookmaker=bookmaker, part=part, bars=made)


def _page_end(paths: Collection[_Path], limit: int) -> tuple[datetime | None, int]:
    """Where the next page begins, if there is one, and how much is in this one.

    An instant is never cut in two, so a page whose first instant alone has more holds all of it.
    """
    whole = sum(path.size for path in paths)
    if whole <= limit:
        return None, whole
    by_instant = Counter(instant for path in paths for instant in path.instants())
    count = 0
    for instant in sorted(by_instant):
        if count and count + by_instant[instant] > limit:
            return instant, count
        count += by_instant[instant]
    return None, count


class _PriceBodies(dict[Price | None, PriceBody | None]):
    """Bodies of prices; one that comes again has the body that it had, as most do."""

    def __missing__(self, price: Price | None) -> PriceBody | None:
        self[price] = body = _price(price) if price is not None else None
        return body


def _price(price: Price) -> PriceBody:
    return PriceBody(odds_decimal=price.decimal, odds_fractional=price.fractional)


def _points(points: Iterable[PricePoint], prices: _PriceBodies) -> tuple[PointBody, ...]:
    return tuple([PointBody(at=point.at, price=prices[point.price]) for point in points])


def _best_points(
    points: Iterable[PricePoint], prices: _PriceBodies, names: Mapping[BookmakerId, str]
) -> tuple[PointBody, ...]:
    return tuple(
        [
            PointBody(
                at=point.at,
                price=prices[point.price],
                bookmakers=tuple([names.get(who, who) for who in point.bookmakers]),
            )
            for point in points
            if isinstance(point, BestPoint)
        ]
    )


def _bar(bar: Bar) -> BarBody:
    return BarBody(
        begins_at=bar.begins_at,
        open=_price(bar.open),
        high=_price(bar.high),
        low=_price(bar.low),
        close=_price(bar.close),
        stands=bar.stands,
        changes=bar.changes,
    )


def _runner_series(
    stored: StoredRunner,
    paths: list[_Path],
    until: datetime | None,
    prices: _PriceBodies,
    names: Mapping[BookmakerId, str],
) -> RunnerSeries:
    best, *others = [_series(path, until, prices, names) for path in paths]
    return RunnerSeries(
        horse_id=stored.runner.horse_id,
        horse_name=stored.runner.horse_name,
        horse_number=stored.runner.horse_number,
        is_non_runner=stored.runner.is_non_runner,
        non_runner_at=stored.non_runner_at,
        best=best,
        bookmakers=tuple([s for s in others if s.bookmaker_type is BookmakerType.FIXED]),
        exchanges=tuple([s for s in others if s.bookmaker_type is BookmakerType.EXCHANGE]),
    )


def _series(
    path: _Path, until: datetime | None, prices: _PriceBodies, names: Mapping[BookmakerId, str]
) -> PriceSeries:
    who = path.bookmaker
    within = bisect_left(list(path.instants()), until) if until is not None else None
    told: dict[str, Any]
    if path.bars is not None:
        told = {"bars": tuple([_bar(bar) for bar in path.bars[:within]])}
    elif who is None:
        told = {"points": _best_points(path.part.points[:within], prices, names)}
    else:
        told = {"points": _points(path.part.points[:within], prices)}
    return PriceSeries(
        bookmaker_id=who.bookmaker_id if who is not None else None,
        bookmaker_name=who.bookmaker_name if who is not None else None,
        bookmaker_type=who.bookmaker_type if who is not None else None,
        standing=prices[path.part.standing],
        **told,
    )
