"""The runners of a race as bodies carry them, prepared once and kept while they do not change."""

from typing import cast

import msgspec
from msgspec import UNSET

from darkhorses.api.bodies import AbsentRunner, Offer, RunnerPrices
from darkhorses.api.encoding import encode
from darkhorses.domain.board import (
    BestPrice,
    FavouriteMark,
    best_price,
    exact_value,
    favourite_marks,
    favourite_ranks,
)
from darkhorses.domain.bookmakers import Bookmaker, BookmakerType
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Runner
from darkhorses.readmodel.market import Market, MarketRace, by_number
from darkhorses.store.races import StoredRunner

_Offers = dict[HorseId, list[tuple[Bookmaker, Price]]]


class PreparedRunners:
    """A race's runners, favourites first: as records without every offer, and as JSON.

    The JSON is made when it is first asked for; it is by far the most of every body. The offers,
    hundreds a race, are made for it alone and are not kept.
    """

    def __init__(self, race: MarketRace, bookmakers: dict[BookmakerId, Bookmaker]) -> None:
        self._race = race
        self._bookmakers = bookmakers
        self.best = _prepare(race, bookmakers, all_odds=False)
        self.absent = _absent(race)
        self._encoded: dict[bool, tuple[RunnerPrices, ...]] = {}

    def is_of(self, race: MarketRace, bookmakers: dict[BookmakerId, Bookmaker]) -> bool:
        """Whether this was made of the very same runners, quotes and bookmakers."""
        made_of = self._race
        return (
            race.runners is made_of.runners
            and race.quotes is made_of.quotes
            and bookmakers is self._bookmakers
        )

    def encoded(self, *, all_odds: bool) -> tuple[RunnerPrices, ...]:
        """The runners as ready JSON; it stands where the records would in a body."""
        if all_odds not in self._encoded:
            runners = (
                _prepare(self._race, self._bookmakers, all_odds=True) if all_odds else self.best
            )
            raw = msgspec.Raw(encode(runners))
            self._encoded[all_odds] = cast("tuple[RunnerPrices, ...]", raw)
        return self._encoded[all_odds]


class PreparedRaces:
    """The prepared runners of every race of the present market."""

    def __init__(self) -> None:
        self._prepared: dict[RaceId, PreparedRunners] = {}

    def of(self, market: Market, race: MarketRace) -> PreparedRunners:
        """The runners of a race of this market, prepared now or before."""
        race_id = race.race.race_id
        known = self._prepared.get(race_id)
        if known is None or not known.is_of(race, market.bookmakers):
            known = self._prepared[race_id] = PreparedRunners(race, market.bookmakers)
        if len(self._prepared) > len(market.races):
            self._prepared = {
                kept: prepared for kept, prepared in self._prepared.items() if kept in market.races
            }
        return known


def _prepare(
    race: MarketRace, bookmakers: dict[BookmakerId, Bookmaker], *, all_odds: bool
) -> tuple[RunnerPrices, ...]:
    active = race.active_runners()
    offers = _offers(race, bookmakers)
    best = {
        stored.runner.horse_id: found
        for stored in active
        if (found := _best_of_bookmakers(offers.get(stored.runner.horse_id, []))) is not None
    }
    ranks = favourite_ranks({horse_id: found.price for horse_id, found in best.items()})
    marks = favourite_marks(ranks)
    unranked = len(active) + 1
    active.sort(key=lambda stored: ranks.get(stored.runner.horse_id, unranked))
    return tuple(
        _runner_prices(
            stored.runner,
            offers.get(stored.runner.horse_id, []),
            best.get(stored.runner.horse_id),
            rank=ranks.get(stored.runner.horse_id),
            mark=marks.get(stored.runner.horse_id),
            all_odds=all_odds,
        )
        for stored in active
    )


def _offers(race: MarketRace, bookmakers: dict[BookmakerId, Bookmaker]) -> _Offers:
    offers: _Offers = {}
    for (horse_id, bookmaker_id), stored in race.quotes.items():
        bookmaker = bookmakers.get(bookmaker_id)
        if stored.quote.price is not None and bookmaker is not None:
            offers.setdefault(horse_id, []).append((bookmaker, stored.quote.price))
    for of_one_runner in offers.values():
        of_one_runner.sort(key=_bookmakers_and_best_first)
    return offers


def _bookmakers_and_best_first(offer: tuple[Bookmaker, Price]) -> tuple[bool, float, str]:
    bookmaker, price = offer
    is_exchange = bookmaker.bookmaker_type is BookmakerType.EXCHANGE
    return is_exchange, -float(exact_value(price)), bookmaker.bookmaker_name


def _best_of_bookmakers(offers: list[tuple[Bookmaker, Price]]) -> BestPrice | None:
    return best_price(
        (bookmaker.bookmaker_id, price)
        for bookmaker, price in offers
        if bookmaker.bookmaker_type is BookmakerType.FIXED
    )


def _runner_prices(
    runner: Runner,
    offers: list[tuple[Bookmaker, Price]],
    best: BestPrice | None,
    *,
    rank: int | None,
    mark: FavouriteMark | None,
    all_odds: bool,
) -> RunnerPrices:
    holders = tuple(
        bookmaker.bookmaker_name
        for bookmaker, _ in offers
        if best is not None and bookmaker.bookmaker_id in best.bookmakers
    )
    return RunnerPrices(
        horse_id=runner.horse_id,
        horse_name=runner.horse_name,
        horse_number=runner.horse_number,
        draw=runner.draw,
        jockey=runner.jockey,
        trainer=runner.trainer,
        best_odds_decimal=best.price.decimal if best is not None else None,
        best_odds_fractional=best.price.fractional if best is not None else None,
        best_bookmaker=holders[0] if holders else None,
        best_bookmakers=holders,
        is_favorite=rank == 1,
        favorite_rank=rank,
        favorite_mark=mark,
        all_odds=UNSET
        if not all_odds
        else tuple(
            Offer(
                bookmaker=bookmaker.bookmaker_name,
                odds_fractional=price.fractional,
                odds_decimal=price.decimal,
                bookmaker_type=bookmaker.bookmaker_type,
            )
            for bookmaker, price in offers
        ),
    )


def _absent(race: MarketRace) -> tuple[AbsentRunner, ...]:
    """Non-runners, also those that the card has dropped since, then reserves."""
    rows = sorted(race.runners.values(), key=by_number)
    non_runners = [_absence(row, "non_runner") for row in rows if row.runner.is_non_runner]
    reserves = [
        _absence(row, "reserve")
        for row in rows
        if row.runner.is_reserve and not row.runner.is_non_runner and row.removed_at is None
    ]
    return (*non_runners, *reserves)


def _absence(stored: StoredRunner, reason: str) -> AbsentRunner:
    return AbsentRunner(
        horse_id=stored.runner.horse_id,
        horse_name=stored.runner.horse_name,
        horse_number=stored.runner.horse_number,
        reason=reason,
        non_runner_at=stored.non_runner_at,
    )
