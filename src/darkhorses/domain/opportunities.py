"""What a race's prices and terms offer beyond the ordinary, whatever the hour.

- An **arbitrage**: the best bookmaker prices of all runners sum to less than 100 %, so that stakes
  in proportion to 1/price return the same whoever wins, and more than was staked.
- **Better terms**: a bookmaker pays more places than the standard terms of the race, or as many at
  a larger fraction of the odds.
- An **each-way edge**: by fair chances a bet each way returns more than it costs. Fair chances to
  win are the consensus of whole books by Shin's method, those to be placed follow by Harville's
  model (``domain/place_chances.py`` has its limits), so an edge is an estimate, and its place part
  is too rosy for favourites.
- A **place boundary**: one more non-runner changes the standard terms.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction

import msgspec

from darkhorses.domain.bets import in_pence
from darkhorses.domain.board import BestPrice, exact_value
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.place_chances import place_chances
from darkhorses.domain.price_moves import LEAST_BOOKMAKERS
from darkhorses.domain.prices import Price
from darkhorses.domain.race_board import Book
from darkhorses.domain.race_figures import Figures
from darkhorses.domain.settlement import EachWayTerms, each_way_terms, is_handicap


class Arbitrage(msgspec.Struct, frozen=True, kw_only=True):
    """Every runner's best price; ``total`` is the sum of 1/best, under 1."""

    best: Mapping[HorseId, BestPrice]
    total: Fraction


class SplitStake(msgspec.Struct, frozen=True, kw_only=True):
    """A stake split over all runners, to the penny; ``returned`` comes back whoever wins."""

    stakes: Mapping[HorseId, Decimal]
    staked: Decimal
    returned: Decimal


class BetterTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A bookmaker's terms beside the standard ones (None where only winning pays).

    ``smaller_fraction`` says that its further places are paid at less of the odds.
    """

    bookmaker_id: BookmakerId
    terms: EachWayTerms
    standard: EachWayTerms | None
    extra_places: int
    smaller_fraction: bool


class EachWayEdge(msgspec.Struct, frozen=True, kw_only=True):
    """A bet each way that returns more than it costs by fair chances.

    ``win_value`` and ``place_value`` are the gain expected of 1 staked on that part, ``value`` of 1
    staked in halves on both. ``books`` whole books made the chances.
    """

    horse_id: HorseId
    bookmaker_id: BookmakerId
    price: Price
    terms: EachWayTerms
    win_chance: float
    place_chance: float
    win_value: float
    place_value: float
    value: float
    books: int


class PlaceBoundary(msgspec.Struct, frozen=True, kw_only=True):
    """The standard terms of so many runners, and with one less (None: only winning pays)."""

    runners: int
    now: EachWayTerms
    after: EachWayTerms | None


class RaceOffers(msgspec.Struct, frozen=True, kw_only=True):
    """All that a race offers; ``edges`` come with the largest first."""

    arbitrage: Arbitrage | None
    better_terms: tuple[BetterTerms, ...]
    edges: tuple[EachWayEdge, ...]
    boundary: PlaceBoundary | None


def race_offers(figures: Figures) -> RaceOffers:
    """Find what a race offers by the prices on its board."""
    handicap = is_handicap(figures.board.race.race_name)
    active = len(figures.board.active())
    return RaceOffers(
        arbitrage=arbitrage(figures),
        better_terms=tuple(
            better
            for book in figures.bookmakers
            if (better := _better_terms(figures, book, each_way_terms(active, handicap=handicap)))
        ),
        edges=tuple(sorted(_edges(figures), key=lambda edge: (-edge.value, edge.horse_id))),
        boundary=place_boundary(active, handicap=handicap),
    )


def arbitrage(figures: Figures) -> Arbitrage | None:
    """The race's arbitrage, if every runner has a price and there is one."""
    best = figures.best.best
    if figures.best.unpriced or len(best) < 2:  # noqa: PLR2004  # a race
        return None
    total = sum((1 / exact_value(found.price) for found in best.values()), Fraction(0))
    return Arbitrage(best=best, total=total) if total < 1 else None


