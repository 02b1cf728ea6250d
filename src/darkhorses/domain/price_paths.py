"""The paths of a race's prices: every change of each, in the order of effect.

A day has tens of thousands of paths with hundreds of thousands of changes. So the changes of a
race lie in one log, 12 bytes each, and a path is the chain of its own, the newest first::

    points    c0   c1   c2   c3   c4    when, and the number of the price
    before    -    -    0    1    2     the change before it on the same path
    newest    path 0: c4     path 1: c3

What is asked nearly always is what stands and what has changed of late, which lies at the near end.
"""

from array import array
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from darkhorses.domain.prices import Price

_MICROSECOND = timedelta(microseconds=1)
_NONE = -1
_NUMBER_BITS = 17
_MOST_NUMBERS = 1 << _NUMBER_BITS
_NUMBER = _MOST_NUMBERS - 1


class PathPoint(msgspec.Struct, frozen=True):
    """From ``at`` on (UTC) the price was this, or none."""

    at: datetime
    price: Price | None


class _NumberedPrices:
    """Every price of any path once, by number; 0 is that there is none.

    ``prices`` has each in the place of its number. Nothing is forgotten: bookmakers quote some
    thousand different prices, whatever the day.
    """

    def __init__(self) -> None:
        self.prices: list[Price | None] = [None]
        self._numbers: dict[Price | None, int] = {None: 0}

    def number(self, price: Price | None) -> int:
        """The number of a price, a new one if need be; raises OverflowError beyond 131,071."""
        number = self._numbers.get(price)
        if number is None:
            number = len(self.prices)
            if number == _MOST_NUMBERS:
                raise OverflowError(f"more than {number} different prices")
            self._numbers[price] = number
            self.prices.append(price)
        return number


_numbered = _NumberedPrices()


class PriceLog:
    """The changes of several paths.

    ``origin`` (UTC) is any instant within two years of all changes, such as the off: of a change's
    64 bits the upper 47 are its microseconds from there and the lower 17 its price's number.
    """

    __slots__ = ("_before", "_newest", "_origin", "_points")

    def __init__(self, origin: datetime) -> None:
        self._origin = origin
        self._points = array("q")
        self._before = array("i")
        self._newest = array("i")

    def new_path(self) -> int:
        """The number of another path, which has no change yet."""
        self._newest.append(_NONE)
        return len(self._newest) - 1

    def add(self, path: int, at: datetime, price: Price | None) -> None:
        """Note a change; raises OverflowError when it is too far from the origin."""
        key = self._key(at)
        point = key | _numbered.number(price)
        following, place = _NONE, self._newest[path]
        while place != _NONE and self._points[place] > key | _NUMBER:
            following, place = place, self._before[place]
        if place != _NONE and self._points[place] >= key:
            self._points[place] = point
            return
        self._points.append(point)
        self._before.append(place)
        added = len(self._points) - 1
        if following == _NONE:
            self._newest[path] = added
        else:
            self._before[following] = added

    def backwards(self, path: int) -> Iterator[int]:
        """The changes of a path, the last to take effect first, for ``at`` and ``price``."""
        place = self._newest[path]
        while place != _NONE:
            yield self._points[place]
            place = self._before[place]

    def newest(self, path: int) -> int | None:
        """The last change of a path to take effect."""
        place = self._newest[path]
        return None if place == _NONE else self._points[place]

    def last_by(self, instant: datetime) -> int:
        """What every change by an instant is at most, and every later one above."""
        return self._key(instant) | _NUMBER

    def point(self, change: int) -> PathPoint:
        """When a change took effect, and its price."""
        at = self._origin + timedelta(microseconds=change >> _NUMBER_BITS)
        return PathPoint(at, price_of(change))

    def _key(self, instant: datetime) -> int:
        return (instant - self._origin) // _MICROSECOND << _NUMBER_BITS


def price_of(change: int) -> Price | None:
    """The price of a change."""
    return _numbered.prices[change & _NUMBER]


class PricePath:
    """One of the paths of a log, as long as it is asked.

    A change that took effect earlier than others has found its place; of changes at one instant the
    later entry of the log stands.
    """

    __slots__ = ("_log", "_number")

    def __init__(self, log: PriceLog, number: int) -> None:
        self._log = log
        self._number = number

    def __len__(self) -> int:
        return sum(1 for _ in self._log.backwards(self._number))

    def at(self, instant: datetime) -> Price | None:
        """The price that stood at an instant, changes at it included; None where there was none."""
        last = self._log.last_by(instant)
        for change in self._log.backwards(self._number):
            if change <= last:
                return price_of(change)
        return None

    def opening(self) -> PathPoint | None:
        """The first price; None when there never was one."""
        opening = None
        for change in self._log.backwards(self._number):
            if price_of(change) is not None:
                opening = change
        return None if opening is None else self._log.point(opening)

    def newest(self) -> Price | None:
        """The price that stands after all changes."""
        change = self._log.newest(self._number)
        return None if change is None else price_of(change)

    def last_priced(self) -> Price | None:
        """The last price that there was, whether or not it still stands."""
        prices = map(price_of, self._log.backwards(self._number))
        return next((price for price in prices if price is not None), None)

    def changed_after(self, instant: datetime) -> bool:
        """Whether any change took effect after an instant."""
        change = self._log.newest(self._number)
        return change is not None and change > self._log.last_by(instant)

    def after(self, instant: datetime) -> Iterator[PathPoint]:
        """The changes after an instant."""
        last = self._log.last_by(instant)
        changes = []
        for change in self._log.backwards(self._number):
            if change <= last:
                break
            changes.append(change)
        return map(self._log.point, reversed(changes))
