"""A race's market: true chances that walk, and what each bookmaker makes of them.

Time runs backward from the actual off, in moves of the market: one every 10 minutes in the days
before, every 2 minutes in the last two hours, every 30 seconds in the last half hour, every 10
seconds in the last 5 minutes. The chances at the off are given and the walk goes back from them,
so that a result needs no walk. The feed refreshes all prices of a race at once on a grid.
"""

from datetime import UTC, datetime
from functools import cached_property
from math import ceil, exp, floor, inf

import msgspec

from darkhorses.simulator.books import Book
from darkhorses.simulator.chance import chance
from darkhorses.simulator.events import Events
from darkhorses.simulator.ladders import Step
from darkhorses.simulator.races import RaceFacts

Active = tuple[int, ...]
"""Positions in the field of those still running."""

# Seconds before the off at which a zone ends, seconds between its moves, chance that a runner
# takes part in a move, and by how much.
_ZONES = (
    (300, 10, 0.3, 0.05),
    (1_800, 30, 0.3, 0.05),
    (7_200, 120, 0.2, 0.06),
    (165_600, 600, 0.15, 0.05),
)
_MOST_KEPT = 20_000
_LIKELIEST = 0.97
_ROUNDING = 1e-7


class Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """A race's prices at one refresh: one tuple per book, by position in the field.

    None stands for a book that does not quote the race, -1 for a runner without a price.
    """

    stamp: int
    active: Active
    prices: tuple[tuple[int, ...] | None, ...]


class PricePoint(msgspec.Struct, frozen=True, kw_only=True):
    """A price as a history has it; ``step`` None when there was none."""

    changed_at: datetime
    step: Step | None


