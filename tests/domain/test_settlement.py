from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.settlement import (
    EachWayTerms,
    Placing,
    Returns,
    each_way_terms,
    is_handicap,
    rule_4_pence,
    settle,
)

WIN_ONLY = None
TWO_AT_A_QUARTER = EachWayTerms(places=2, denominator=4)
THREE_AT_A_FIFTH = EachWayTerms(places=3, denominator=5)
THREE_AT_A_QUARTER = EachWayTerms(places=3, denominator=4)
FOUR_AT_A_QUARTER = EachWayTerms(places=4, denominator=4)

SEVEN_TO_TWO = Fraction(7, 2) + 1


def returned(win: str | int | None, place: str | int | None) -> Returns:
    """Both parts, and each way as their sum where there are both."""
    parts = [None if part is None else Fraction(part) for part in (win, place)]
    both = None if None in parts else sum(filter(None, parts), Fraction(0))
    return Returns(win=parts[0], place=parts[1], each_way=both)


@pytest.mark.parametrize(
    ("runners", "handicap", "terms"),
    [
        (1, False, WIN_ONLY),
        (4, False, WIN_ONLY),
        (4, True, WIN_ONLY),
        (5, False, TWO_AT_A_QUARTER),
        (5, True, TWO_AT_A_QUARTER),
        (7, False, TWO_AT_A_QUARTER),
        (7, True, TWO_AT_A_QUARTER),
        (8, False, THREE_AT_A_FIFTH),
        (8, True, THREE_AT_A_FIFTH),
        (11, False, THREE_AT_A_FIFTH),
        (11, True, THREE_AT_A_FIFTH),
        (12, False, THREE_AT_A_FIFTH),
        (12, True, THREE_AT_A_QUARTER),
        (15, False, THREE_AT_A_FIFTH),
        (15, True, THREE_AT_A_QUARTER),
        (16, False, THREE_AT_A_FIFTH),
        (16, True, FOUR_AT_A_QUARTER),
        (40, False, THREE_AT_A_FIFTH),
        (40, True, FOUR_AT_A_QUARTER),
    ],
)
def test_each_way_terms_are_by_those_who_ran_and_by_handicap(
    runners: int, *, handicap: bool, terms: EachWayTerms | None
) -> None:
    assert each_way_terms(runners, handicap=handicap) == terms


@pytest.mark.parametrize(
    ("name", "handicap"),
    [
        ("Border Minstrel Sunday Lunch Handicap (GBBPlus Race)", True),
        ("Randox Grand National Handicap Chase", True),
        ("The Galway Plate (Extended HANDICAP)", True),
        ("EBF Nursery", True),
        ("Racing TV H'cap Hurdle", True),
        ("Book Online At DundalkStadium.com Maiden", False),
        ("A Non-Handicap Hurdle", False),
        ("The Handicapper's Choice Novice Stakes", False),
        ("", False),
    ],
)
def test_a_handicap_is_told_by_the_races_name(name: str, *, handicap: bool) -> None:
    assert is_handicap(name) is handicap


@pytest.mark.parametrize(
    ("placing", "terms", "expected"),
    [
        # 3.5/5 of the odds and the stake back.
        (Placing(position=1), THREE_AT_A_FIFTH, returned("9/2", "17/10")),
        (Placing(position=3), THREE_AT_A_FIFTH, returned(0, "17/10")),
        (Placing(position=4), THREE_AT_A_FIFTH, returned(0, 0)),
        (Placing(position=2), TWO_AT_A_QUARTER, returned(0, "15/8")),
        (Placing(position=3), TWO_AT_A_QUARTER, returned(0, 0)),
        (Placing(position=4), FOUR_AT_A_QUARTER, returned(0, "15/8")),
        (Placing(position=1), WIN_ONLY, returned("9/2", None)),
        (Placing(position=2), WIN_ONLY, returned(0, None)),
        # Pulled up, fell, disqualified: ran and lost.
        (Placing(position=None), THREE_AT_A_FIFTH, returned(0, 0)),
        # A non-runner, or a void race: every stake comes back.
        (Placing(position=None, void=True), THREE_AT_A_FIFTH, returned(1, 1)),
        (Placing(position=1, void=True), THREE_AT_A_FIFTH, returned(1, 1)),
        (Placing(position=None, void=True), WIN_ONLY, returned(1, None)),
    ],
)
def test_a_unit_at_seven_to_two_returns(
    placing: Placing, terms: EachWayTerms | None, expected: Returns
) -> None:
    assert settle(SEVEN_TO_TWO, placing, terms) == expected


