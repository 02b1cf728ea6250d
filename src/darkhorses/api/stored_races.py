"""Single races read from the database when they are asked for: how they stood, and their log."""

import asyncio
from datetime import datetime, timedelta

import msgspec

from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.market_at import board_with
from darkhorses.domain.race_board import RaceBoard
from darkhorses.readmodel.boards import board_without_quotes
from darkhorses.readmodel.loading import loaded_race
from darkhorses.readmodel.market import Market
from darkhorses.store.logged_races import RaceChanges, race_at, race_changes
from darkhorses.store.pool import Database
from darkhorses.store.race_marks import RaceMark, mark_of

_STATEMENT_LIMIT = timedelta(seconds=5)
_MARK_PATIENCE = timedelta(seconds=5)
_LONGEST_ID = 64


class PastBoard(msgspec.Struct, frozen=True, kw_only=True):
    """A race as it stood; ``known_from`` is when its first known price took effect, if any.

    ``mark`` is of the state of the database that it was read in.
    """

    board: RaceBoard
    known_from: datetime | None
    mark: RaceMark


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
        if not _may_be_id(race_id):
            return None
        async with self._database.snapshot(statement_timeout=_STATEMENT_LIMIT) as connection:
            return await loaded_race(connection, race_id)

    async def board_at(self, race_id: RaceId, at: datetime) -> PastBoard | None:
        """The race as it stood at a moment (UTC)."""
        if not _may_be_id(race_id):
            return None
        async with self._database.statements(limit=_STATEMENT_LIMIT) as connection:
            race = await race_at(connection, race_id, at)
        await _next_question_put()
        if race is None:
            return None
        newest = board_without_quotes(race.stored, race.runners, race.bookmakers, as_of=at)
        board = board_with(newest, race.quotes, last_look=race.last_look, at=at)
        return PastBoard(board=board, known_from=race.known_from, mark=race.mark)

    async def changes(
        self, race_id: RaceId, *, horse_id: HorseId | None = None
    ) -> RaceChanges | None:
        """The race and its price changes, of one runner or of all."""
        if not _may_be_id(race_id):
            return None
        async with self._database.statements(limit=_STATEMENT_LIMIT) as connection:
            race = await race_changes(connection, race_id, horse_id=horse_id)
        await _next_question_put()
        return race


async def _next_question_put() -> None:
    """Let whoever has the turn now put its question: the database works on it while we make a body.

    It takes its turn in one round of the loop, and its words leave at the end of that.
    """
    for _ in range(2):
        await asyncio.sleep(0)


def _may_be_id(race_id: RaceId) -> bool:
    """Whether a text can be the id of a race: the database takes no text with a NUL in it."""
    return len(race_id) <= _LONGEST_ID and race_id.isascii() and race_id.isprintable()