class Market:
    """One race's market from the day before until its off; see the module."""

    def __init__(
        self, *, seed: int, race: RaceFacts, events: Events, books: tuple[Book, ...],
        speed: float, refresh: int,
    ) -> None:  # fmt: skip
        self._race = race
        self._seed = seed
        self._events = events
        self._books = books
        self._speed = speed
        self._grid = refresh
        self._subject = race.slot.race_id
        self._phase = chance(seed, "phase", self._subject).randrange(refresh)
        self._closes = int(events.closes.timestamp())
        # With abandonment the prices stay as they were.
        ends = self._closes
        if events.abandoned_at is not None:
            ends = min(ends, int(events.abandoned_at.timestamp()))
        self._last_stamp = self._stamp_from(ends)
        self._withdrawn = sorted(
            (self._stamp_from(when.timestamp()), position)
            for position, when in events.withdrawn.items()
        )
        self._field = tuple(range(len(race.runners)))
        self._kept: dict[tuple[int, int, Active], tuple[int, ...]] = {}
        self._weights: dict[int, list[float]] = {}

    def stamp(self, now: datetime) -> int:
        """The last refresh up to an instant, in seconds; none comes after the off."""
        passed = floor(now.timestamp()) - self._phase
        return min(passed - passed % self._grid + self._phase, self._last_stamp)

    def active(self, stamp: int) -> Active:
        """Who is still to run at a refresh."""
        gone = {position for since, position in self._withdrawn if since <= stamp}
        return tuple(position for position in self._field if position not in gone)

    def refresh(self, stamp: int) -> Refresh:
        """All prices at a refresh."""
        active = self.active(stamp)
        return Refresh(
            stamp=stamp,
            active=active,
            prices=tuple(self._prices(book, stamp, active) for book in range(len(self._books))),
        )

    def history(self, position: int, stamp: int) -> list[list[PricePoint]]:
        """A runner's prices up to a refresh, per book, newest first; [] where none was quoted.

        Begins at 00:00 the day before; whole minutes: of several prices in a minute the last.
        """
        begin = self._stamp_from(self._race.slot.day_before.timestamp())
        return [
            self._history(book, position, begin, stamp) if begin <= stamp else []
            for book in range(len(self._books))
        ]

    @cached_property
    def final_strengths(self) -> list[float]:
        """What decides the race: the strengths when the market closed."""
        return [runner.strength for runner in self._race.runners]

    @cached_property
    def final(self) -> Refresh:
        """The last refresh, which stays."""
        return self.refresh(self._last_stamp)

    # The grid

    def _stamp_from(self, seconds: float) -> int:
        """The first refresh at or after an instant."""
        return ceil((seconds - self._phase) / self._grid) * self._grid + self._phase

    # Books

    @cached_property
    def _opens(self) -> tuple[int, ...]:
        """When each book begins to quote: the early ones at once, the rest within the day."""
        begin = self._race.slot.day_before.timestamp()
        dice = chance(self._seed, "opens", self._subject)
        return tuple(
            self._stamp_from(begin + (0 if book.early else dice.uniform(8, 20) * 3600))
            for book in self._books
        )

    @cached_property
    def _opinions(self) -> tuple[tuple[float, ...], ...]:
        """Each book's own view of each runner, a factor."""
        dice = chance(self._seed, "opinions", self._subject)
        return tuple(
            tuple(exp(dice.gauss(0, book.opinion)) if book.opinion else 1.0 for _ in self._field)
            for book in self._books
        )

    @cached_property
    def _pulls(self) -> tuple[tuple[int, int, int, bool], ...]:
        return tuple(
            (
                pull.book,
                self._stamp_from(pull.begins.timestamp()),
                self._stamp_from(pull.ends.timestamp()),
                pull.absent,
            )
            for pull in self._events.pulls
        )

    def _prices(self, book: int, stamp: int, active: Active) -> tuple[int, ...] | None:
        if stamp < self._opens[book]:
            return None
        for pulled, begins, ends, absent in self._pulls:
            if pulled == book and begins <= stamp < ends:
                return None if absent else (-1,) * len(self._field)
        return self._priced(book, self._move(stamp, self._books[book].lag), active)

    def _priced(self, book: int, move: int, active: Active) -> tuple[int, ...]:
        key = (book, move, active)
        prices = self._kept.get(key)
        if prices is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            prices = self._kept[key] = self._price(book, move, active)
        return prices

    def _price(self, book: int, move: int, active: Active) -> tuple[int, ...]:
        habits = self._books[book]
        opinions = self._opinions[book]
        strengths = self._weights_at(move)
        weights = [strengths[position] ** habits.bias * opinions[position] for position in active]
        factor = habits.book_percentage(len(active)) / sum(weights)
        nearest = habits.ladder.nearest
        prices = [-1] * len(self._field)
        for position, weight in zip(active, weights, strict=True):
            prices[position] = nearest(min(weight * factor, _LIKELIEST))
        return tuple(prices)

    def _weights_at(self, move: int) -> list[float]:
        weights = self._weights.get(move)
        if weights is None:
            weights = self._weights[move] = [exp(strength) for strength in self._walk[move]]
        return weights

    # The walk

    def _move(self, stamp: int, lag: float) -> int:
        """How many moves before the off a book with a lag is at a refresh."""
        back = max(0, self._closes - stamp) * self._speed
        return min(ceil(moves_before(back) + lag - _ROUNDING), len(self._walk) - 1)

    @cached_property
    def _walk(self) -> list[list[float]]:
        """Strengths by moves before the off, from the off back."""
        dice = chance(self._seed, "walk", self._subject)
        strengths = self.final_strengths
        walk = [strengths]
        ended = 0
        for end, gap, share, size in _ZONES:
            for _ in range((end - ended) // gap):
                strengths = [
                    strength + dice.gauss(0, size) if dice.random() < share else strength
                    for strength in strengths
                ]
                walk.append(strengths)
            ended = end
        return walk

    def _history(self, book: int, position: int, begin: int, stamp: int) -> list[PricePoint]:
        steps = self._books[book].ladder.steps
        by_minute: dict[int, int] = {}
        for at in self._changes(book, begin, stamp):
            prices = self._prices(book, at, self.active(at))
            by_minute[at - at % 60] = -1 if prices is None else prices[position]
        points: list[PricePoint] = []
        last = -1
        for minute, price in by_minute.items():
            if price != last:
                points.append(
                    PricePoint(
                        changed_at=datetime.fromtimestamp(minute, UTC),
                        step=steps[price] if price >= 0 else None,
                    )
                )
                last = price
        return points[::-1]

    def _changes(self, book: int, begin: int, stamp: int) -> list[int]:
        """All refreshes at which a book's prices may have changed."""
        lag = self._books[book].lag
        changes = {begin, self._opens[book]}
        changes.update(since for since, _ in self._withdrawn)
        changes.update(at for pulled, *ats, _ in self._pulls if pulled == book for at in ats)
        for move in range(self._move(stamp, lag), self._move(begin, lag)):
            back = seconds_before(move - lag)
            changes.add(self._stamp_from(self._closes - back / self._speed - _ROUNDING))
        return sorted(at for at in changes if begin <= at <= stamp)


def moves_before(seconds: float) -> float:
    """Moves of the market in the last ``seconds`` before the off; fractions between moves."""
    moves = 0.0
    ended = 0
    for end, gap, *_ in _ZONES:
        if seconds <= end:
            return moves + (seconds - ended) / gap
        moves += (end - ended) / gap
        ended = end
    return moves


def seconds_before(moves: float) -> float:
    """The inverse of ``moves_before``; never below 0."""
    if moves <= 0:
        return 0.0
    ended = 0
    for end, gap, *_ in _ZONES:
        if moves <= (end - ended) / gap:
            return ended + moves * gap
        moves -= (end - ended) / gap
        ended = end
    return inf
