"""What each bookmaker did in one race before its scheduled off: its book, best prices, and moves.

A **move** is a bookmaker's price on a runner that differs from its last one; a price that was
pulled and came back different has moved, too. A **market move** is a runner's price going the same
way at more than half of the bookmakers that quoted it, within ten minutes of the first of them
(three bookmakers at least; exchanges are apart). Who moved at its first instant has led, alone or
with others. The **consensus** stands when more than half have moved; a bookmaker's lag is counted
from there, and is negative for those ahead of it.

Instants are those at which a look saw the prices, so what changed between two looks changed
together, and a lag is no finer than the looks were frequent.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

import msgspec

from darkhorses.domain.board import best_price, implied_chance
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.prices import Price

WINDOW = timedelta(minutes=10)
"""How long the others have to follow."""

LEAST_BOOKMAKERS = 3
"""Fewer make no market."""


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """A price as it was seen to change; None: it was pulled."""

    horse_id: HorseId
    bookmaker_id: BookmakerId
    price: Price | None
    seen_at: datetime


class BookmakerMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """A bookmaker or exchange in one race.

    ``runners_priced``, ``best`` (runners on whom it had the highest price, ties too) and
    ``overround`` (sum of 1/price - 1; None for an incomplete book and for exchanges) are of the
    scheduled off, over the runners that were to run. ``market_moves`` are those of runners that
    it quoted; ``lag_seconds`` is the sum over the ``joined`` ones.
    """

    bookmaker_id: BookmakerId
    runners_priced: int
    best: int = 0
    overround: float | None = None
    shortened: int = 0
    drifted: int = 0
    market_moves: int = 0
    led: int = 0
    led_alone: int = 0
    joined: int = 0
    lag_seconds: float = 0.0


class RaceMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """A race: ``best_book`` is the sum of 1/best price, None when a runner had none."""

    runners: int
    priced_runners: int
    best_book: float | None
    market_moves: int
    bookmakers: tuple[BookmakerMeasure, ...]


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A bookmaker's price on one runner changed."""

    at: datetime
    bookmaker_id: BookmakerId
    shortened: bool


class MarketMove(msgspec.Struct, frozen=True, kw_only=True):
    """Most bookmakers moved a runner the same way; ``moved_at`` has the first move of each."""

    began_at: datetime
    consensus_at: datetime
    quoting: frozenset[BookmakerId]
    moved_at: Mapping[BookmakerId, datetime]

    @property
    def leaders(self) -> tuple[BookmakerId, ...]:
        """Who moved first; several when one look saw them together."""
        return tuple(who for who, at in self.moved_at.items() if at == self.began_at)


def measure_race(
    ticks: Iterable[Tick], *, active: AbstractSet[HorseId], exchanges: AbstractSet[BookmakerId]
) -> RaceMeasure:
    """Measure a race by its price changes, oldest first, up to its scheduled off.

    ``active`` are the runners that were to run.
    """
    paths: dict[HorseId, _Path] = {}
    for tick in ticks:
        path = paths.get(tick.horse_id)
        if path is None:
            path = paths[tick.horse_id] = _Path(exchanges)
        path.follow(tick)
    moves = [move for path in paths.values() for move in market_moves(path.moves, path.quoting_at)]
    standing = {horse_id: paths[horse_id].prices for horse_id in active if horse_id in paths}
    best = {
        horse_id: found
        for horse_id, prices in standing.items()
        if (found := best_price((w, p) for w, p in prices.items() if w not in exchanges))
    }
    whole = bool(active) and len(best) == len(active)
    return RaceMeasure(
        runners=len(active),
        priced_runners=len(best),
        best_book=sum(implied_chance(found.price) for found in best.values()) if whole else None,
        market_moves=len(moves),
        bookmakers=_measure_bookmakers(
            paths.values(),
            standing,
            best=Counter(who for found in best.values() for who in found.bookmakers),
            moves=moves,
            runners=len(active),
            exchanges=exchanges,
        ),
    )


def market_moves(
    moves: Sequence[Move], quoting_at: Mapping[datetime, frozenset[BookmakerId]]
) -> Iterator[MarketMove]:
    """Find the market moves among one runner's moves, which are in order of time.

    ``quoting_at`` says for the instant of every move which bookmakers had a price after it.
    """
    for shortened in (True, False):
        line = [move for move in moves if move.shortened is shortened]
        moving: Counter[BookmakerId] = Counter()
        first = following = 0
        while first < len(line):
            began_at = line[first].at
            while following < len(line) and line[following].at - began_at <= WINDOW:
                moving[line[following].bookmaker_id] += 1
                following += 1
            quoting = quoting_at[began_at]
            together = sum(who in quoting for who in moving)
            if len(quoting) >= LEAST_BOOKMAKERS and together * 2 > len(quoting):
                yield _market_move(line[first:following], quoting)
                first = following
                moving.clear()
            else:
                while first < following and line[first].at == began_at:
                    _forget_one(moving, line[first].bookmaker_id)
                    first += 1


