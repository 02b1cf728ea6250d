"""From the market to what it offers: only races to come, whose prices are fresh."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from darkhorses.api.known_offers import KnownOffers, is_to_come
from darkhorses.api.opportunity_bodies import (
    BestBookRow,
    BestBooks,
    EachWayEdges,
    EachWayRow,
    ExtraPlaces,
    ExtraPlacesRow,
    Kind,
    Leg,
    Opportunities,
    PlaceBoundaries,
    PlaceBoundaryRow,
)
from darkhorses.api.races import Lens, minutes_until
from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.identifiers import BookmakerId
from darkhorses.domain.london import london_clock
from darkhorses.domain.opportunities import (
    Arbitrage,
    BetterTerms,
    EachWayEdge,
    PlaceBoundary,
    RaceOffers,
    split_stake,
)
from darkhorses.domain.settlement import EachWayTerms, is_handicap
from darkhorses.readmodel.market import MarketRace
from darkhorses.store.odds import StoredQuote

FEED_PATIENCE = timedelta(minutes=10)
"""The feed refreshes every 3 to 5 minutes; odds that it has not for so long are not fresh."""

KEPT_FOR = timedelta(seconds=5)
"""How long an answer may be given on while nothing is written: ages move with the clock."""

_PLACES = 6
_SECOND = timedelta(seconds=1)
Row = TypeVar("Row")

_FRESH = (
    "Only races whose scheduled off is to come, that the feed was asked about within max_age "
    "seconds and whose odds it has refreshed within 10 minutes, as far as it says so. A price may "
    "be gone when it is asked for, and bookmakers limit stakes."
)
BEST_BOOK_METHOD = (
    "The sum over all runners of 1/best bookmaker price, exchanges apart, is under 100 %. Stakes "
    f"are in proportion to 1/price, rounded to pennies. {_FRESH}"
)
EXTRA_PLACES_METHOD = (
    "A bookmaker's own terms, as stated on most of its prices, beside the standard terms by the "
    "number of runners now in the market: 5-7 two places at 1/4; 8 and more three at 1/5; in "
    "handicaps of 12-15 three at 1/4, of 16 and more four at 1/4. A race is taken for a handicap "
    f"by its name. {_FRESH}"
)
EACH_WAY_METHOD = (
    "Win chances are the mean of Shin's over all whole bookmakers' books (three at least), place "
    "chances follow by Harville's model. That overstates how often favourites are placed and "
    "understates outsiders, so a short price's edge is smaller than it seems. The value of a part "
    "is chance times return less 1, by the bookmaker's own terms; Rule 4 and places cut by later "
    f"non-runners are not counted. {_FRESH}"
)
PLACE_BOUNDARY_METHOD = (
    "The standard terms of the runners now in the market and of one fewer. Bookmakers with terms "
    f"of their own may keep them. {_FRESH}"
)


class OpportunitiesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; ``max_age`` is of the last look, ``kind`` None for all of them."""

    kind: Kind | None
    region: str | None
    course: str | None
    max_age: timedelta
    stake: Decimal
    min_value: float
    limit: int

    def wants(self, kind: Kind) -> bool:
        """Whether this kind is asked for."""
        return self.kind is None or self.kind is kind


def opportunities(
    lens: Lens, known: KnownOffers, query: OpportunitiesQuery
) -> tuple[Opportunities, datetime | None]:
    """What is offered by the races to come that are fresh."""
    asked = [
        race
        for race in lens.followed.market.races.values()
        if race.is_run_in(region=query.region, course=query.course) and is_to_come(race, lens.now)
    ]
    fresh = [race for race in asked if _is_fresh(lens, race, query.max_age)]
    desk = _Desk(lens, query, [(race, found) for race in fresh if (found := known.of(race))])
    body = Opportunities(
        success=True,
        races=len(fresh),
        left_out=len(asked) - len(fresh),
        checked_at=lens.checked_at(fresh),
        **{str(kind): desk.tell(kind) for kind in Kind if query.wants(kind)},
    )
    moments = [lens.true_until(asked, minutes=True), lens.now + KEPT_FOR]
    return body, min(moment for moment in moments if moment is not None)


