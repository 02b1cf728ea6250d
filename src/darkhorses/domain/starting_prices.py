"""Starting prices: what ``15/8F`` and ``EvensF`` say, and who was favourite by them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import msgspec

from darkhorses.domain.board import FavouriteMark, favourite_marks, favourite_ranks
from darkhorses.domain.identifiers import HorseId
from darkhorses.domain.prices import Price, read_price

_TEXT = re.compile(
    r"^(?P<price>EVENS?|EVS|EV|\d{1,9}\s*/\s*\d{1,9}|\d{1,9})\s*(?P<mark>[FJC])?F?$", re.ASCII
)
_NO_PRICE = frozenset({"", "-", "\N{EN DASH}", "\N{EM DASH}", "SP", "NR", "N/A", "NO SP"})
_THOUSANDTH = Decimal("0.001")
_TOO_LONG = 1_000_000
_TOO_SHORT = 1_000  # a decimal of three places would be 1


class Favourite(msgspec.Struct, frozen=True, kw_only=True):
    """A runner's rank by starting price (ties share one: 1, 1, 3); ``mark`` of rank 1 alone."""

    rank: int
    mark: FavouriteMark | None


def read_starting_price(text: str, decimal_text: str = "") -> Price | None:
    """Read ``15/8F``, ``7/2J``, ``11/10C``, ``Evens``; None where there was no starting price.

    The fraction is the price; the feed's rounded decimal counts only where no fraction is. The
    decimal is the exact one, half-even at 3 places. Raises ValueError for text that is neither.
    """
    words = text.strip().upper()
    if words in _NO_PRICE:
        return read_price(decimal_text, "")
    match = _TEXT.match(words)
    if match is None:
        raise ValueError(f"starting price {text!r} is not a price")
    numerator, _, denominator = match["price"].replace(" ", "").partition("/")
    if numerator.startswith("E"):
        numerator = denominator = "1"
    over, under = int(numerator), int(denominator or "1")
    if over == 0 or under == 0:
        raise ValueError(f"starting price {text!r} has a zero")
    if over >= _TOO_LONG * under or under >= _TOO_SHORT * over:
        raise ValueError(f"starting price {text!r} is out of range")
    return Price(decimal=as_decimal(Fraction(over, under) + 1), fractional=f"{over}/{under}")


def as_decimal(value: Fraction, step: Decimal = _THOUSANDTH) -> Decimal:
    """An exact value as a decimal, half-even at ``step``."""
    # Fraction's round is half-even and exact, a division of decimals is neither.
    return round(value / Fraction(step)) * step


def favourites_by_starting_price(prices: Mapping[HorseId, Price]) -> dict[HorseId, Favourite]:
    """Rank the runners of a race that had a starting price, the shortest first."""
    ranks = favourite_ranks(prices)
    marks = favourite_marks(ranks)
    return {
        horse_id: Favourite(rank=rank, mark=marks.get(horse_id)) for horse_id, rank in ranks.items()
    }
