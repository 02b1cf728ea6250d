"""What every race to come offers, found anew only when its prices or runners change."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from darkhorses.api.publishing import Publisher
from darkhorses.domain.opportunities import RaceOffers, race_offers
from darkhorses.domain.race_figures import figures_of
from darkhorses.readmodel.boards import board_of
from darkhorses.readmodel.market import Market, MarketRace

if TYPE_CHECKING:
    from darkhorses.domain.identifiers import RaceId


class _Known(msgspec.Struct, frozen=True):
    """What a race offers, and the race that it was found by."""

    race: MarketRace
    offers: RaceOffers

    def is_of(self, race: MarketRace) -> bool:
        """Whether the race still has the very same runners and quotes."""
        return (
            self.race.runners is race.runners
            and self.race.quotes is race.quotes
            and self.race.race == race.race
        )


class KnownOffers:
    """Finds offers beside the loop: they take some milliseconds a race."""

    def __init__(self) -> None:
        self._finding = asyncio.Lock()
        self._known: dict[RaceId, _Known] = {}

    def of(self, race: MarketRace) -> RaceOffers | None:
        """What a race offers as it is; None where that was not found yet."""
        known = self._known.get(race.race.race_id)
        return known.offers if known is not None and known.is_of(race) else None

    async def follow(self, publisher: Publisher) -> None:
        """Find what is offered in the market that is served; raises NotLoadedError."""
        async with self._finding:
            while True:
                followed = publisher.followed()
                await self._find(followed.market, publisher.now())
                if publisher.followed() is followed:
                    return

    async def _find(self, market: Market, now: datetime) -> None:
        to_come = {r: race for r, race in market.races.items() if is_to_come(race, now)}
        self._known = {r: known for r, known in self._known.items() if r in to_come}
        for race_id, race in to_come.items():
            known = self._known.get(race_id)
            if known is None or not known.is_of(race):
                offers = await asyncio.to_thread(_offers_of, market, race, now)
                self._known[race_id] = _Known(race, offers)


def is_to_come(race: MarketRace, now: datetime) -> bool:
    """Past the scheduled off nobody knows whether a race still takes bets."""
    return race.race.off_dt > now and not race.is_over_at(now)


def _offers_of(market: Market, race: MarketRace, now: datetime) -> RaceOffers:
    return race_offers(figures_of(board_of(race, market.bookmakers, as_of=now)))