class _Desk:
    """Tells what some races offer, kind by kind."""

    def __init__(
        self,
        lens: Lens,
        query: OpportunitiesQuery,
        offers: Iterable[tuple[MarketRace, RaceOffers]],
    ) -> None:
        self._lens = lens
        self._query = query
        self._offers = list(offers)

    def tell(self, kind: Kind) -> Any:
        tellers: dict[Kind, Callable[[], Any]] = {
            Kind.BEST_BOOK: self._best_books,
            Kind.EXTRA_PLACES: self._extra_places,
            Kind.EACH_WAY: self._each_way,
            Kind.PLACE_BOUNDARY: self._boundaries,
        }
        return tellers[kind]()

    def _best_books(self) -> BestBooks:
        found = [(race, o.arbitrage) for race, o in self._offers if o.arbitrage is not None]
        found.sort(key=lambda one: one[1].total)
        rows = tuple(self._best_book(*one) for one in self._first(found))
        return BestBooks(method=BEST_BOOK_METHOD, total=len(found), data=rows)

    def _extra_places(self) -> ExtraPlaces:
        found = [(race, terms) for race, offers in self._offers for terms in offers.better_terms]
        found.sort(key=lambda one: (-one[1].extra_places, one[1].terms.denominator))
        rows = tuple(self._extra(*one) for one in self._first(found))
        return ExtraPlaces(method=EXTRA_PLACES_METHOD, total=len(found), data=rows)

    def _each_way(self) -> EachWayEdges:
        found = [
            (race, edge)
            for race, offers in self._offers
            for edge in offers.edges
            if edge.value >= self._query.min_value
        ]
        found.sort(key=lambda one: -one[1].value)
        rows = tuple(self._edge(*one) for one in self._first(found))
        return EachWayEdges(method=EACH_WAY_METHOD, total=len(found), data=rows)

    def _boundaries(self) -> PlaceBoundaries:
        found = [(race, o.boundary) for race, o in self._offers if o.boundary is not None]
        rows = tuple(self._boundary(*one) for one in self._first(found))
        return PlaceBoundaries(method=PLACE_BOUNDARY_METHOD, total=len(found), data=rows)

    def _first(self, found: list[Row]) -> list[Row]:
        return found[: self._query.limit]

    def _best_book(self, race: MarketRace, found: Arbitrage) -> BestBookRow:
        split = split_stake(found, self._query.stake)
        legs = []
        for horse_id, best in found.best.items():
            changed_at = min(_changed_at(race.quotes[horse_id, who]) for who in best.bookmakers)
            legs.append(
                Leg(
                    horse_id=horse_id,
                    horse_name=race.runners[horse_id].runner.horse_name,
                    bookmakers=tuple(map(self._name, best.bookmakers)),
                    odds_decimal=best.price.decimal,
                    odds_fractional=best.price.fractional,
                    stake=split.stakes[horse_id],
                    changed_at=changed_at,
                    price_age_seconds=self._age(changed_at),
                )
            )
        return BestBookRow(
            **self._race(race),
            percentage=round(float(100 * found.total), _PLACES - 2),
            margin=round(float(1 / found.total - 1), _PLACES),
            staked=split.staked,
            returned=split.returned,
            profit=split.returned - split.staked,
            legs=tuple(legs),
        )

    def _extra(self, race: MarketRace, found: BetterTerms) -> ExtraPlacesRow:
        return ExtraPlacesRow(
            **self._race(race),
            bookmaker_id=found.bookmaker_id,
            bookmaker_name=self._name(found.bookmaker_id),
            ew_places=found.terms.places,
            ew_denom=found.terms.denominator,
            standard_places=found.standard.places if found.standard is not None else None,
            standard_denom=found.standard.denominator if found.standard is not None else None,
            extra_places=found.extra_places,
            smaller_fraction=found.smaller_fraction,
        )

    def _edge(self, race: MarketRace, found: EachWayEdge) -> EachWayRow:
        changed_at = _changed_at(race.quotes[found.horse_id, found.bookmaker_id])
        return EachWayRow(
            **self._race(race),
            horse_id=found.horse_id,
            horse_name=race.runners[found.horse_id].runner.horse_name,
            bookmaker_id=found.bookmaker_id,
            bookmaker_name=self._name(found.bookmaker_id),
            odds_decimal=found.price.decimal,
            odds_fractional=found.price.fractional,
            ew_places=found.terms.places,
            ew_denom=found.terms.denominator,
            changed_at=changed_at,
            price_age_seconds=self._age(changed_at),
            win_chance=round(found.win_chance, _PLACES),
            place_chance=round(found.place_chance, _PLACES),
            win_value=round(found.win_value, _PLACES),
            place_value=round(found.place_value, _PLACES),
            value=round(found.value, _PLACES),
            fair_books=found.books,
        )

    def _boundary(self, race: MarketRace, found: PlaceBoundary) -> PlaceBoundaryRow:
        after = found.after
        return PlaceBoundaryRow(
            **self._race(race),
            places=found.now.places,
            denom=found.now.denominator,
            places_after=after.places if after is not None else None,
            denom_after=after.denominator if after is not None else None,
            warning=f"One more non-runner turns {_words(found.now)} into {_words(after)}.",
        )

    def _race(self, race: MarketRace) -> dict[str, Any]:
        facts = race.race
        return {
            "race_id": facts.race_id,
            "race_date": facts.race_date,
            "race_time": london_clock(facts.off_dt),
            "off_dt": facts.off_dt,
            "course": facts.course,
            "region": facts.region,
            "race_name": facts.race_name,
            "is_handicap": is_handicap(facts.race_name),
            "runners": len(race.active_runners()),
            "minutes_until": minutes_until(facts.off_dt, self._lens.now),
            "checked_at": race.stored.checked_at,
            "age_seconds": self._age(race.stored.checked_at),
            "feed_refreshed_at": race.stored.odds_refreshed_at,
        }

    def _age(self, since: datetime) -> int:
        return max(0, (self._lens.now - since) // _SECOND)

    def _name(self, bookmaker_id: BookmakerId) -> str:
        known = self._lens.followed.market.bookmakers.get(bookmaker_id)
        return (known or bookmaker_named(bookmaker_id)).bookmaker_name


def _is_fresh(lens: Lens, race: MarketRace, max_age: timedelta) -> bool:
    stored = race.stored
    refreshed_at = stored.odds_refreshed_at
    return (
        not lens.is_stale(race)
        and lens.now - stored.checked_at <= max_age
        and (refreshed_at is None or lens.now - refreshed_at <= FEED_PATIENCE)
    )


def _changed_at(stored: StoredQuote) -> datetime:
    return stored.odds_timestamp or stored.fetched_at


def _words(terms: EachWayTerms | None) -> str:
    if terms is None:
        return "win only"
    places = "place" if terms.places == 1 else "places"
    return f"{terms.places} {places} at 1/{terms.denominator}"
