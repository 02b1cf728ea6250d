"""The path of one bookmaker's price on one runner: every change, in the order of effect.

A day's paths are tens of thousands, and hold hundreds of thousands of changes, so a path is packed:
first the instants of all its changes, 8 bytes each, then as many numbers of prices, 4 bytes each.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from darkhorses.domain.prices import Price

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INSTANT = struct.Struct("=q")
_NUMBER = struct.Struct("=I")
_POINT = _INSTANT.size + _NUMBER.size


class PathPoint(msgspec.Struct, frozen=True):
    """From ``at`` on (UTC) the price was this, or none."""

    at: datetime
    price: Price | None


class _NumberedPrices:
    """Every price of any path once, by number; 0 is that there is none.

    Nothing is forgotten: bookmakers quote some thousand different prices, whatever the day.
    """

    def __init__(self) -> None:
        self._prices: list[Price | None] = [None]
        self._numbers: dict[Price | None, int] = {None: 0}

    def number(self, price: Price | None) -> int:
        """The number of a price, a new one if need be."""
        number = self._numbers.get(price)
        if number is None:
            number = self._numbers[price] = len(self._prices)
            self._prices.append(price)
        return number

    def price(self, number: int) -> Price | None:
        """The price of a number that was given out."""
        return self._prices[number]


_numbered = _NumberedPrices()


class PricePath:
    """Grows by changes in the order of the log; one that took effect earlier finds its place.

    Of changes at one instant the later entry of the log stands.
    """

    __slots__ = ("_points",)

    def __init__(self) -> None:
        self._points = b""

    def __len__(self) -> int:
        return len(self._points) // _POINT

    def add(self, at: datetime, price: Price | None) -> None:
        """Note a change."""
        points = self._points
        place = self._place_after(at)
        number = _NUMBER.pack(_numbered.number(price))
        if place and self._at(place - 1) == at:
            start = self._start_of_number(place - 1)
            self._points = points[:start] + number + points[start + _NUMBER.size :]
            return
        instant, start = place * _INSTANT.size, self._start_of_number(place)
        self._points = b"".join(
            (
                points[:instant],
                _INSTANT.pack(_microseconds(at)),
                points[instant:start],
                number,
                points[start:],
            )
        )

    def at(self, instant: datetime) -> Price | None:
        """The price that stood at an instant, changes at it included; None where there was none."""
        place = self._place_after(instant)
        return self._price(place - 1) if place else None

    def opening(self) -> PathPoint | None:
        """The first price; None when there never was one."""
        for place in range(len(self)):
            if (price := self._price(place)) is not None:
                return PathPoint(self._at(place), price)
        return None

    def newest(self) -> Price | None:
        """The price that stands after all changes."""
        return self._price(len(self) - 1) if self._points else None

    def last_priced(self) -> Price | None:
        """The last price that there was, whether or not it still stands."""
        prices = (self._price(place) for place in reversed(range(len(self))))
        return next((price for price in prices if price is not None), None)

    def changed_at(self) -> datetime | None:
        """When the last change took effect."""
        return self._at(len(self) - 1) if self._points else None

    def after(self, instant: datetime) -> Iterator[PathPoint]:
        """The changes after an instant."""
        for place in range(self._place_after(instant), len(self)):
            yield PathPoint(self._at(place), self._price(place))

    def _place_after(self, instant: datetime) -> int:
        """How many changes took effect by an instant."""
        instants = memoryview(self._points)[: len(self) * _INSTANT.size].cast("q")
        return bisect_right(instants, _microseconds(instant))

    def _at(self, place: int) -> datetime:
        (microseconds,) = _INSTANT.unpack_from(self._points, place * _INSTANT.size)
        return _EPOCH + timedelta(microseconds=microseconds)

    def _price(self, place: int) -> Price | None:
        (number,) = _NUMBER.unpack_from(self._points, self._start_of_number(place))
        return _numbered.price(number)

    def _start_of_number(self, place: int) -> int:
        return len(self) * _INSTANT.size + place * _NUMBER.size


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND
