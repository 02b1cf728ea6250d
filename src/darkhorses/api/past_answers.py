"""Answers about the past of single races, kept until something is written about their race.

Whether something was takes two cheap questions, asked when there is one that may be kept; reading a
race's log and making a body of it is much more. Those who ask for the same at once share the
questions and the body.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from itertools import count
from weakref import WeakValueDictionary

import msgspec

from darkhorses.api.encoding import Encoded
from darkhorses.api.stored_races import StoredRaces
from darkhorses.domain.identifiers import RaceId
from darkhorses.store.race_marks import RaceMark

MOST_BYTES = 16_000_000
MOST_ANSWERS = 512

_Key = tuple[RaceId, Hashable]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A body, and the mark of the race in the state that it was made of; None: it is not stored."""

    encoded: Encoded
    mark: RaceMark | None


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    encoded: Encoded
    mark: RaceMark
    looked: int


class PastAnswers:
    """Keeps the bodies that were asked for last."""

    def __init__(self, stored_races: StoredRaces, *, most_bytes: int = MOST_BYTES) -> None:
        self._stored_races = stored_races
        self._most_bytes = most_bytes
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._turns: WeakValueDictionary[_Key, asyncio.Lock] = WeakValueDictionary()
        self._order = count()

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(kept.encoded.size for kept in self._kept.values())

    async def answer(
        self, race_id: RaceId, asked: Hashable, make: Callable[[], Awaitable[Made]]
    ) -> Encoded:
        """The body for what is ``asked`` about a race: as it was made, or else made anew.

        ``make`` reads the race itself and uses nothing but ``asked`` and what is stored. Raises
        what it raises, and StoreError.
        """
        key = race_id, asked
        came = next(self._order)
        async with self._turns.setdefault(key, asyncio.Lock()):
            kept = self._kept.get(key)
            if kept is not None and kept.looked > came:
                return kept.encoded
            looked = next(self._order)
            if kept is not None and kept.mark == await self._stored_races.mark(race_id):
                made = Made(encoded=kept.encoded, mark=kept.mark)
            else:
                made = await make()
            if made.mark is not None:
                self._keep(key, _Kept(encoded=made.encoded, mark=made.mark, looked=looked))
            return made.encoded

    def _keep(self, key: _Key, kept: _Kept) -> None:
        self._kept[key] = kept
        self._kept.move_to_end(key)
        size = self.size
        while size > self._most_bytes or len(self._kept) > MOST_ANSWERS:
            _, oldest = self._kept.popitem(last=False)
            size -= oldest.encoded.size
