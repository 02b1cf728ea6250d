from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.identifiers import HorseId
from darkhorses.domain.prices import Price
from darkhorses.domain.starting_prices import (
    Favourite,
    as_decimal,
    favourites_by_starting_price,
    read_starting_price,
)


@pytest.mark.parametrize(
    ("text", "decimal", "fractional"),
    [
        ("15/8F", "2.875", "15/8"),
        ("7/2J", "4.5", "7/2"),
        ("11/10C", "2.1", "11/10"),
        ("2/1JF", "3", "2/1"),
        ("5/2CF", "3.5", "5/2"),
        ("Evens", "2", "1/1"),
        ("EvensF", "2", "1/1"),
        ("EvsJ", "2", "1/1"),
        ("100/30", "4.333", "100/30"),
        ("10/3", "4.333", "10/3"),
        ("4/6F", "1.667", "4/6"),
        ("300/1", "301", "300/1"),
        ("5", "6", "5/1"),
        (" 15 / 8 F ", "2.875", "15/8"),
    ],
)
def test_a_starting_price_is_its_exact_fraction_without_the_mark(
    text: str, decimal: str, fractional: str
) -> None:
    # The feed's own decimal is rounded to two places, and not always the same way.
    price = read_starting_price(text, "9.99")

    assert price == Price(decimal=Decimal(decimal), fractional=fractional)


@pytest.mark.parametrize("text", ["", "-", "SP", "No SP", "\N{EN DASH}"])
def test_no_starting_price_is_none_unless_there_is_a_decimal(text: str) -> None:
    assert read_starting_price(text) is None
    assert read_starting_price(text, "-") is None
    assert read_starting_price(text, "6.00") == Price(decimal=Decimal(6))


@pytest.mark.parametrize("text", ["evens money", "15/0", "0/1", "F", "7/2X", "99999999/1", "1.5"])
def test_what_is_no_starting_price_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="starting price"):
        read_starting_price(text)


@given(st.fractions(min_value=1, max_value=1000))
def test_a_decimal_is_within_half_a_thousandth_of_the_exact_price(value: Fraction) -> None:
    assert abs(Fraction(as_decimal(value)) - value) <= Fraction(1, 2000)


def ranked(**prices: str) -> dict[HorseId, Favourite]:
    read = {HorseId(horse): read_starting_price(text) for horse, text in prices.items()}
    return favourites_by_starting_price({h: p for h, p in read.items() if p is not None})


def marks(found: dict[HorseId, Favourite]) -> dict[str, tuple[int, str | None]]:
    return {h: (f.rank, None if f.mark is None else f.mark.value) for h, f in found.items()}


def test_one_favourite_and_the_ranks_behind_it() -> None:
    found = ranked(a="9/2", b="15/8F", c="4/1", d="9/2", e="66/1")

    assert marks(found) == {
        "b": (1, "F"), "c": (2, None), "a": (3, None), "d": (3, None), "e": (5, None),
    }  # fmt: skip


def test_joint_favourites_share_the_first_rank_and_the_next_is_third() -> None:
    assert marks(ranked(a="5/1", b="7/2J", c="7/2J")) == {
        "b": (1, "JF"), "c": (1, "JF"), "a": (3, None),
    }  # fmt: skip


def test_three_and_more_are_co_favourites_however_their_fractions_are_written() -> None:
    assert marks(ranked(a="10/3C", b="100/30C", c="20/6C", d="4/1")) == {
        "a": (1, "CF"), "b": (1, "CF"), "c": (1, "CF"), "d": (4, None),
    }  # fmt: skip
