from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.board import (
    BestPrice,
    FavouriteMark,
    best_price,
    favourite_marks,
    favourite_ranks,
    has_place,
)
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Runner


def fractional(text: str, decimal: str | None = None) -> Price:
    value = Fraction(text) + 1
    rounded = round(Decimal(value.numerator) / value.denominator, 2)
    return Price(decimal=Decimal(decimal) if decimal else rounded, fractional=text)


prices = st.builds(
    lambda numerator, denominator: fractional(f"{numerator}/{denominator}"),
    st.integers(1, 200),
    st.integers(1, 20),
)
bookmakers = st.text("abcdef", min_size=1, max_size=3).map(BookmakerId)
offers = st.dictionaries(bookmakers, prices, max_size=8)
fields = st.dictionaries(st.text("xyz", min_size=1).map(HorseId), prices, max_size=12)


def test_the_best_price_is_the_highest() -> None:
    a, b = BookmakerId("a"), BookmakerId("b")
    best = best_price([(a, fractional("4/1")), (b, fractional("9/2"))])
    assert best == BestPrice(price=fractional("9/2"), bookmakers=(b,))


def test_all_at_the_best_price_are_best() -> None:
    a, b, c = BookmakerId("a"), BookmakerId("b"), BookmakerId("c")
    best = best_price([(c, fractional("9/2")), (b, fractional("4/1")), (a, fractional("9/2"))])
    assert best is not None
    assert best.bookmakers == (a, c)


def test_one_fraction_is_one_price_however_its_decimal_was_rounded() -> None:
    a, b = BookmakerId("a"), BookmakerId("b")
    best = best_price([(a, fractional("13/8", "2.62")), (b, fractional("13/8", "2.63"))])
    assert best is not None
    assert best.bookmakers == (a, b)


def test_no_offer_is_no_best_price() -> None:
    assert best_price([]) is None


@given(offers)
def test_nobody_offers_more_than_the_best_price_and_its_bookmakers_offer_it(
    offers: dict[BookmakerId, Price],
) -> None:
    best = best_price(offers.items())
    if best is None:
        assert not offers
        return
    highest = max(price.exact for price in offers.values())
    assert best.price.exact == highest
    assert set(best.bookmakers) == {
        bookmaker for bookmaker, price in offers.items() if price.exact == highest
    }


@given(offers, st.randoms())
def test_the_best_price_does_not_depend_on_the_order_of_offers(
    offers: dict[BookmakerId, Price], random: Random
) -> None:
    shuffled = list(offers.items())
    random.shuffle(shuffled)
    assert best_price(shuffled) == best_price(offers.items())


def test_ties_share_a_rank_and_the_next_rank_counts_them() -> None:
    ranks = favourite_ranks(
        {
            HorseId("outsider"): fractional("10/1"),
            HorseId("joint"): fractional("2/1"),
            HorseId("other joint"): fractional("4/2"),
        }
    )
    assert ranks == {"joint": 1, "other joint": 1, "outsider": 3}


@given(fields)
def test_a_rank_is_one_more_than_the_number_of_shorter_runners(
    best: dict[HorseId, Price],
) -> None:
    ranks = favourite_ranks(best)
    assert ranks == {
        horse: 1 + sum(other.exact < price.exact for other in best.values())
        for horse, price in best.items()
    }


@given(fields)
def test_exactly_the_runners_of_the_shortest_price_are_marked(
    best: dict[HorseId, Price],
) -> None:
    ranks = favourite_ranks(best)
    marks = favourite_marks(ranks)
    assert set(marks) == {horse for horse, rank in ranks.items() if rank == 1}
    expected = {
        0: set(),
        1: {FavouriteMark.FAVOURITE},
        2: {FavouriteMark.JOINT},
    }.get(len(marks), {FavouriteMark.CO})
    assert set(marks.values()) == expected


def test_non_runners_reserves_and_removed_runners_have_no_place() -> None:
    def runner(**facts: Any) -> Runner:
        return Runner(horse_id=HorseId("h"), horse_name="Ada", **facts)

    assert has_place(runner(), removed=False)
    assert not has_place(runner(), removed=True)
    assert not has_place(runner(is_non_runner=True), removed=False)
    assert not has_place(runner(is_reserve=True), removed=False)
