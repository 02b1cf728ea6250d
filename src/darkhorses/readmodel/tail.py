"""The tail of what happened: the latest events, kept for those who are told and who come back.

A turn of the follower appends batches: pages of price changes first, then, with the new market,
what else is to be told. A batch says from which position to which it leads. Whoever is told keeps
only the number of the next batch, so a client that does not read costs no memory; when the tail
has moved past that number, the client has been overtaken.

::

    start                              position
      │   batch 17   │   batch 18   │   batch 19   │ next: 20
      └──────────────┴──────────────┴──────────────┘
                     base: the market as of here, and the number of the batch after it

Nearly all that is read is news, so the latest batches alone are kept as events; older ones are
packed, and unpacked when somebody who comes back reads them.

``base`` and the batches after it are consistent: the market there plus those batches is the market
now, nothing missing and nothing twice.
"""

from collections import deque
from collections.abc import Callable, Iterator
from datetime import date, datetime
from itertools import islice

import brotli
import msgspec

from darkhorses.domain.positions import Position
from darkhorses.readmodel.events import (
    Event,
    Standings,
    differences,
    price_event,
    standings_of,
    state_events,
)
from darkhorses.readmodel.market import Market
from darkhorses.store.changes import LoggedChange

MOST_EVENTS = 50_000
MOST_BYTES = 24_000_000
MOST_UNPACKED_BYTES = 500_000
_QUALITY = 2
_WINDOW = 18

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[Event, ...]).decode


class Batch:
    """Events that lead from one position to the next.

    ``renderings`` is a place for who sends them to keep what several clients are sent; it is
    emptied when the events are packed.
    """

    __slots__ = (
        "_events", "_packed", "count", "end", "is_of_time", "renderings", "size", "start",
    )  # fmt: skip

    def __init__(self, events: tuple[Event, ...], *, start: Position, end: Position) -> None:
        self._events: tuple[Event, ...] | None = events
        self._packed: bytes | None = None
        self.count = len(events)
        self.start = start
        self.end = end
        self.size = sum(len(event.data) + len(event.full or b"") for event in events)
        self.is_of_time = start == end
        self.renderings: dict[object, tuple[bytes, int]] = {}

    @property
    def events(self) -> tuple[Event, ...]:
        """Its events, unpacked if need be."""
        if self._events is None:
            if self._packed is None:
                raise RuntimeError("a batch that holds its events in no form")
            return _unpack(brotli.decompress(self._packed))
        return self._events

    @property
    def is_packed(self) -> bool:
        """Whether reading its events costs unpacking them."""
        return self._events is None

    def pack(self) -> None:
        """Hold the events packed and nothing else of them."""
        if self._packed is None:
            self._packed = brotli.compress(_pack(self._events), quality=_QUALITY, lgwin=_WINDOW)
        self._events = None
        self.renderings = {}

    def unpack(self) -> None:
        """Hold the events ready to be read, until they are packed again."""
        self._events = self.events

    def is_beyond(self, position: Position) -> bool:
        """Whether someone at a position has still to be told some of it.

        What time alone brought leads to no new position: it is told again rather than missed.
        """
        if self.is_of_time:
            return self.end.has_reached(position)
        return not position.has_reached(self.end)

    def events_beyond(self, position: Position) -> tuple[Event, ...]:
        """Its events without those that someone at a position was told already."""
        states = self.is_of_time or self.end.revision > position.revision
        return tuple(
            event
            for event in self.events
            if (event.position.change_id > position.change_id if event.kind == "price" else states)
        )


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """A market, the position that it is at, and the number of the batch that comes after it."""

    market: Market
    standings: Standings
    position: Position
    number: int


