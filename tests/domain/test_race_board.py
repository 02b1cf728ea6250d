from datetime import timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.board import favourite_marks, favourite_ranks
from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.race_board import (
    BoardQuote,
    BoardRunner,
    Book,
    RaceBoard,
    best_book,
    books_of,
)
from darkhorses.domain.races import Quote
from tests.market import NOON, Prices, price, race, runner

LADDER = ("1/4", "1/1", "13/8", "2/1", "10/3", "6/1", "20/1")
HORSES = ("Ada", "Bob", "Cit")
BOOKMAKERS = ("Bet365", "Coral", "Betfair Exchange")
grids = st.fixed_dictionaries(
    {
        horse: st.fixed_dictionaries(
            {name: st.none() | st.sampled_from(LADDER) for name in BOOKMAKERS}
        )
        for horse in HORSES
    }
)


def board(grid: dict[str, Prices], **absent: dict[str, Any]) -> RaceBoard:
    """A board of horses with prices; ``absent`` has facts of those that are not to run."""
    runners = {}
    for number, name in enumerate(grid, start=1):
        facts = dict(absent.get(name, {}))
        removed_at = facts.pop("removed_at", None)
        known = runner(name, number, **facts)
        runners[known.horse_id] = BoardRunner(runner=known, removed_at=removed_at)
    return RaceBoard(
        race=race(off_dt=NOON),
        runners=runners,
        quotes={
            (HorseId(f"hrs_{name.lower()}"), bookmaker_named(who).bookmaker_id): BoardQuote(
                quote=Quote(price=price(text) if text is not None else None),
                changed_at=NOON,
                fetched_at=NOON,
            )
            for name, prices in grid.items()
            for who, text in prices.items()
        },
        bookmakers={
            bookmaker_named(name).bookmaker_id: bookmaker_named(name) for name in BOOKMAKERS
        },
        as_of=NOON,
        checked_at=NOON,
        last_change_at=NOON,
    )


def named(books: tuple[Book, ...], who: str) -> Book:
    return next(book for book in books if book.bookmaker.bookmaker_id == who)


@given(grids)
def test_overrounds_and_the_best_book_are_what_numpy_sums(grid: dict[str, Prices]) -> None:
    of = board(grid)
    books = books_of(of)
    decimals = np.array(
        [
            [np.nan if (text := grid[h][b]) is None else float(Fraction(text) + 1) for h in HORSES]
            for b in BOOKMAKERS
        ]
    )
    sums = np.sum(1 / decimals, axis=1)
    for position, name in enumerate(BOOKMAKERS[:2]):
        overround = named(books, bookmaker_named(name).bookmaker_id).overround
        if np.isnan(sums[position]):
            assert overround is None
        else:
            assert overround == pytest.approx(sums[position] - 1, abs=1e-12)
    assert named(books, "betfairexchange").overround is None
    best = np.nanmax(np.nan_to_num(decimals[:2], nan=-1.0), axis=0)
    total = best_book(of, books).total
    if np.any(best < 0):
        assert total is None
    else:
        assert total == pytest.approx(np.sum(1 / best), abs=1e-12)


def test_an_exchange_is_never_best_however_high_its_price() -> None:
    of = board({"Ada": {"Bet365": "4/1", "Betfair Exchange": "20/1"}, "Bob": {"Coral": "1/1"}})
    best = best_book(of, books_of(of)).best

    assert best[HorseId("hrs_ada")].bookmakers == (BookmakerId("bet365"),)
    assert best[HorseId("hrs_ada")].price == price("4/1")


@pytest.mark.parametrize(
    "facts", [{"is_non_runner": True}, {"is_reserve": True}, {"removed_at": NOON}]
)
def test_who_is_not_to_run_counts_in_no_book(facts: dict[str, Any]) -> None:
    grid: dict[str, Prices] = {
        "Ada": {"Bet365": "1/1"},
        "Bob": {"Bet365": "2/1"},
        "Cit": {"Bet365": "1/4"},
    }
    of = board(grid, Cit=facts)
    book = named(books_of(of), "bet365")

    assert of.active() == ["hrs_ada", "hrs_bob"]
    assert book.is_whole
    assert book.overround == pytest.approx(1 / 2 + 1 / 3 - 1)
    assert best_book(of, books_of(of)).best.keys() == {"hrs_ada", "hrs_bob"}


def test_a_runner_without_a_price_is_named_and_leaves_the_book_without_overround() -> None:
    of = board({"Ada": {"Bet365": "1/1"}, "Bob": {"Bet365": None, "Coral": "1/1"}})
    books = books_of(of)

    assert named(books, "bet365").unpriced == ("hrs_bob",)
    assert named(books, "bet365").overround is None
    assert named(books, "coral").unpriced == ("hrs_ada",)
    assert best_book(of, books).total == pytest.approx(1)


def test_a_book_that_has_pulled_everything_stands_empty() -> None:
    of = board({"Ada": {"Bet365": None}})
    (book,) = books_of(of)

    assert (book.prices, book.unpriced, book.is_whole) == ({}, ("hrs_ada",), False)


def test_a_race_in_which_nobody_is_to_run_has_no_book() -> None:
    of = board({"Ada": {"Bet365": "1/1"}}, Ada={"is_non_runner": True})
    books = books_of(of)

    assert (named(books, "bet365").overround, best_book(of, books).total) == (None, None)


def test_runners_stand_by_number_and_then_those_that_are_not_to_run() -> None:
    grid: dict[str, Prices] = {name: {} for name in ("Ada", "Bob", "Cit", "Dot")}
    gone = {"is_non_runner": True, "removed_at": NOON - timedelta(hours=1)}
    of = board(grid, Ada=gone, Bob={"is_reserve": True}, Cit={"removed_at": NOON})

    assert [one.runner.horse_name for one in of.on_card()] == ["Dot", "Ada", "Bob"]


def test_best_prices_rank_favourites_with_ties() -> None:
    of = board(
        {
            "Ada": {"Bet365": "2/1", "Betfair Exchange": "1/4"},
            "Bob": {"Coral": "2/1"},
            "Cit": {"Coral": "6/1"},
        }
    )
    best = best_book(of, books_of(of)).best
    ranks = favourite_ranks({horse_id: found.price for horse_id, found in best.items()})

    assert ranks == {"hrs_ada": 1, "hrs_bob": 1, "hrs_cit": 3}
    assert favourite_marks(ranks) == {"hrs_ada": "JF", "hrs_bob": "JF"}
