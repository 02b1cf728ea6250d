from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.board import BestPrice
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.opportunities import Arbitrage, place_boundary, split_stake
from darkhorses.domain.settlement import EachWayTerms
from tests.market import price


@pytest.mark.parametrize(
    ("runners", "handicap", "now", "after"),
    [
        (5, False, (2, 4), None),
        (5, True, (2, 4), None),
        (8, False, (3, 5), (2, 4)),
        (8, True, (3, 5), (2, 4)),
        (12, True, (3, 4), (3, 5)),
        (16, True, (4, 4), (3, 4)),
    ],
)
def test_one_more_non_runner_changes_the_standard_terms_of_these(
    runners: int, *, handicap: bool, now: tuple[int, int], after: tuple[int, int] | None
) -> None:
    found = place_boundary(runners, handicap=handicap)
    assert found is not None
    assert found.now == EachWayTerms(places=now[0], denominator=now[1])
    expected = None if after is None else EachWayTerms(places=after[0], denominator=after[1])
    assert (found.runners, found.after) == (runners, expected)


def test_one_more_non_runner_changes_nothing_elsewhere() -> None:
    fields = [(runners, handicap) for runners in range(41) for handicap in (False, True)]
    on_a_boundary = {
        field for field in fields if place_boundary(field[0], handicap=field[1]) is not None
    }
    assert on_a_boundary == {
        (5, False), (5, True), (8, False), (8, True), (12, True), (16, True),
    }  # fmt: skip


@given(
    prices=st.lists(
        st.sampled_from(["2/1", "3/1", "10/3", "9/1", "16/1", "100/1"]), min_size=2, max_size=8
    ),
    amount=st.integers(1, 100_000),
)
def test_a_split_stake_returns_what_it_says_whoever_wins(prices: list[str], amount: int) -> None:
    best = {
        HorseId(f"hrs_{number}"): BestPrice(price=price(text), bookmakers=(BookmakerId("a"),))
        for number, text in enumerate(prices)
    }
    total = sum((1 / (Fraction(text) + 1) for text in prices), Fraction(0))
    split = split_stake(Arbitrage(best=best, total=total), Decimal(amount))
    assert abs(split.staked - amount) <= Decimal("0.005") * len(prices)
    winners = [
        Fraction(split.stakes[horse_id]) * (Fraction(text) + 1)
        for horse_id, text in zip(best, prices, strict=True)
    ]
    assert abs(Fraction(split.returned) - min(winners)) <= Fraction(1, 200)
    # A penny of stake is the most that rounding takes from any of them.
    exact = Fraction(amount) / total
    dearest = max(Fraction(text) + 1 for text in prices)
    assert max(winners) - exact <= dearest / 200
    assert exact - min(winners) <= dearest / 200
