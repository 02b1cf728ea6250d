"""What the last looks said of races, so that what comes again unchanged is not read again.

Most looks bring back most of a card byte for byte, but for the feed's refresh stamp, which moves
on every quote of a race at once. A runner, or a quote, that differs in nothing else is what it
was: reading is a function of its bytes, and the stamp is read anew at every look.
"""

import re
from collections.abc import Collection

import msgspec

from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import BookmakerId, RaceId
from darkhorses.domain.races import Card, Quote, QuoteKey, QuotesSince, Runner
from darkhorses.upstream.bodies import UNDECODABLE
from darkhorses.upstream.wire import Leaf, WireRawRunner

# Within a JSON string a quotation mark has a backslash before it, so this is an object's member.
_STAMP = re.compile(rb'"updated":"([ -!#-\[\]-~]+)"')

_raw_runner = msgspec.json.Decoder(WireRawRunner)


class ReadRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A runner as it was read; ``quotes`` None when its JSON said nothing of odds."""

    runner: Runner
    quotes: dict[QuoteKey, Quote] | None = None
    bookmakers: dict[BookmakerId, Bookmaker] = {}


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    """A runner as it was read last, beside what its JSON would be now had nothing changed."""

    read: ReadRunner
    expected: bytes

    def differing(self, raw: bytes) -> list[tuple[QuoteKey, msgspec.Raw]] | None:
        """The quotes in a runner's JSON that are not as they were, under the keys that they had.

        None when more than quotes has changed, or most of them: then all of it is to be read.
        """
        try:
            now, was = _raw_runner.decode(raw), _raw_runner.decode(self.expected)
        except UNDECODABLE:
            return None
        quotes, before, known = now.odds, was.odds, self.read.quotes
        now.odds = was.odds = None
        # As JSON, for which 1 is neither true nor 1.0.
        same_facts = msgspec.json.encode(now) == msgspec.json.encode(was)
        if not (same_facts and quotes and before and known):
            return None
        if not len(quotes) == len(before) == len(known):
            return None
        places = zip(known, quotes, before, strict=True)
        differing = [(key, quote) for key, quote, old in places if quote != old]
        return differing if len(differing) * 2 <= len(known) else None


class ReadRace(msgspec.Struct, frozen=True, kw_only=True):
    """A race of which everything could be read, beside what it was read from.

    ``facts`` are its leaves as JSON, ``raws`` its runners so; ``stamp`` is the refresh stamp
    that all of its quotes had, None when it had no quotes.
    """

    facts: bytes
    raws: tuple[bytes, ...]
    runners: tuple[ReadRunner, ...]
    stamp: str | None
    card: Card

    def recall(self, raws: tuple[bytes, ...]) -> tuple[list[Recalled | None], str | None]:
        """What is known of the runner at each place, and the stamp that their quotes have now.

        None for a runner of which nothing can be said; one at another place than before is
        another.
        """
        stamp = self.stamp
        if raws != self.raws and stamp is not None:
            stamp = _stamp_in(raws) or stamp
        old, new = (f'"updated":"{text}"'.encode() for text in (self.stamp, stamp))
        found: list[Recalled | None] = [None] * len(raws)
        for place, (before, read) in enumerate(zip(self.raws, self.runners, strict=True)):
            expected = before if stamp == self.stamp else before.replace(old, new)
            # Quotes whose stamp is not where it was looked for may have any.
            if place < len(raws) and (stamp == self.stamp or expected != before or not read.quotes):
                found[place] = Recalled(read=read, expected=expected)
        return found, stamp


class Seen(msgspec.Struct):
    """What reading a race's runners brings to light besides them.

    ``stamps`` are those of all quotes; ``differing`` the quotes that are not as they were last,
    unless a runner was read ``afresh``.
    """

    stamps: dict[Leaf, None] = {}
    differing: list[QuoteKey] = []
    afresh: bool = False

    def since(self, last: ReadRace | None, runners: tuple[ReadRunner, ...]) -> QuotesSince | None:
        """How the quotes differ from the last ones; None when they cannot be told apart singly.

        A horse that stands on a card twice has the quotes of its last place, which may be another.
        """
        if last is None or self.afresh:
            return None
        horses = [read.runner.horse_id for read in runners]
        if horses != [read.runner.horse_id for read in last.runners]:
            return None
        if len(set(horses)) != len(horses):
            return None
        return QuotesSince(quotes=last.card.quotes, differing=tuple(self.differing))


class CardMemory:
    """The races that were read last; one that cannot serve again is not among them."""

    def __init__(self) -> None:
        self._races: dict[RaceId, ReadRace] = {}

    def race(self, race_id: str | None) -> ReadRace | None:
        """A race as it was last read; None when it is to be read from scratch."""
        return self._races.get(RaceId(race_id)) if race_id else None

    def note(
        self,
        card: Card,
        facts: bytes,
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
            facts=facts, raws=raws, runners=runners, stamp=stamp, card=card
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