class _Path:
    """One runner's prices: what stands, who quotes, and the moves of bookmakers so far."""

    def __init__(self, exchanges: AbstractSet[BookmakerId]) -> None:
        self._exchanges = exchanges
        self._last: dict[BookmakerId, Price] = {}
        self._quoting: frozenset[BookmakerId] = frozenset()
        self.prices: dict[BookmakerId, Price] = {}
        self.moves: list[Move] = []
        self.quoting_at: dict[datetime, frozenset[BookmakerId]] = {}
        self.turns: Counter[tuple[BookmakerId, bool]] = Counter()
        self.seen: set[BookmakerId] = set()

    def follow(self, tick: Tick) -> None:
        who, price = tick.bookmaker_id, tick.price
        self.seen.add(who)
        if price is None:
            self.prices.pop(who, None)
            self._quoting -= {who}
        else:
            self.prices[who] = price
            before = self._last.get(who)
            self._last[who] = price
            if who not in self._exchanges and who not in self._quoting:
                self._quoting |= {who}
            if before is not None and _differ(before, price):
                self._turn(tick, shortened=price.decimal < before.decimal)
        self.quoting_at[tick.seen_at] = self._quoting

    def _turn(self, tick: Tick, *, shortened: bool) -> None:
        self.turns[tick.bookmaker_id, shortened] += 1
        if tick.bookmaker_id not in self._exchanges:
            move = Move(at=tick.seen_at, bookmaker_id=tick.bookmaker_id, shortened=shortened)
            self.moves.append(move)


def _market_move(line: Sequence[Move], quoting: frozenset[BookmakerId]) -> MarketMove:
    moved_at: dict[BookmakerId, datetime] = {}
    for move in line:
        if move.bookmaker_id in quoting:
            moved_at.setdefault(move.bookmaker_id, move.at)
    return MarketMove(
        began_at=line[0].at,
        consensus_at=sorted(moved_at.values())[len(quoting) // 2],
        quoting=quoting,
        moved_at=moved_at,
    )


def _differ(before: Price, after: Price) -> bool:
    """Whether two prices are two: the feed rounds the decimal of one fraction in two ways."""
    if before.fractional is not None and before.fractional == after.fractional:
        return False
    return before.decimal != after.decimal


def _forget_one(moving: "Counter[BookmakerId]", who: BookmakerId) -> None:
    moving[who] -= 1
    if moving[who] == 0:
        del moving[who]


def _measure_bookmakers(
    paths: Iterable[_Path],
    standing: Mapping[HorseId, Mapping[BookmakerId, Price]],
    *,
    best: Mapping[BookmakerId, int],
    moves: Sequence[MarketMove],
    runners: int,
    exchanges: AbstractSet[BookmakerId],
) -> tuple[BookmakerMeasure, ...]:
    turns: Counter[tuple[BookmakerId, bool]] = Counter()
    seen: set[BookmakerId] = set()
    for path in paths:
        turns.update(path.turns)
        seen |= path.seen
    quoted = Counter(who for move in moves for who in move.quoting)
    joined = Counter(who for move in moves for who in move.moved_at)
    led = Counter(who for move in moves for who in move.leaders)
    alone = Counter(move.leaders[0] for move in moves if len(move.leaders) == 1)
    measures = []
    for who in sorted(seen):
        prices = [offers[who] for offers in standing.values() if who in offers]
        whole = runners > 0 and len(prices) == runners and who not in exchanges
        measures.append(
            BookmakerMeasure(
                bookmaker_id=who,
                runners_priced=len(prices),
                best=best.get(who, 0),
                overround=sum(map(implied_chance, prices)) - 1 if whole else None,
                shortened=turns[who, True],
                drifted=turns[who, False],
                market_moves=quoted[who],
                led=led[who],
                led_alone=alone[who],
                joined=joined[who],
                lag_seconds=_lag(who, moves),
            )
        )
    return tuple(measures)


def _lag(who: BookmakerId, moves: Iterable[MarketMove]) -> float:
    return sum(
        (move.moved_at[who] - move.consensus_at).total_seconds()
        for move in moves
        if who in move.moved_at
    )