class Tail:
    """The latest batches, bounded by count and bytes of their events."""

    def __init__(
        self,
        from_day: date,
        *,
        most_events: int = MOST_EVENTS,
        most_bytes: int = MOST_BYTES,
        most_unpacked_bytes: int = MOST_UNPACKED_BYTES,
    ) -> None:
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._most_unpacked_bytes = most_unpacked_bytes
        self._batches: deque[Batch] = deque()
        self._unpacked: deque[Batch] = deque()
        self._unpacked_bytes = 0
        self._events = 0
        self._bytes = 0
        self._listeners: list[Callable[[], None]] = []
        self.life = 0
        self.newest_seen_at: datetime | None = None
        self.first_number = 0
        self.start = self.position = Position()
        self.base = Base(
            market=Market(from_day=from_day), standings={}, position=self.position, number=0
        )

    @property
    def next_number(self) -> int:
        """The number that the next batch will have."""
        return self.first_number + len(self._batches)

    def listen(self, heard: Callable[[], None]) -> None:
        """Have ``heard`` called whenever there is something new."""
        self._listeners.append(heard)

    def begin(self, market: Market, *, change_id: int, now: datetime) -> None:
        """Begin at a market and a change log as they are, another life than the one before."""
        self.life += 1
        self.first_number = self.next_number
        self._batches.clear()
        self._unpacked.clear()
        self._unpacked_bytes = 0
        self._events = self._bytes = 0
        self.start = self.position = Position(change_id=change_id, revision=market.revision)
        self._set_base(market, standings_of(market, now))
        self._tell()

    def add_changes(self, changes: list[LoggedChange]) -> None:
        """Append changes of the log, which follow those before."""
        if not changes:
            return
        revision = self.position.revision
        end = Position(change_id=changes[-1].change_id, revision=revision)
        self.newest_seen_at = changes[-1].seen_at
        self._append(tuple(price_event(change, revision=revision) for change in changes), end)
        self._tell()

    def set_market(self, market: Market, now: datetime) -> None:
        """Append what else is to be told of a market, which has all the changes so far in it.

        Time brings news too: stages that begin and markets that end.
        """
        before = self.base
        standings = standings_of(market, now)
        # The market forgets days, and with them the revision of their last race.
        revision = max(self.position.revision, market.revision)
        end = Position(change_id=self.position.change_id, revision=revision)
        if market is before.market and standings == before.standings:
            if end != before.position:
                self._set_base(market, standings)
            return
        news = differences(before.market, market, before.standings, standings)
        events = tuple(state_events(news, standings, since=self.position, until=end))
        if events:
            self._append(events, end)
        self.position = end
        self._set_base(market, standings)
        if events:
            self._tell()

    def number_for(self, position: Position) -> int | None:
        """The first batch of which someone at a position needs something.

        None when the tail cannot help: the position is too old for it, or was given by another
        process and lies so that a race would be told with prices older than those told already.
        """
        if not position.has_reached(self.start):
            return None
        for index, batch in enumerate(self._batches):
            if batch.is_beyond(position):
                is_behind = batch.end.change_id < position.change_id
                return None if is_behind else self.first_number + index
        return self.next_number

    def batches_from(self, number: int) -> Iterator[Batch]:
        """The batches from a number on, each unpacked as it is reached."""
        for batch in islice(self._batches, max(number - self.first_number, 0), None):
            if batch.is_packed:
                batch.unpack()
                self._keep_unpacked(batch)
            yield batch

    def _append(self, events: tuple[Event, ...], end: Position) -> None:
        batch = Batch(events, start=self.position, end=end)
        self._batches.append(batch)
        self._keep_unpacked(batch)
        self._events += batch.count
        self._bytes += batch.size
        self.position = end
        while len(self._batches) > 1 and (
            self._events > self._most_events or self._bytes > self._most_bytes
        ):
            gone = self._batches.popleft()
            self._events -= gone.count
            self._bytes -= gone.size
            self.first_number += 1
            self.start = gone.end

    def _keep_unpacked(self, batch: Batch) -> None:
        """Have one more batch unpacked, and pack those that have been it for longest."""
        self._unpacked.append(batch)
        self._unpacked_bytes += batch.size
        while len(self._unpacked) > 1 and self._unpacked_bytes > self._most_unpacked_bytes:
            first = self._unpacked.popleft()
            self._unpacked_bytes -= first.size
            first.pack()

    def _set_base(self, market: Market, standings: Standings) -> None:
        self.base = Base(
            market=market,
            standings=standings,
            position=self.position,
            number=self.next_number,
        )

    def _tell(self) -> None:
        for heard in self._listeners:
            heard()
