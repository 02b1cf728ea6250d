"""All that the prices of a race's board say together, worked out once."""

from collections.abc import Mapping

import msgspec

from darkhorses.domain.board import FavouriteMark, favourite_marks, favourite_ranks
from darkhorses.domain.fair_odds import Consensus, consensus
from darkhorses.domain.identifiers import HorseId
from darkhorses.domain.race_board import BestBook, Book, RaceBoard, best_book, books_of


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Books by name, best prices, favourites (ranks 1, 1, 3) and the consensus of whole books."""

    board: RaceBoard
    books: tuple[Book, ...]
    best: BestBook
    ranks: Mapping[HorseId, int]
    marks: Mapping[HorseId, FavouriteMark]
    consensus: Consensus | None

    @property
    def bookmakers(self) -> list[Book]:
        """The books, without exchanges."""
        return [book for book in self.books if not book.is_exchange]

    @property
    def exchanges(self) -> list[Book]:
        """The exchanges alone."""
        return [book for book in self.books if book.is_exchange]


def figures_of(board: RaceBoard) -> Figures:
    """Work out best prices, favourites, overrounds and fair chances."""
    books = books_of(board)
    best = best_book(board, books)
    ranks = favourite_ranks({horse_id: found.price for horse_id, found in best.best.items()})
    whole = [book.prices for book in books if book.is_whole and not book.is_exchange]
    return Figures(
        board=board,
        books=books,
        best=best,
        ranks=ranks,
        marks=favourite_marks(ranks),
        consensus=consensus(whole),
    )
