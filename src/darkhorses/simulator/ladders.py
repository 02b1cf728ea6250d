"""The steps that prices move on: bookmakers' fractions and the exchange's ticks."""

from bisect import bisect_left
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import pairwise

import msgspec

_FRACTIONS = (
    "1/50 1/33 1/25 1/20 1/16 1/14 1/12 1/10 1/9 1/8 1/7 2/13 1/6 2/11 1/5 2/9 1/4 2/7 3/10 1/3 "
    "4/11 2/5 4/9 1/2 8/15 4/7 8/13 4/6 8/11 4/5 5/6 10/11 1/1 11/10 6/5 5/4 11/8 6/4 13/8 7/4 "
    "15/8 2/1 85/40 9/4 5/2 11/4 3/1 10/3 7/2 4/1 9/2 5/1 11/2 6/1 13/2 7/1 15/2 8/1 17/2 9/1 "
    "10/1 11/1 12/1 14/1 16/1 18/1 20/1 22/1 25/1 28/1 33/1 40/1 50/1 66/1 80/1 100/1 125/1 150/1 "
    "200/1 250/1"
)
_TICKS = (
    ("1.01", "2", "0.01"),
    ("2", "3", "0.02"),
    ("3", "4", "0.05"),
    ("4", "6", "0.1"),
    ("6", "10", "0.2"),
    ("10", "20", "0.5"),
    ("20", "30", "1"),
    ("30", "50", "2"),
    ("50", "100", "5"),
    ("100", "1010", "10"),
)
_CENT = Decimal("0.01")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A price as the feed writes it: both texts, and the exact decimal odds (stake included)."""

    fractional: str
    decimal: str
    odds: float


class Ladder:
    """Steps from the shortest price to the longest."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = steps
        chances = [1 / step.odds for step in steps]
        # Between two steps the nearer one is meant by chance, not by odds: 66/1 and 100/1 are
        # neighbours while 2/1 and 3/1 are not.
        self._bounds = [-(one + other) / 2 for one, other in pairwise(chances)]

    def nearest(self, chance: float) -> int:
        """The position of the step nearest to a chance of winning."""
        return bisect_left(self._bounds, -chance)


def decimal_text(odds: Decimal | Fraction) -> str:
    """Decimal odds as on cards: half-even to two places, no trailing zeros."""
    if isinstance(odds, Fraction):
        odds = Decimal(odds.numerator) / Decimal(odds.denominator)
    text = f"{odds.quantize(_CENT, rounding=ROUND_HALF_EVEN)}"
    return text.rstrip("0").rstrip(".")


def _bookmakers_steps() -> tuple[Step, ...]:
    steps = []
    for text in _FRACTIONS.split():
        odds = Fraction(text) + 1
        steps.append(
            Step(
                fractional="Evens" if text == "1/1" else text,
                decimal=decimal_text(odds),
                odds=float(odds),
            )
        )
    return tuple(steps)


def _exchange_steps() -> tuple[Step, ...]:
    steps = []
    for first, end, tick in _TICKS:
        odds = Decimal(first)
        while odds < Decimal(end):
            text = decimal_text(odds)
            # An exchange has no fractions: the feed repeats the decimal.
            steps.append(Step(fractional=text, decimal=text, odds=float(odds)))
            odds += Decimal(tick)
    return tuple(steps)


FRACTIONS = Ladder(_bookmakers_steps())
TICKS = Ladder(_exchange_steps())
