from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.prices import Price, read_price


@pytest.mark.parametrize(
    "text", ["-", "", "SP", "sp", "0", "1", "1.0", "0.5", "1.0004", "\N{EN DASH}", " - "]
)
def test_what_is_no_price_is_none(text: str) -> None:
    assert read_price(text, "4/1") is None


@pytest.mark.parametrize(
    ("decimal", "fractional", "expected"),
    [
        ("4.33", "10/3", Price(decimal=Decimal("4.33"), fractional="10/3")),
        ("5", "4/1", Price(decimal=Decimal(5), fractional="4/1")),
        ("5", "4", Price(decimal=Decimal(5), fractional="4/1")),
        ("2", "EVS", Price(decimal=Decimal(2), fractional="1/1")),
        ("2.0", "Evens", Price(decimal=Decimal(2), fractional="1/1")),
        ("17.5", "17.5", Price(decimal=Decimal("17.5"))),
        ("3.5", "-", Price(decimal=Decimal("3.5"))),
    ],
)
def test_a_price_keeps_the_decimal_and_the_fraction_of_the_feed(
    decimal: str, fractional: str, expected: Price
) -> None:
    assert read_price(decimal, fractional) == expected


@pytest.mark.parametrize(
    ("decimal", "fractional"),
    [("abc", "4/1"), ("NaN", ""), ("Infinity", ""), ("99999999999", ""), ("5", "4/0"), ("5", "x")],
)
def test_nonsense_is_an_error_that_shows_it(decimal: str, fractional: str) -> None:
    with pytest.raises(ValueError, match="price"):
        read_price(decimal, fractional)


def test_sums_are_done_on_the_fraction_because_the_decimal_is_rounded() -> None:
    price = Price(decimal=Decimal("4.33"), fractional="10/3")

    assert price.exact == Fraction(13, 3)
    assert price.implied_probability == Fraction(3, 13)


@given(st.integers(1, 999), st.integers(1, 99))
def test_a_fraction_and_its_rounded_decimal_agree_within_the_rounding(
    numerator: int, denominator: int
) -> None:
    rounded = round(Decimal(numerator) / Decimal(denominator) + 1, 2)
    price = read_price(str(rounded), f"{numerator}/{denominator}")

    if rounded <= 1:
        assert price is None
    else:
        assert price is not None
        assert abs(price.exact - Fraction(price.decimal)) <= Fraction(1, 200)


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_is_a_price_above_one_or_none_or_an_error(decimal: str, fractional: str) -> None:
    try:
        price = read_price(decimal, fractional)
    except ValueError:
        return
    assert price is None or (price.decimal > 1 and price.exact > 1)