def split_stake(found: Arbitrage, amount: Decimal) -> SplitStake:
    """Split an amount so that every winner returns the same, but for what pennies do to it."""
    stakes = {
        horse_id: in_pence(Fraction(amount) / exact_value(best.price) / found.total)
        for horse_id, best in found.best.items()
    }
    least = min(
        Fraction(stakes[horse_id]) * exact_value(best.price)
        for horse_id, best in found.best.items()
    )
    return SplitStake(
        stakes=stakes, staked=sum(stakes.values(), Decimal(0)), returned=in_pence(least)
    )


def place_boundary(runners: int, *, handicap: bool) -> PlaceBoundary | None:
    """What one more non-runner would change in the standard terms; None for nothing."""
    now = each_way_terms(runners, handicap=handicap)
    after = each_way_terms(runners - 1, handicap=handicap)
    if now is None or now == after:
        return None
    return PlaceBoundary(runners=runners, now=now, after=after)


def _better_terms(
    figures: Figures, book: Book, standard: EachWayTerms | None
) -> BetterTerms | None:
    terms = _terms_of(figures, book)
    if terms is None:
        return None
    extra = terms.places - (standard.places if standard is not None else 0)
    smaller = standard is not None and terms.denominator > standard.denominator
    larger = standard is not None and terms.denominator < standard.denominator
    if extra < 0 or (extra == 0 and not larger):
        return None
    return BetterTerms(
        bookmaker_id=book.bookmaker.bookmaker_id,
        terms=terms,
        standard=standard,
        extra_places=extra,
        smaller_fraction=smaller,
    )


def _terms_of(figures: Figures, book: Book) -> EachWayTerms | None:
    """The terms that a bookmaker states on most of its prices."""
    stated = Counter(
        terms
        for horse_id in book.prices
        if (terms := _stated(figures, horse_id, book.bookmaker.bookmaker_id)) is not None
    )
    return stated.most_common(1)[0][0] if stated else None


def _stated(figures: Figures, horse_id: HorseId, bookmaker_id: BookmakerId) -> EachWayTerms | None:
    quote = figures.board.quotes[horse_id, bookmaker_id].quote
    if not quote.ew_places or not quote.ew_denom:
        return None
    return EachWayTerms(places=quote.ew_places, denominator=quote.ew_denom)


def _edges(figures: Figures) -> Iterator[EachWayEdge]:
    """Each-way bets that pay by fair chances, where enough whole books say what is fair."""
    fair = figures.consensus
    if fair is None or fair.books < LEAST_BOOKMAKERS:
        return
    win = {horse_id: chance.shin for horse_id, chance in fair.chances.items()}
    placed: dict[int, dict[HorseId, float]] = {}
    for book in figures.bookmakers:
        for horse_id, price in book.prices.items():
            terms = _stated(figures, horse_id, book.bookmaker.bookmaker_id)
            if terms is None or horse_id not in win:
                continue
            if terms.places not in placed:
                chances = place_chances(list(win.values()), terms.places)
                placed[terms.places] = dict(zip(win, chances, strict=True))
            exact = float(exact_value(price))
            place_chance = placed[terms.places][horse_id]
            win_value = win[horse_id] * exact - 1
            place_value = place_chance * ((exact - 1) / terms.denominator + 1) - 1
            if win_value + place_value > 0:
                yield EachWayEdge(
                    horse_id=horse_id,
                    bookmaker_id=book.bookmaker.bookmaker_id,
                    price=price,
                    terms=terms,
                    win_chance=win[horse_id],
                    place_chance=place_chance,
                    win_value=win_value,
                    place_value=place_value,
                    value=(win_value + place_value) / 2,
                    books=fair.books,
                )
