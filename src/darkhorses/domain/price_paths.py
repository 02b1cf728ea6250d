"""The path of one bookmaker's price on one runner: every change, in the order of effect.

A day has tens of thousands of paths with hundreds of thousands of changes, so that a path is
packed: a change takes 8 bytes, of which the upper 47 bits are its microseconds from the path's
origin and the lower 17 the number of its price. So the changes are in order when these are.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from darkhorses.domain.prices import Price

_MICROSECOND = timedelta(microseconds=1)
_POINT = struct.Struct("=q")
_SIZE = _POINT.size
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


class PricePath:
    """Grows by changes in the order of the log; one that took effect earlier finds its place.

    Of changes at one instant the later entry of the log stands. ``origin`` (UTC) is any instant
    within two years of all changes, such as the off; paths that share one take less memory.
    """

    __slots__ = ("_origin", "_points")

    def __init__(self, origin: datetime) -> None:
        self._origin = origin
        self._points = b""

    def __len__(self) -> int:
        return len(self._points) // _SIZE

    def add(self, at: datetime, price: Price | None) -> None:
        """Note a change; raises struct.error when it is too far from the origin."""
        key = self._key(at)
        point = _POINT.pack(key | _numbered.number(price))
        place = self._place_after(key)
        start = end = place * _SIZE
        if place and self._point(place - 1) >> _NUMBER_BITS == key >> _NUMBER_BITS:
            start -= _SIZE
        self._points = self._points[:start] + point + self._points[end:]

    def at(self, instant: datetime) -> Price | None:
        """The price that stood at an instant, changes at it included; None where there was none."""
        place = self._place_after(self._key(instant))
        return self._price(place - 1) if place else None

    def opening(self) -> PathPoint | None:
        """The first price; None when there never was one."""
        for place in range(len(self)):
            if (price := self._price(place)) is not None:
                return PathPoint(self._at(place), price)
        return None

    def newest(self) -> Price | None:
        """The price that stands after all changes."""
        return self._price(-1) if self._points else None

    def last_priced(self) -> Price | None:
        """The last price that there was, whether or not it still stands."""
        prices = (self._price(place) for place in reversed(range(len(self))))
        return next((price for price in prices if price is not None), None)

    def changed_after(self, instant: datetime) -> bool:
        """Whether any change took effect after an instant."""
        return bool(self._points) and self._point(-1) > self._key(instant) | _NUMBER

    def after(self, instant: datetime) -> Iterator[PathPoint]:
        """The changes after an instant."""
        for place in range(self._place_after(self._key(instant)), len(self)):
            yield PathPoint(self._at(place), self._price(place))

    def _key(self, instant: datetime) -> int:
        return (instant - self._origin) // _MICROSECOND << _NUMBER_BITS

    def _place_after(self, key: int) -> int:
        """How many changes took effect by an instant."""
        return bisect_right(memoryview(self._points).cast("q"), key | _NUMBER)

    def _point(self, place: int) -> int:
        point: int = _POINT.unpack_from(self._points, place * _SIZE)[0]
        return point

    def _at(self, place: int) -> datetime:
        return self._origin + timedelta(microseconds=self._point(place) >> _NUMBER_BITS)

    def _price(self, place: int) -> Price | None:
        return _numbered.prices[self._point(place) & _NUMBER]
