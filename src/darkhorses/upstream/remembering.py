"""What the last looks said of races, so that what comes again unchanged is not read again.

Most looks bring back most of a card byte for byte, but for the feed's refresh stamp, which moves
on every quote of a race at once. A runner that differs in nothing else is what it was: reading is
a function of its bytes, and the stamp is read anew at every look.
"""

import re
from collections.abc import Collection

import msgspec

from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import BookmakerId, RaceId
from darkhorses.domain.races import Card, Quote, QuoteKey, Runner
from darkhorses.upstream.wire import Leaf

# Within a JSON string a quotation mark has a backslash before it, so this is an object's member.
_STAMP = re.compile(rb'"updated":"([ -!#-\[\]-~]+)"')


class ReadRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A runner as it was read; ``quotes`` None when its JSON said nothing of odds."""

    runner: Runner
    quotes: dict[QuoteKey, Quote] | None = None
    bookmakers: dict[BookmakerId, Bookmaker] = {}


class ReadRace(msgspec.Struct, frozen=True, kw_only=True):
    """A race of which everything could be read, beside the JSON of its runners.

    ``stamp`` is the refresh stamp that all of its quotes had, None when it had no quotes.
    """

    raws: tuple[bytes, ...]
    runners: tuple[ReadRunner, ...]
    stamp: str | None
    card: Card

    def recall(self, raws: tuple[bytes, ...]) -> tuple[list[ReadRunner | None], str | None]:
        """What was read of each runner before, None for one that is to be read; and their stamp.

        A runner is known by its place on the card, so one that has moved is read again.
        """
        if raws == self.raws:
            return list(self.runners), self.stamp
        stamp = _stamp_in(raws)
        if stamp is None or self.stamp is None:
            stamp = self.stamp
        old, new = (f'"updated":"{text}"'.encode() for text in (self.stamp, stamp))
        found: list[ReadRunner | None] = [None] * len(raws)
        for position, (raw, before) in enumerate(zip(raws, self.raws, strict=False)):
            expected = before.replace(old, new)
            runner = self.runners[position]
            # Quotes whose stamp is not where it was looked for may have any.
            if raw == expected and (old == new or expected != before or not runner.quotes):
                found[position] = runner
        return found, stamp


class CardMemory:
    """The races that were read last; one that cannot serve again is not among them."""

    def __init__(self) -> None:
        self._races: dict[RaceId, ReadRace] = {}

    def race(self, race_id: RaceId) -> ReadRace | None:
        """A race as it was last read; None when it is to be read from scratch."""
        return self._races.get(race_id)

    def note(
        self,
        card: Card,
        *,
        raws: tuple[bytes, ...],
        runners: tuple[ReadRunner, ...],
        stamps: Collection[Leaf],
    ) -> None:
        """Remember how a race was read; one whose quotes have several stamps cannot serve again."""
        stamp, *others = stamps or (None,)
        if others or not isinstance(stamp, str | None):
            self.forget(card.race.race_id)
            return
        self._races[card.race.race_id] = ReadRace(
            raws=raws, runners=runners, stamp=stamp, card=card
        )

    def forget(self, race_id: RaceId) -> None:
        """Have a race read from scratch when it comes next."""
        self._races.pop(race_id, None)

    def keep(self, race_ids: Collection[RaceId]) -> None:
        """Forget all races but these."""
        self._races = {race_id: self._races[race_id] for race_id in self._races.keys() & race_ids}


def _stamp_in(raws: tuple[bytes, ...]) -> str | None:
    """The first refresh stamp in the JSON of runners, or what looks like one; None without any."""
    for raw in raws:
        if match := _STAMP.search(raw):
            return match[1].decode("ascii")
    return None
