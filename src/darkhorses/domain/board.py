"""What the prices of one race say together: the best price of a runner, and who is favourite.

Prices are compared by their exact value, so 13/8 is one price whether the feed rounds it to 2.62
or to 2.63. Exchanges are kept out by the caller: a best price here is a best bookmaker price.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

import msgspec

from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Runner


class BestPrice(msgspec.Struct, frozen=True, kw_only=True):
    """The highest price on offer for a runner and every bookmaker that offers it, by id."""

    price: Price
    bookmakers: tuple[BookmakerId, ...]


class FavouriteMark(StrEnum):
    """How a race's shortest price is marked: alone, shared by two, shared by more."""

    FAVOURITE = "F"
    JOINT = "JF"
    CO = "CF"


@lru_cache(maxsize=16_384)
def exact_value(price: Price) -> Fraction:
    """The exact decimal value of a price; remembered, because few prices are quoted often."""
    return price.exact


@lru_cache(maxsize=16_384)
def price_order(price: Price) -> tuple[float, Fraction]:
    """Sorts as exact values do, which are looked at only where the nearest floats are equal."""
    exact = exact_value(price)
    return float(exact), exact


@lru_cache(maxsize=16_384)
def implied_chance(price: Price) -> float:
    """1/price: the chance at which a price is fair, for sums of many."""
    return 1 / float(exact_value(price))


def saddle_cloth_order(runner: Runner) -> tuple[bool, int, str]:
    """Sorting key: saddle-cloth number, then name; runners without a number come last."""
    return runner.horse_number is None, runner.horse_number or 0, runner.horse_name


def has_place(runner: Runner, *, removed: bool) -> bool:
    """Whether a runner counts in the market: on the card, going to run, and not a mere reserve."""
    return not (removed or runner.is_non_runner or runner.is_reserve)


def best_price(offers: Iterable[tuple[BookmakerId, Price]]) -> BestPrice | None:
    """The best price for a bettor: the highest; on a tie every bookmaker at it is best."""
    best: tuple[float, Fraction] | None = None
    holders: list[tuple[BookmakerId, Price]] = []
    for bookmaker_id, price in offers:
        value = price_order(price)
        if best is None or value > best:
            best = value
            holders = [(bookmaker_id, price)]
        elif value == best:
            holders.append((bookmaker_id, price))
    if not holders:
        return None
    holders.sort(key=lambda holder: holder[0])
    return BestPrice(price=holders[0][1], bookmakers=tuple(holder[0] for holder in holders))


def favourite_ranks(best: Mapping[HorseId, Price]) -> dict[HorseId, int]:
    """Rank runners by their best price, the shortest first; ties share a rank: 1, 1, 3."""
    ranks: dict[HorseId, int] = {}
    rank = 0
    previous: tuple[float, Fraction] | None = None
    ordered = sorted(best.items(), key=lambda item: price_order(item[1]))
    for position, (horse_id, price) in enumerate(ordered, start=1):
        value = price_order(price)
        if value != previous:
            rank, previous = position, value
        ranks[horse_id] = rank
    return ranks


def favourite_marks(ranks: Mapping[HorseId, int]) -> dict[HorseId, FavouriteMark]:
    """Mark the runners of rank 1: favourite, joint favourites (two) or co-favourites (more)."""
    first = [horse_id for horse_id, rank in ranks.items() if rank == 1]
    marks = {1: FavouriteMark.FAVOURITE, 2: FavouriteMark.JOINT}
    mark = marks.get(len(first), FavouriteMark.CO)
    return dict.fromkeys(first, mark)