@pytest.mark.parametrize(
    ("placing", "terms", "expected"),
    [
        # For first, half the stake wins; with two places both tied horses are placed in full.
        (Placing(position=1, tied=2), THREE_AT_A_FIFTH, returned("9/4", "17/10")),
        (Placing(position=1, tied=2), TWO_AT_A_QUARTER, returned("9/4", "15/8")),
        # Three tied for first where two places pay: two thirds of the stake.
        (Placing(position=1, tied=3), TWO_AT_A_QUARTER, returned("3/2", "5/4")),
        # Two for the last place: half; three: a third.
        (Placing(position=3, tied=2), THREE_AT_A_FIFTH, returned(0, "17/20")),
        (Placing(position=3, tied=3), THREE_AT_A_FIFTH, returned(0, "17/30")),
        (Placing(position=2, tied=2), TWO_AT_A_QUARTER, returned(0, "15/16")),
        # Three for second where three places pay: two places for three horses.
        (Placing(position=2, tied=3), THREE_AT_A_FIFTH, returned(0, "17/15")),
        (Placing(position=6, tied=2), THREE_AT_A_QUARTER, returned(0, 0)),
    ],
)
def test_a_dead_heat_divides_the_stake_and_pays_full_odds(
    placing: Placing, terms: EachWayTerms, expected: Returns
) -> None:
    assert settle(SEVEN_TO_TWO, placing, terms) == expected


def test_a_loser_lost_also_where_its_price_is_not_known_and_a_winners_return_is_not_known() -> None:
    assert settle(None, Placing(position=9), THREE_AT_A_FIFTH) == returned(0, 0)
    assert settle(None, Placing(position=2), THREE_AT_A_FIFTH) == returned(0, None)
    assert settle(None, Placing(position=1), THREE_AT_A_FIFTH) == returned(None, None)


@given(
    st.integers(1, 4), st.integers(1, 6), st.fractions(min_value="1001/1000", max_value=1000),
    st.sampled_from([TWO_AT_A_QUARTER, THREE_AT_A_FIFTH, FOUR_AT_A_QUARTER]),
)  # fmt: skip
def test_tied_horses_together_return_what_the_places_that_they_share_would(
    position: int, tied: int, price: Fraction, terms: EachWayTerms
) -> None:
    together = settle(price, Placing(position=position, tied=tied), terms)
    alone = [settle(price, Placing(position=position + n), terms) for n in range(tied)]

    assert together.win is not None
    assert together.place is not None
    assert together.win * tied == sum(returns.win or 0 for returns in alone)
    assert together.place * tied == sum(returns.place or 0 for returns in alone)


@pytest.mark.parametrize(
    ("longest", "pence", "longer"),
    [
        ("1.12", 90, 85), ("1.19", 85, 80), ("1.27", 80, 75), ("1.33", 75, 70), ("1.44", 70, 65),
        ("1.57", 65, 60), ("1.66", 60, 55), ("1.83", 55, 50), ("1.99", 50, 45), ("2.24", 45, 40),
        ("2.59", 40, 35), ("2.79", 35, 30), ("3.39", 30, 25), ("4.19", 25, 20), ("5.40", 20, 15),
        ("6.99", 15, 10), ("10.99", 10, 5), ("15.0", 5, 0),
    ],
)  # fmt: skip
def test_rule_4_is_by_the_price_at_withdrawal_up_to_each_boundary(
    longest: str, pence: int, longer: int
) -> None:
    assert rule_4_pence([Decimal(longest)]) == pence
    assert rule_4_pence([Decimal(longest) + Decimal("0.001")]) == longer


@pytest.mark.parametrize(
    ("fraction", "pence"),
    [
        ("1/9", 90), ("2/11", 85), ("1/5", 80), ("1/4", 80), ("2/7", 75), ("1/3", 70), ("2/5", 70),
        ("4/9", 65), ("8/15", 65), ("4/7", 60), ("8/13", 60), ("4/6", 55), ("4/5", 55), ("5/6", 50),
        ("20/21", 50), ("1/1", 45), ("6/5", 45), ("5/4", 40), ("6/4", 40), ("13/8", 35),
        ("7/4", 35), ("15/8", 30), ("9/4", 30), ("5/2", 25), ("3/1", 25), ("10/3", 20), ("4/1", 20),
        ("9/2", 15), ("11/2", 15), ("6/1", 10), ("9/1", 10), ("10/1", 5), ("14/1", 5), ("16/1", 0),
    ],
)  # fmt: skip
def test_rule_4_of_the_prices_that_bookmakers_quote(fraction: str, pence: int) -> None:
    numerator, denominator = map(int, fraction.split("/"))
    price = round(Decimal(numerator) / denominator + 1, 3)

    assert rule_4_pence([price]) == pence


def test_several_withdrawals_add_up_to_90_pence_at_most() -> None:
    assert rule_4_pence([]) == 0
    assert rule_4_pence([Decimal(6), Decimal("3.5"), Decimal(50)]) == 15 + 25
    assert rule_4_pence([Decimal("1.9"), Decimal("2.2")]) == 90
    assert rule_4_pence([Decimal("1.05"), Decimal(2)]) == 90
