"""The path of one bookmaker's price on one runner: every change, in the order of effect."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime

import msgspec

from darkhorses.domain.prices import Price


class PathPoint(msgspec.Struct, frozen=True):
    """From ``at`` on (UTC) the price was this, or none."""

    at: datetime
    price: Price | None


class PricePath:
    """Grows by changes in the order of the log; one that took effect earlier finds its place.

    Of changes at one instant the later entry of the log stands.
    """

    __slots__ = ("_instants", "_prices")

    def __init__(self) -> None:
        self._instants: list[datetime] = []
        self._prices: list[Price | None] = []

    def __len__(self) -> int:
        return len(self._instants)

    def add(self, at: datetime, price: Price | None) -> None:
        """Note a change."""
        place = bisect_right(self._instants, at)
        if place and self._instants[place - 1] == at:
            self._prices[place - 1] = price
            return
        self._instants.insert(place, at)
        self._prices.insert(place, price)

    def at(self, instant: datetime) -> Price | None:
        """The price that stood at an instant, changes at it included; None where there was none."""
        place = bisect_right(self._instants, instant)
        return self._prices[place - 1] if place else None

    def opening(self) -> PathPoint | None:
        """The first price; None when there never was one."""
        for place, price in enumerate(self._prices):
            if price is not None:
                return PathPoint(self._instants[place], price)
        return None

    def newest(self) -> Price | None:
        """The price that stands after all changes."""
        return self._prices[-1] if self._prices else None

    def last_priced(self) -> Price | None:
        """The last price that there was, whether or not it still stands."""
        return next((price for price in reversed(self._prices) if price is not None), None)

    def changed_at(self) -> datetime | None:
        """When the last change took effect."""
        return self._instants[-1] if self._instants else None

    def after(self, instant: datetime) -> Iterator[PathPoint]:
        """The changes after an instant."""
        for place in range(bisect_right(self._instants, instant), len(self._instants)):
            yield PathPoint(self._instants[place], self._prices[place])
