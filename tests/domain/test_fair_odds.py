"""Fair chances beside other people's: the package ``shin``, and numpy where no package is."""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest
import shin
from hypothesis import assume, given
from hypothesis import strategies as st

from darkhorses.domain.fair_odds import (
    FairChance,
    consensus,
    fair_chances,
    has_margin,
    power_chances,
    proportional_chances,
    shin_chances,
)
from darkhorses.domain.identifiers import HorseId
from darkhorses.domain.prices import Price
from tests.market import price

LADDER = ("1/10", "1/3", "4/6", "1/1", "6/4", "2/1", "10/3", "9/2", "8/1", "14/1", "33/1", "100/1")
books = st.lists(st.sampled_from(LADDER), min_size=2, max_size=24)
implied_books = st.lists(st.floats(0.005, 0.95), min_size=2, max_size=24)


def book(*prices: str) -> dict[HorseId, Price]:
    return {HorseId(f"h{number}"): price(text) for number, text in enumerate(prices)}


def power_by_bisection(implied: list[float]) -> np.ndarray:
    pi = np.array(implied)
    low, high = 0.0, 200.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.sum(pi**middle) > 1 else (low, middle)
    raised: np.ndarray = np.power(pi, (low + high) / 2)
    return raised


def shin_by_bisection(implied: list[float]) -> np.ndarray:
    pi = np.array(implied)
    total = pi.sum()

    def chances(z: float) -> np.ndarray:
        root: np.ndarray = np.sqrt(z**2 + 4 * (1 - z) * pi**2 / total)
        return (root - z) / (2 * (1 - z))

    low, high = 0.0, 1 - 1e-9
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if chances(middle).sum() > 1 else (low, middle)
    return chances((low + high) / 2)


@given(implied_books)
def test_proportional_chances_are_numpys(implied: list[float]) -> None:
    expected = np.array(implied) / np.sum(implied)

    assert proportional_chances(implied) == pytest.approx(expected, abs=1e-12)


@given(implied_books)
def test_power_chances_are_those_of_a_bisection_over_and_under_a_full_book(
    implied: list[float],
) -> None:
    assert power_chances(implied) == pytest.approx(power_by_bisection(implied), abs=1e-9)


@given(implied_books)
def test_shins_chances_are_those_of_a_bisection(implied: list[float]) -> None:
    assume(sum(implied) >= 1)

    assert shin_chances(implied) == pytest.approx(shin_by_bisection(implied), abs=1e-7)


@given(books)
def test_shins_chances_are_those_of_the_package_shin(prices: list[str]) -> None:
    exact = [float(Fraction(text) + 1) for text in prices]
    implied = [1 / decimal for decimal in exact]
    # The package divides by zero, or stops short, where a margin is beyond all bounds.
    assume(1 < sum(implied) < 1.6)
    package = shin.calculate_implied_probabilities(exact, full_output=True)
    assume(package.delta < 1e-12)

    assert shin_chances(implied) == pytest.approx(package.implied_probabilities, abs=1e-9)


def test_a_known_book_of_three_has_the_chances_that_the_package_documents() -> None:
    implied = [1 / decimal for decimal in (2.6, 2.4, 4.3)]

    assert shin_chances(implied) == pytest.approx(
        [0.37299406033208965, 0.4047794109200184, 0.2222265287474275], abs=1e-12
    )


@given(implied_books)
def test_chances_sum_to_one_and_keep_the_order_of_the_prices(implied: list[float]) -> None:
    assume(sum(implied) >= 1)
    order = np.argsort(implied, kind="stable")
    for method in (proportional_chances, power_chances, shin_chances):
        chances = np.array(method(implied))
        assert chances.sum() == pytest.approx(1, abs=1e-12)
        assert np.all(np.diff(chances[order]) >= -1e-12)


def test_a_full_book_without_margin_is_fair_as_it_stands() -> None:
    chances = fair_chances(book("1/1", "3/1", "3/1"))

    for method in ("proportional", "power", "shin"):
        assert [getattr(one, method) for one in chances.values()] == pytest.approx(
            [0.5, 0.25, 0.25], abs=1e-12
        )


def test_outsiders_carry_more_of_the_margin_by_power_and_by_shin() -> None:
    outsider = fair_chances(book("1/2", "3/1", "6/1"))[HorseId("h2")]

    assert outsider.power < outsider.proportional
    assert outsider.shin < outsider.proportional


def test_one_runner_and_a_book_under_a_hundred_percent_have_no_margin_to_take_out() -> None:
    with pytest.raises(ValueError, match="two runners"):
        fair_chances(book("1/5"))
    with pytest.raises(ValueError, match="100 %"):
        fair_chances(book("4/1", "4/1"))
    assert not has_margin(book("4/1", "4/1"))
    assert not has_margin(book("1/5"))


def test_a_consensus_is_the_mean_over_the_books_that_have_a_margin() -> None:
    one, other = book("1/1", "2/1", "3/1"), book("4/6", "3/1", "2/1")
    found = consensus([one, book("9/1", "9/1", "9/1"), other])

    assert found is not None
    assert found.books == 2
    for method in ("proportional", "power", "shin"):
        expected = np.mean([_chances(fair_chances(each), method) for each in (one, other)], axis=0)
        assert _chances(found.chances, method) == pytest.approx(expected, abs=1e-12)


def test_there_is_no_consensus_without_a_book() -> None:
    assert consensus([]) is None
    assert consensus([book("9/1", "9/1")]) is None


def _chances(of: Mapping[HorseId, FairChance], method: str) -> list[float]:
    return [getattr(chance, method) for chance in of.values()]
