"""Every price change of the races that are not over, in memory, from when it is first asked for.

Source of truth: the change log. It is read race by race at first and by ``change_id`` afterwards;
a race that is over is forgotten with all its prices, so that what is held is bounded by the log of
the races to come: 12 bytes a change and some 50 a quote. What the log has up to a change never
changes, so that it is read piece by piece; a part that is read twice changes nothing, so that a
reading may be broken off anywhere.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime, timedelta

from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.price_paths import PriceLog, PricePath
from darkhorses.domain.races import Race
from darkhorses.readmodel.market import Market
from darkhorses.store.pool import Connection, Database
from darkhorses.store.price_paths import PathChange, changes_of_races, newest_change_id

_STATEMENT_LIMIT = timedelta(seconds=10)


class RacePaths:
    """A race's paths by runner and bookmaker."""

    def __init__(self, origin: datetime) -> None:
        self._log = PriceLog(origin)
        self._numbers: dict[HorseId, dict[BookmakerId, int]] = {}

    def of_runner(self, horse_id: HorseId) -> Mapping[BookmakerId, PricePath]:
        """The paths of a runner by bookmaker; empty for one without prices."""
        numbers = self._numbers.get(horse_id, {})
        return {who: PricePath(self._log, number) for who, number in numbers.items()}

    def add(self, change: PathChange) -> None:
        """Note a change of this race."""
        numbers = self._numbers.setdefault(change.horse_id, {})
        number = numbers.get(change.bookmaker_id)
        if number is None:
            number = numbers[change.bookmaker_id] = self._log.new_path()
        self._log.add(number, change.at, change.price)


_NO_PATHS = RacePaths(datetime.min.replace(tzinfo=UTC))


class PricePaths:
    """The paths of all prices that may still be taken; brought up to date when they are asked for.

    ``position`` is the newest change that they hold.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._following = asyncio.Lock()
        self._races: dict[RaceId, RacePaths] = {}
        self._followed: Market | None = None
        self.position = 0

    def of(self, race_id: RaceId) -> RacePaths:
        """A race's paths; empty for a race that is over, or has no price yet."""
        return self._races.get(race_id, _NO_PATHS)

    async def follow(self, market: Market, now: datetime) -> None:
        """Bring the paths of a market's races up to date; raises StoreError.

        Every change of the log makes another market: the same one has nothing new.
        """
        live = {
            race_id: race.race for race_id, race in market.races.items() if not race.is_over_at(now)
        }
        async with self._following:
            for race_id in self._races.keys() - live.keys():
                del self._races[race_id]
            if live and market is not self._followed:
                await self._read(live, first_day=market.from_day)
                self._followed = market

    async def _read(self, live: Mapping[RaceId, Race], *, first_day: date) -> None:
        """Read what is new; all anew when the log went back, as in a database that was restored."""
        async with self._reading() as connection:
            newest = await newest_change_id(connection, first_day=first_day)
        if newest < self.position:
            self._races.clear()
            self.position = 0
        known = [race for race_id, race in live.items() if race_id in self._races]
        if known and newest > self.position:
            async with self._reading() as connection:
                changes = await changes_of_races(
                    connection, known, after=self.position, until=newest
                )
            self._add(changes)
        for race_id, race in live.items():
            if race_id not in self._races:
                async with self._reading() as connection:
                    changes = await changes_of_races(connection, [race], after=0, until=newest)
                self._races[race_id] = RacePaths(race.off_dt)
                self._add(changes)
        self.position = newest

    def _reading(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for one question: others are served between two of them."""
        return self._database.snapshot(statement_timeout=_STATEMENT_LIMIT)

    def _add(self, changes: Iterable[PathChange]) -> None:
        for change in changes:
            self._races[change.race_id].add(change)
