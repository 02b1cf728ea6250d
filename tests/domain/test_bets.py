"""Bets settled against sums that were done by hand; the sums stand beside them."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.bets import (
    PlaceTerms,
    PricedBy,
    SettledBet,
    TermsSource,
    Withdrawal,
    deduction_pence,
    in_pence,
    place_terms,
    price_at,
    settle_bet,
    withdrawal_of,
)
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.price_summaries import LoggedPrice
from darkhorses.domain.settlement import EachWayTerms, Placing
from tests.market import NOON, price

BET365 = BookmakerId("bet365")
HORSE = HorseId("hrs_bob")
OFF = NOON + timedelta(hours=2)
THREE_AT_FIFTH = EachWayTerms(places=3, denominator=5)
TWO_AT_QUARTER = EachWayTerms(places=2, denominator=4)


def bet(
    taken: str,
    position: int | None,
    *,
    stake: str = "10",
    each_way: bool = False,
    terms: EachWayTerms | None = THREE_AT_FIFTH,
    tied: int = 1,
    void: bool = False,
    pence: int = 0,
) -> SettledBet:
    return settle_bet(
        price(taken),
        Placing(position=position, tied=tied, void=void),
        stake=Decimal(stake),
        each_way=each_way,
        terms=terms,
        pence=pence,
    )


def log(*rows: tuple[float, str, str | None]) -> list[LoggedPrice]:
    """Rows of minute, bookmaker and price."""
    return [
        LoggedPrice(
            at=NOON + timedelta(minutes=minute),
            bookmaker_id=BookmakerId(bookmaker),
            price=None if text is None else price(text),
        )
        for minute, bookmaker, text in rows
    ]


def withdrawn(
    *rows: tuple[float, str, str | None], seen_at: float | None, who: BookmakerId = BET365
) -> Withdrawal:
    return withdrawal_of(
        HORSE,
        log(*rows),
        who,
        non_runner_at=None if seen_at is None else NOON + timedelta(minutes=seen_at),
        off_dt=OFF,
    )


@pytest.mark.parametrize(
    ("settled", "win", "place"),
    [
        # 10 at 5/1: 50 + 10.
        (bet("5/1", 1), 60, None),
        (bet("5/1", 2), 0, None),
        (bet("5/1", None), 0, None),
        # 10 each way at 5/1, 3 places at a fifth: win 60; place at 1/1: 10 + 10.
        (bet("5/1", 1, each_way=True), 60, 20),
        (bet("5/1", 3, each_way=True), 0, 20),
        (bet("5/1", 4, each_way=True), 0, 0),
        # A price of 10/3 is exactly that: 33.33… + 10, and not the rounded 4.33.
        (bet("10/3", 1), Fraction(130, 3), None),
        # Two withdrawn at 3/1 (25p) and 9/1 (10p), 35p: 50 * 0.65 + 10; place 10 * 0.65 + 10.
        (bet("5/1", 1, each_way=True, pence=35), Fraction("42.5"), Fraction("16.5")),
        # A dead heat of two for first: 5 at 5/1 = 30; two places are left, the place is whole.
        (bet("5/1", 1, each_way=True, tied=2), 30, 20),
        # The same with 35p: 5 at 5/1, winnings 25 * 0.65 = 16.25, and the 5.
        (bet("5/1", 1, tied=2, pence=35), Fraction("21.25"), None),
        # A dead heat of two for third, the last place: 5 at 1/1 = 10.
        (bet("5/1", 3, each_way=True, tied=2), 0, 10),
        # Three for second: two places for three, 20/3 at 1/1.
        (bet("5/1", 2, each_way=True, tied=3), 0, Fraction(40, 3)),
        # Three for first where two places pay a quarter: 10/3 at 4/1; 20/3 at 1/1.
        (
            bet("4/1", 1, each_way=True, tied=3, terms=TWO_AT_QUARTER),
            Fraction(50, 3),
            Fraction(40, 3),
        ),
        # Given back, whatever was deducted.
        (bet("5/1", None, void=True, pence=35), 10, None),
        (bet("5/1", None, each_way=True, void=True), 10, 10),
        # No place betting left: both stakes to win, 20 at 5/1.
        (bet("5/1", 1, each_way=True, terms=None), 120, None),
        (bet("5/1", None, each_way=True, terms=None, void=True), 20, None),
    ],
)
def test_bets_return_what_they_do_by_hand(
    settled: SettledBet, win: int | Fraction, place: int | Fraction | None
) -> None:
    assert (settled.win, settled.place) == (win, place)
    assert settled.returned == win + (place or 0)


def test_an_each_way_bet_stakes_twice() -> None:
    assert bet("5/1", 1).staked == 10
    assert bet("5/1", 1, each_way=True).staked == 20
    assert bet("5/1", 1, each_way=True, terms=None).staked == 20


@pytest.mark.parametrize(
    ("amount", "pence"),
    [
        (Fraction(130, 3), "43.33"),
        (Fraction(1, 200), "0.01"),
        (Fraction(1, 201), "0.00"),
        (Fraction(20), "20.00"),
    ],
)
def test_an_amount_is_rounded_once_to_the_nearest_penny(amount: Fraction, pence: str) -> None:
    assert str(in_pence(amount)) == pence


def test_a_withdrawal_costs_by_the_bookmakers_own_last_price() -> None:
    found = withdrawn(
        (0, "bet365", "5/1"), (1, "coral", "2/1"), (20, "bet365", "3/1"), (30, "bet365", None),
        (30, "coral", None), seen_at=31,
    )  # fmt: skip
    assert found == Withdrawal(
        horse_id=HORSE,
        at=NOON + timedelta(minutes=30),
        decimal=Decimal("4.000"),
        priced_by=PricedBy.BOOKMAKER,
        pence=25,
    )


def test_a_bookmaker_that_had_no_price_goes_by_the_markets_median_without_exchanges() -> None:
    found = withdrawn(
        (0, "coral", "2/1"), (0, "unibet", "4/1"), (0, "betway", "5/1"),
        (0, "betfairexchange", "1.5"), seen_at=31,
    )  # fmt: skip
    assert (found.decimal, found.priced_by, found.pence) == (Decimal(5), PricedBy.MARKET, 20)
    assert found.at == NOON + timedelta(minutes=31)


def test_a_price_that_came_back_was_not_taken_down_for_good() -> None:
    found = withdrawn((0, "bet365", "5/1"), (10, "bet365", None), (15, "bet365", "9/1"), seen_at=31)
    assert (found.at, found.pence) == (NOON + timedelta(minutes=31), 10)


def test_a_horse_that_was_never_seen_to_be_withdrawn_was_so_when_its_last_price_went() -> None:
    gone = withdrawn((0, "coral", "3/1"), (50, "coral", None), seen_at=None)
    assert (gone.at, gone.pence) == (NOON + timedelta(minutes=50), 25)
    at_the_start = withdrawn((0, "coral", "3/1"), (125, "coral", None), seen_at=None)
    assert (at_the_start.at, at_the_start.pence) == (OFF, 25)


def test_a_horse_without_a_price_costs_nothing() -> None:
    assert withdrawn(seen_at=31) == Withdrawal(horse_id=HORSE, at=NOON + timedelta(minutes=31))
    assert withdrawn((0, "betfairexchange", "2.0"), seen_at=31).pence == 0


def test_deductions_add_up_to_ninety_pence_at_most() -> None:
    odds_on, evens, outsider = (
        withdrawn((0, "bet365", text), seen_at=31) for text in ("1/2", "1/1", "16/1")
    )
    assert [found.pence for found in (odds_on, evens, outsider)] == [65, 45, 0]
    assert deduction_pence([evens, outsider]) == 45
    assert deduction_pence([odds_on, evens, outsider]) == 90
    assert deduction_pence([]) == 0


@pytest.mark.parametrize(
    ("seen_with", "ran", "expected"),
    [
        (10, 10, PlaceTerms(terms=THREE_AT_FIFTH, source=TermsSource.BOOKMAKER)),
        (10, 8, PlaceTerms(terms=THREE_AT_FIFTH, source=TermsSource.BOOKMAKER)),
        (8, 7, PlaceTerms(terms=TWO_AT_QUARTER, source=TermsSource.STANDARD, was_cut=True)),
        (7, 7, PlaceTerms(terms=THREE_AT_FIFTH, source=TermsSource.BOOKMAKER)),
        (5, 4, PlaceTerms(terms=None, source=TermsSource.STANDARD, was_cut=True)),
    ],
)
def test_the_standard_terms_count_when_the_field_was_cut_behind_the_bookmakers_back(
    seen_with: int, ran: int, expected: PlaceTerms
) -> None:
    found = place_terms(THREE_AT_FIFTH, seen_with=seen_with, ran=ran, handicap=False)
    assert found == expected


def test_the_standard_terms_count_where_the_bookmakers_are_not_known() -> None:
    found = place_terms(None, seen_with=16, ran=16, handicap=True)
    assert found.terms == EachWayTerms(places=4, denominator=4)
    assert (found.source, found.was_cut) == (TermsSource.STANDARD, False)


def test_the_price_at_a_moment_is_the_last_that_took_effect_by_then() -> None:
    entries = log(
        (0, "bet365", "5/1"), (5, "coral", "9/1"), (10, "bet365", "4/1"), (10, "bet365", "4/1"),
        (20, "bet365", None), (30, "bet365", "3/1"),
    )  # fmt: skip
    for minute, expected, since in (
        (-1, None, None), (0, "5/1", 0), (9, "5/1", 0), (10, "4/1", 10), (19, "4/1", 10),
        (20, None, None), (30, "3/1", 30),
    ):  # fmt: skip
        found = price_at(entries, BET365, NOON + timedelta(minutes=minute))
        if expected is None or since is None:
            assert found is None
        else:
            assert found is not None
            assert (found.price.fractional, found.since) == (
                expected,
                NOON + timedelta(minutes=since),
            )


@given(
    numerator=st.integers(1, 200),
    denominator=st.integers(1, 20),
    position=st.integers(1, 6),
    tied=st.integers(1, 4),
    pence=st.integers(0, 18).map(lambda n: n * 5),
    places=st.integers(1, 5),
)
def test_no_bet_returns_more_for_deductions_or_dead_heats_nor_less_than_its_shares_of_the_stake(
    *, numerator: int, denominator: int, position: int, tied: int, pence: int, places: int
) -> None:
    taken = f"{numerator}/{denominator}"
    terms = EachWayTerms(places=places, denominator=5)
    plain = bet(taken, position, each_way=True, terms=terms)
    cut = bet(taken, position, each_way=True, terms=terms, tied=tied, pence=pence)
    assert 0 <= cut.win <= plain.win
    assert cut.place is not None
    assert plain.place is not None
    assert 0 <= cut.place <= plain.place
    if position == 1:
        assert cut.win >= Fraction(10, tied)
    if position <= places:
        assert cut.place >= Fraction(10, tied)
