"""Prices: what the feed says, kept exactly.

The fraction is the exact price and the decimal is rounded by the feed (10/3 arrives as 4.33), so
both are kept and sums are done on the fraction where there is one.
"""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

import msgspec

_FRACTION = re.compile(r"(\d{1,6})\s*[/\-]\s*(\d{1,6})", re.ASCII)
# Decimal() also takes underscores, other alphabets' digits, and exponents.
_NUMBER = re.compile(r"[+\-]?(\d{1,12}(\.\d{0,12})?|\.\d{1,12})", re.ASCII)
_THOUSANDTH = Decimal("0.001")
_TOO_LONG = Decimal(10_000_000)
_ROUNDING = Fraction(1, 50)  # decimals come rounded; those seen are off by 0.005 at most
_SHOWN = 60
_NO_PRICE = frozenset({"", "-", "\N{EN DASH}", "\N{EM DASH}", "SP", "NR", "N/A"})
_EVENS = frozenset({"EVS", "EVENS", "EVEN", "EV"})

EVENS: Final = Fraction(2)


class Price(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A price on offer.

    ``decimal`` is the feed's own decimal (stake included, > 1, at most 3 places); ``fractional``
    is ``"10/3"`` (``"1/1"`` for evens), or None where the source has none, as on exchanges.
    """

    decimal: Decimal
    fractional: str | None = None

    @property
    def exact(self) -> Fraction:
        """The exact decimal price, from the fraction where there is one."""
        if self.fractional is None:
            return Fraction(self.decimal)
        numerator, _, denominator = self.fractional.partition("/")
        return Fraction(int(numerator), int(denominator)) + 1

    @property
    def implied_probability(self) -> Fraction:
        """1/price: the chance at which the price is fair, between 0 and 1."""
        return 1 / self.exact


@lru_cache(maxsize=16_384)
def read_price(decimal_text: str, fractional_text: str) -> Price | None:
    """Read a price from the feed's two texts; None where there is no price.

    ``-``, ``SP``, empty and every decimal ≤ 1 are no price. A fraction without a stroke is
    either an exchange repeating its decimal (no fraction) or, on old cards, n-to-one. A fraction
    that says something else than its decimal is no price: nobody knows which of them is right.
    Raises ValueError for text that is neither a price nor a known way to say "none".
    """
    decimal_text = decimal_text.strip().upper()
    fractional_text = fractional_text.strip().upper()
    if decimal_text in _NO_PRICE:
        # A fraction beside "no decimal" is a leftover: the feed pulls the decimal first.
        return None
    if decimal_text in _EVENS:
        decimal_text = "2"
    if not _NUMBER.fullmatch(decimal_text):
        raise ValueError(f"decimal price {decimal_text[:_SHOWN]!r} is not a number")
    decimal = Decimal(decimal_text)
    stored = decimal.quantize(_THOUSANDTH, rounding=ROUND_HALF_EVEN).normalize()
    if stored >= _TOO_LONG:
        raise ValueError(f"decimal price {decimal_text!r} is out of range")
    if stored <= 1:
        return None
    fractional = _read_fraction(fractional_text, decimal)
    decimal = stored
    if decimal.as_tuple().exponent > 0:  # type: ignore[operator]  # finite: the exponent is an int
        decimal = decimal.quantize(Decimal(1))
    return Price(decimal=decimal, fractional=fractional)


def _read_fraction(text: str, decimal: Decimal) -> str | None:
    if text in _NO_PRICE:
        return None
    if text in _EVENS:
        text = "1/1"
    if match := _FRACTION.fullmatch(text):
        numerator, denominator = int(match[1]), int(match[2])
        if numerator == 0 or denominator == 0:
            raise ValueError(f"fractional price {text!r} has a zero")
        price = Fraction(decimal)
        if abs(Fraction(numerator, denominator) + 1 - price) > price * _ROUNDING:
            raise ValueError(f"fractional price {text!r} does not fit decimal {decimal}")
        return f"{numerator}/{denominator}"
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"fractional price {text[:_SHOWN]!r} is not a fraction")
    number = Decimal(text)
    if number == decimal:
        return None
    if number == number.to_integral_value() and number + 1 == decimal:
        return f"{int(number)}/1"
    raise ValueError(f"fractional price {text!r} does not fit decimal {decimal}")
