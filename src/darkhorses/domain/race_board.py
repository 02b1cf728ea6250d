"""A race's whole market at one instant, and what its prices say together, book by book.

The same for the present and for any moment of the past (``domain/market_at.py``). Only runners
that have a place in the market count; exchanges are apart from everything that is a bookmaker's.
"""

from collections.abc import Mapping
from datetime import datetime
from math import fsum

import msgspec

from darkhorses.domain.board import (
    BestPrice,
    best_price,
    has_place,
    implied_chance,
    saddle_cloth_order,
)
from darkhorses.domain.bookmakers import Bookmaker, BookmakerType, bookmaker_named
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Quote, QuoteKey, Race, Runner


class BoardRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A runner, and when it was first seen as a non-runner and found off the card (UTC)."""

    runner: Runner
    non_runner_at: datetime | None = None
    removed_at: datetime | None = None

    @property
    def in_market(self) -> bool:
        """Whether the runner is to run, as far as is known."""
        return has_place(self.runner, removed=self.removed_at is not None)


class BoardQuote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A quote; its price took effect at ``changed_at`` and was first seen at ``fetched_at``."""

    quote: Quote
    changed_at: datetime
    fetched_at: datetime


class RaceBoard(msgspec.Struct, frozen=True, kw_only=True):
    """A race as it stands at ``as_of`` (UTC).

    ``checked_at`` is the last look at it by then, ``last_change_at`` the last look that saw a
    price change, ``refreshed_at`` the feed's own stamp on what the last look saw; None where that
    is not known. ``bookmakers`` may hold others, too.
    """

    race: Race
    runners: Mapping[HorseId, BoardRunner]
    quotes: Mapping[QuoteKey, BoardQuote]
    bookmakers: Mapping[BookmakerId, Bookmaker]
    as_of: datetime
    checked_at: datetime | None
    last_change_at: datetime | None
    refreshed_at: datetime | None = None

    def on_card(self) -> list[BoardRunner]:
        """Runners by saddle-cloth number; then who is not to run, dropped non-runners too."""
        shown = [
            runner
            for runner in self.runners.values()
            if runner.removed_at is None or runner.runner.is_non_runner
        ]
        return sorted(shown, key=lambda one: (not one.in_market, saddle_cloth_order(one.runner)))

    def active(self) -> list[HorseId]:
        """Those with a place in the market, by saddle-cloth number."""
        return [one.runner.horse_id for one in self.on_card() if one.in_market]


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """A bookmaker's or exchange's prices on the runners in the market, and who lacks one."""

    bookmaker: Bookmaker
    prices: Mapping[HorseId, Price]
    unpriced: tuple[HorseId, ...]

    @property
    def is_exchange(self) -> bool:
        """Whether the prices are bettors' own."""
        return self.bookmaker.bookmaker_type is BookmakerType.EXCHANGE

    @property
    def is_whole(self) -> bool:
        """Whether every runner in the market, of which there is one at least, has a price."""
        return bool(self.prices) and not self.unpriced

    @property
    def overround(self) -> float | None:
        """The sum of 1/price over all runners, less 1; None for an exchange and where one lacks."""
        if self.is_exchange or not self.is_whole:
            return None
        return book_sum(self.prices) - 1


class BestBook(msgspec.Struct, frozen=True, kw_only=True):
    """Every runner's best bookmaker price; ``total`` is the sum of 1/best, None where one lacks."""

    best: Mapping[HorseId, BestPrice]
    unpriced: tuple[HorseId, ...]

    @property
    def total(self) -> float | None:
        """Under 1 is an arbitrage, but only if every price in it is fresh."""
        if not self.best or self.unpriced:
            return None
        return book_sum({horse_id: best.price for horse_id, best in self.best.items()})


def books_of(board: RaceBoard) -> tuple[Book, ...]:
    """The book of everyone that has quoted the race, by name; pulled ones stand empty."""
    active = board.active()
    offers: dict[BookmakerId, dict[HorseId, Price]] = {}
    for (horse_id, bookmaker_id), stored in board.quotes.items():
        of_book = offers.setdefault(bookmaker_id, {})
        if stored.quote.price is not None:
            of_book[horse_id] = stored.quote.price
    books = [
        Book(
            bookmaker=board.bookmakers.get(bookmaker_id) or bookmaker_named(bookmaker_id),
            prices={horse_id: prices[horse_id] for horse_id in active if horse_id in prices},
            unpriced=tuple(horse_id for horse_id in active if horse_id not in prices),
        )
        for bookmaker_id, prices in offers.items()
    ]
    return tuple(sorted(books, key=lambda book: book.bookmaker.bookmaker_name.casefold()))


def best_book(board: RaceBoard, books: tuple[Book, ...]) -> BestBook:
    """The best bookmaker price of every runner in the market."""
    active = board.active()
    best = {
        horse_id: found
        for horse_id in active
        if (
            found := best_price(
                (book.bookmaker.bookmaker_id, book.prices[horse_id])
                for book in books
                if not book.is_exchange and horse_id in book.prices
            )
        )
    }
    return BestBook(
        best=best, unpriced=tuple(horse_id for horse_id in active if horse_id not in best)
    )


def book_sum(prices: Mapping[HorseId, Price]) -> float:
    """The sum of 1/price."""
    return fsum(map(implied_chance, prices.values()))
