"""Single races read from the database when they are asked for: how they stood, and their log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec

from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.market_at import PriceChange, board_at
from darkhorses.domain.race_board import RaceBoard
from darkhorses.readmodel.boards import board_of
from darkhorses.readmodel.loading import loaded_race
from darkhorses.readmodel.market import Market
from darkhorses.store.gap_repairs import GapRepair, repairs_of
from darkhorses.store.pool import Connection, Database
from darkhorses.store.price_changes import first_change_at, price_changes_of
from darkhorses.store.race_marks import RaceMark, mark_of

_STATEMENT_LIMIT = timedelta(seconds=5)
_MARK_PATIENCE = timedelta(seconds=5)
_LONGEST_ID = 64


class PastBoard(msgspec.Struct, frozen=True, kw_only=True):
    """A race as it stood; ``known_from`` is when its first known price took effect, if any."""

    board: RaceBoard
    known_from: datetime | None


class RaceLog(msgspec.Struct, frozen=True, kw_only=True):
    """A race as it is now, and its price changes in the order in which they took effect.

    ``repair`` is what was found out about how complete they are; None: nothing yet.
    """

    market: Market
    changes: list[PriceChange]
    repair: GapRepair | None


class StoredRaces:
    """Reads single races.

    Its methods give None for a race that is not stored, and raise StoreError when the database
    cannot be read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mark(self, race_id: RaceId) -> RaceMark | None:
        """How far what is stored about the race has come."""
        if not _may_be_id(race_id):
            return None
        async with self._database.connection(patience=_MARK_PATIENCE) as connection:
            return await mark_of(connection, race_id)

    async def market(self, race_id: RaceId) -> Market | None:
        """The race by itself, as it is stored now."""
        async with self._snapshot_of(race_id) as (_, market):
            return market

    async def board_at(self, race_id: RaceId, at: datetime) -> PastBoard | None:
        """The race as it stood at a moment (UTC)."""
        async with self._snapshot_of(race_id) as (connection, market):
            if market is None:
                return None
            race = market.races[race_id]
            changes = await price_changes_of(connection, race.race, until=at)
            known_from = changes[0].at if changes else await first_change_at(connection, race.race)
        newest = board_of(race, market.bookmakers, as_of=at)
        return PastBoard(board=board_at(newest, changes, at), known_from=known_from)

    async def log(self, race_id: RaceId, *, horse_id: HorseId | None = None) -> RaceLog | None:
        """The race's price changes, of one runner or of all."""
        async with self._snapshot_of(race_id) as (connection, market):
            if market is None:
                return None
            race = market.races[race_id].race
            changes = await price_changes_of(connection, race, horse_id=horse_id)
            repairs = await repairs_of(connection, [race_id])
        return RaceLog(market=market, changes=changes, repair=repairs.get(race_id))

    @asynccontextmanager
    async def _snapshot_of(
        self, race_id: RaceId
    ) -> AsyncIterator[tuple[Connection, Market | None]]:
        async with self._database.snapshot(statement_timeout=_STATEMENT_LIMIT) as connection:
            known = _may_be_id(race_id)
            yield connection, await loaded_race(connection, race_id) if known else None


def _may_be_id(race_id: RaceId) -> bool:
    """Whether a text can be the id of a race: the database takes no text with a NUL in it."""
    return len(race_id) <= _LONGEST_ID and race_id.isascii() and race_id.isprintable()
