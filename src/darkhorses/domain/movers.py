"""Steamers and drifters: runners whose price went one way at most of those who moved at all.

A runner's **move** over a window is the mean, over the bookmakers that had a price on it at both
ends, of the change of 1/price, in percentage points: up for a steamer (shortened), down for a
drifter. Exchanges are shown beside it and count for nothing. It is a move when three bookmakers at
least stand on its side, and more of them than on the other: one bookmaker's slip is none, nor is
what came and went within the window.

A bookmaker's own move **began** when its price first went to that side of where it stood, and that
is no finer than the looks that saw it. Who began first has led, alone or with others; who stands
where it stood, or on the other side, has not followed.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from math import fsum

import msgspec

from darkhorses.domain.board import implied_chance
from darkhorses.domain.identifiers import BookmakerId
from darkhorses.domain.price_moves import LEAST_BOOKMAKERS
from darkhorses.domain.price_paths import PricePath
from darkhorses.domain.prices import Price

_HUNDRED = 100


class BookMove(msgspec.Struct, frozen=True, kw_only=True):
    """A price at both ends; ``points`` of 1/price, above 0 when it shortened.

    ``began_at`` is when it first went the way of the runner's move; None when it has not followed.
    """

    bookmaker_id: BookmakerId
    before: Price
    after: Price
    points: float
    began_at: datetime | None = None


class RunnerMove(msgspec.Struct, frozen=True, kw_only=True):
    """A runner's move; ``books`` are the bookmakers with a price at both ends, by id.

    ``chance_before`` and ``chance_after`` are the means of 1/price in percent.
    """

    shortened: bool
    points: float
    chance_before: float
    chance_after: float
    began_at: datetime
    books: tuple[BookMove, ...]
    exchanges: tuple[BookMove, ...]

    @property
    def leaders(self) -> tuple[BookmakerId, ...]:
        """Who moved first; several when one look saw them together."""
        return tuple(book.bookmaker_id for book in self.books if book.began_at == self.began_at)

    @property
    def laggards(self) -> tuple[BookmakerId, ...]:
        """Who has not followed."""
        return tuple(book.bookmaker_id for book in self.books if book.began_at is None)


def runner_move(
    paths: Mapping[BookmakerId, PricePath],
    *,
    since: datetime | None,
    exchanges: AbstractSet[BookmakerId],
) -> RunnerMove | None:
    """A runner's move since an instant, or since each bookmaker's opening (``since`` None), if any.

    ``paths`` are of one runner, by bookmaker and exchange.
    """
    if not _has_changed(paths, since):
        return None
    found = [move for who in sorted(paths) if (move := _move(who, paths[who], since)) is not None]
    books = [move for move in found if move.bookmaker_id not in exchanges]
    total = fsum(move.points for move in books)
    shortened = total > 0
    side = [move for move in books if move.points and (move.points > 0) is shortened]
    other = sum(bool(move.points) for move in books) - len(side)
    if len(side) < LEAST_BOOKMAKERS or len(side) <= other:
        return None
    told = [_begun(move, paths[move.bookmaker_id], since, shortened=shortened) for move in found]
    own = tuple(move for move in told if move.bookmaker_id not in exchanges)
    return RunnerMove(
        shortened=shortened,
        points=total / len(books),
        chance_before=_mean_chance([move.before for move in books]),
        chance_after=_mean_chance([move.after for move in books]),
        began_at=min(move.began_at for move in own if move.began_at is not None),
        books=own,
        exchanges=tuple(move for move in told if move.bookmaker_id in exchanges),
    )


def _has_changed(paths: Mapping[BookmakerId, PricePath], since: datetime | None) -> bool:
    """Whether any price changed in the window: nearly all runners are told apart by this alone."""
    return since is None or any(path.changed_after(since) for path in paths.values())


def _move(who: BookmakerId, path: PricePath, since: datetime | None) -> BookMove | None:
    after = path.newest()
    if after is None:
        return None
    if since is None:
        opening = path.opening()
        before = opening.price if opening is not None else None
    else:
        before = path.at(since)
    if before is None:
        return None
    return BookMove(
        bookmaker_id=who,
        before=before,
        after=after,
        points=_HUNDRED * (implied_chance(after) - implied_chance(before)),
    )


def _begun(move: BookMove, path: PricePath, since: datetime | None, *, shortened: bool) -> BookMove:
    """The move with when it began, if it went the runner's way."""
    if not move.points or (move.points > 0) is not shortened:
        return move
    opening = path.opening() if since is None else None
    start = opening.at if opening is not None else since
    if start is None:
        return move
    stood = implied_chance(move.before)
    for point in path.after(start):
        if point.price is None:
            continue
        chance = implied_chance(point.price)
        if chance != stood and (chance > stood) is shortened:
            return msgspec.structs.replace(move, began_at=point.at)
    return move


def _mean_chance(prices: list[Price]) -> float:
    return _HUNDRED * fsum(map(implied_chance, prices)) / len(prices)
