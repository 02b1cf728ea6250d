"""What one client is told, from its position on: a snapshot or what it missed, then what happens.

A reader holds no queue. It keeps the number of the next batch of the tail that all clients share;
what lies beyond it is what waits for this client, bounded by the tail's own bounds.

::

    no position ──> snapshot ─────────────────────────┐
    position ─┬──> in the tail ───────────────────────┼──> live ──overtaken──> resync, snapshot
              ├──> older: the change log, page by page┘                             │
              └──> too old, or unknown ──> resync, snapshot <───────────────────────┘
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from darkhorses.api.encoding import encode
from darkhorses.api.stream_bodies import RESYNC_DETAILS, Resync, ResyncReason, Snapshot
from darkhorses.api.stream_forms import Form
from darkhorses.api.subscriptions import EVERYTHING, Filters, Subscription
from darkhorses.domain.identifiers import BookmakerId, RaceId
from darkhorses.domain.london import race_day
from darkhorses.domain.positions import Position
from darkhorses.readmodel.events import (
    Event,
    Standing,
    price_event,
    race_state,
    state_events,
    states_since,
    with_prices_of,
)
from darkhorses.readmodel.follower import Follower
from darkhorses.readmodel.loading import CHANGES_AT_A_TIME
from darkhorses.readmodel.market import MarketRace
from darkhorses.readmodel.tail import Base, Batch
from darkhorses.store.changes import LoggedChange, change_is_known, changes_after, oldest_change_id
from darkhorses.store.errors import StoreError
from darkhorses.store.pool import Database

MOST_RESUMED = 200_000
"""Changes that a client may have missed and still be told one by one: some days' worth."""

MOST_AT_ONCE = 131_072
"""Bytes after which what waits is sent before more is looked for."""

MOST_RENDERINGS = 16
"""Sets of filters for which a batch keeps what is sent, for the next client that has the same."""

MOST_RACE_BODIES = 2_048

READER_BEHIND = timedelta(seconds=3)
"""How long a position from ahead is waited for: another API may have read on a little further."""


class Feed:
    """What all readers read from: the tail, the log beneath it, and the races' prepared bodies."""

    def __init__(
        self, follower: Follower, database: Database, *, clock: Callable[[], datetime]
    ) -> None:
        self.follower = follower
        self.tail = follower.tail
        self.events_sent = 0
        self.resyncs: Counter[str] = Counter()
        self._database = database
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._bodies: dict[
            tuple[RaceId, frozenset[BookmakerId]], tuple[MarketRace, Standing, bytes]
        ] = {}
        self._snapshot: tuple[Base, bytes] | None = None

    async def changes(self, after: int, until: int) -> list[LoggedChange]:
        """A page of the log; clients that come back share one connection between them."""
        async with self._one_at_a_time, self._database.connection() as connection:
            return await changes_after(connection, after, until=until, most=CHANGES_AT_A_TIME)

    async def keeps(self, position: Position) -> bool:
        """Whether what came after a position is few enough and still kept."""
        if self.tail.position.change_id - position.change_id > MOST_RESUMED:
            return False
        async with self._one_at_a_time, self._database.connection() as connection:
            oldest = await oldest_change_id(connection)
        return oldest is None or position.change_id == 0 or position.change_id >= oldest - 1

    async def reaches(self, change_id: int) -> bool:
        """Whether the tail is at a change, or gets there shortly."""
        if self.tail.position.change_id >= change_id:
            return True
        self.follower.wake()
        try:
            async with asyncio.timeout(READER_BEHIND.total_seconds()):
                await self.follower.until(
                    lambda follower: follower.tail.position.change_id >= change_id
                )
        except TimeoutError:
            return False
        return True

    async def gave(self, position: Position) -> bool:
        """Whether a position is one of this database, and not of writes that a restore undid."""
        if position.change_id in (0, self.tail.position.change_id):
            return True
        try:
            async with self._one_at_a_time, self._database.connection() as connection:
                return await change_is_known(connection, position.change_id)
        except StoreError:
            # What is in memory is told even while the database is away.
            if position.has_reached(self.tail.start):
                return True
            raise

    async def base(self) -> Base:
        """The tail's base; waited for while a long turn has pushed it out of the tail."""
        if self.tail.base.number < self.tail.first_number:
            await self.follower.until(
                lambda follower: follower.tail.base.number >= follower.tail.first_number
            )
        return self.tail.base

    def snapshot(self, base: Base, filters: Filters) -> bytes:
        """The races of a base that are asked for, as JSON."""
        if filters != EVERYTHING:
            return self._make_snapshot(base, filters)
        if self._snapshot is None or self._snapshot[0] is not base:
            self._snapshot = base, self._make_snapshot(base, filters)
        return self._snapshot[1]

    def _make_snapshot(self, base: Base, filters: Filters) -> bytes:
        now = self._clock()
        today = race_day(now)
        races = [
            msgspec.Raw(self.race_body(race, base.standings[race_id], filters.bookmakers))
            for race_id, race in base.market.races.items()
            if (race.race.race_date >= today or not base.standings[race_id].is_over)
            and filters.takes_race(race, base.standings[race_id].stage)
        ]
        snapshot = Snapshot(
            position=str(base.position),
            timestamp=now,
            bookmakers=tuple(
                bookmaker
                for bookmaker_id, bookmaker in base.market.bookmakers.items()
                if not filters.bookmakers or bookmaker_id in filters.bookmakers
            ),
            races=tuple(races),  # type: ignore[arg-type]  # ready JSON in the place of records
        )
        return encode(snapshot)

    def race_body(
        self, race: MarketRace, standing: Standing, bookmakers: frozenset[BookmakerId]
    ) -> bytes:
        """A race with its prices as JSON, made once while it is as it is."""
        key = race.race.race_id, bookmakers
        kept = self._bodies.get(key)
        if kept is not None and kept[0] is race and kept[1] == standing:
            return kept[2]
        if len(self._bodies) >= MOST_RACE_BODIES:
            self._bodies.clear()
        body = race_state(race, standing, with_prices=True, bookmakers=bookmakers or None)
        self._bodies[key] = race, standing, body
        return body


class Reader:
    """One client's way through the events, in the form in which it is sent them."""

    def __init__(self, feed: Feed, subscription: Subscription, form: Form) -> None:
        self._feed = feed
        self._tail = feed.tail
        self._filters = subscription.filters
        self._resumed_at = subscription.position
        self._with_snapshots = subscription.with_snapshots
        self._form = form
        self._life = self._tail.life
        self._number = self._tail.next_number
        self._beyond: Position | None = None
        self._is_live = False
        self._position = subscription.position or self._tail.position

    @property
    def position(self) -> Position:
        """Up to where the client has been told what it asked for."""
        is_at_the_end = self._is_live and self._number == self._tail.next_number
        return self._tail.position if is_at_the_end else self._position

    async def opening(self) -> AsyncIterator[bytes]:
        """What comes before what happens from now on."""
        chunks = self._begin() if self._resumed_at is None else self._resume(self._resumed_at)
        async for chunk in chunks:
            yield chunk

    def lost(self) -> ResyncReason | None:
        """Why the next batch is not there any more, if it is not."""
        if self._life != self._tail.life:
            return ResyncReason.DATABASE_RESTORED
        return ResyncReason.SLOW if self._number < self._tail.first_number else None

    async def recover(self, reason: ResyncReason) -> AsyncIterator[bytes]:
        """Go on after having been lost: a client that was still catching up goes on doing so."""
        catches_up = reason is ResyncReason.SLOW and not self._is_live
        chunks = self._resume(self._position) if catches_up else self._resync(reason)
        async for chunk in chunks:
            yield chunk

    def pending(self) -> Sequence[bytes]:
        """What waits for the client, or the first of it."""
        frames: list[bytes] = []
        size = 0
        for batch in self._tail.batches_from(self._number):
            self._number += 1
            self._position = batch.end
            frame = self._rendered(batch)
            if frame:
                frames.append(frame)
                size += len(frame)
            if size >= MOST_AT_ONCE:
                break
        self._is_live = self._is_live or self._number == self._tail.next_number
        return self._form.chunks(frames) if frames else ()

    async def _begin(self) -> AsyncIterator[bytes]:
        base = await self._feed.base()
        self._life = self._tail.life
        self._number = base.number
        self._beyond = None
        self._is_live = True
        self._position = base.position
        if self._with_snapshots:
            snapshot = self._feed.snapshot(base, self._filters)
            frame = self._form.frame("snapshot", snapshot, base.position)
        else:
            frame = self._form.keep_alive(base.position)
        for chunk in self._form.chunks([frame]):
            yield chunk

    async def _resync(self, reason: ResyncReason) -> AsyncIterator[bytes]:
        self._feed.resyncs[reason.value] += 1
        told = Resync(
            reason=reason, detail=RESYNC_DETAILS[reason], last_event_id=str(self._position)
        )
        for chunk in self._form.chunks([self._form.frame("resync", encode(told), None)]):
            yield chunk
        async for chunk in self._begin():
            yield chunk

    async def _resume(self, position: Position) -> AsyncIterator[bytes]:
        self._position = position
        reason = None
        if not await self._feed.reaches(position.change_id) or not await self._feed.gave(position):
            reason = ResyncReason.UNKNOWN_POSITION
        number = None if reason else self._tail.number_for(position)
        while number is None and reason is None:
            base = self._tail.base
            if not await self._feed.keeps(position):
                reason = ResyncReason.TOO_OLD
                break
            async for chunk in self._catch_up(position, base):
                yield chunk
            position = self._position
            number = self._tail.number_for(position)
            reason = ResyncReason.DATABASE_RESTORED if self._life != self._tail.life else None
        if number is None or reason is not None:
            async for chunk in self._resync(reason or ResyncReason.TOO_OLD):
                yield chunk
            return
        self._number = number
        self._beyond = position

    async def _catch_up(self, position: Position, base: Base) -> AsyncIterator[bytes]:
        """From the database to a base: its log page by page, then the races as they stand."""
        revision = position.revision
        last = max(position.change_id, base.position.change_id)
        while position.change_id < base.position.change_id:
            page = await self._feed.changes(position.change_id, base.position.change_id)
            if not page:
                break
            for chunk in self._told(price_event(change, revision=revision) for change in page):
                yield chunk
            position = Position(change_id=page[-1].change_id, revision=revision)
            self._position = position
        since = Position(change_id=last, revision=revision)
        until = Position(change_id=last, revision=max(revision, base.position.revision))
        states = states_since(base.market, revision, with_prices=bool(self._filters.stages))
        events = state_events(
            states, base.standings, since=since, until=until, encode_race=self._race_body
        )
        for chunk in self._told(events):
            yield chunk
        self._position = until

    def _told(self, events: Iterable[Event]) -> Sequence[bytes]:
        """Events whose bodies are as this client is to have them."""
        filters, frame = self._filters, self._form.frame
        frames = [
            frame(event.kind, event.data, event.position)
            for event in events
            if filters.takes(event)
        ]
        self._feed.events_sent += len(frames)
        return self._form.chunks(frames) if frames else ()

    def _race_body(self, race: MarketRace, standing: Standing, *, with_prices: bool) -> bytes:
        if not with_prices:
            return race_state(race, standing, with_prices=False)
        return self._feed.race_body(race, standing, self._filters.bookmakers)

    def _frames(self, events: Iterable[Event]) -> list[bytes]:
        filters, frame = self._filters, self._form.frame
        return [
            frame(event.kind, self._body(event), event.position)
            for event in events
            if filters.takes(event)
        ]

    def _body(self, event: Event) -> bytes:
        body = event.data
        if event.full is not None and self._filters.is_new_to(event):
            body = event.full
        if event.kind == "race" and self._filters.bookmakers:
            body = with_prices_of(body, self._filters.bookmakers)
        return body

    def _rendered(self, batch: Batch) -> bytes:
        """A batch as it is sent to this client; made once for all who ask for the same."""
        if self._beyond is not None:
            if not batch.start.has_reached(self._beyond):
                frames = self._frames(batch.events_beyond(self._beyond))
                self._feed.events_sent += len(frames)
                return self._form.joined(frames)
            self._beyond = None
        key = self._form.name, self._filters
        kept = batch.renderings.get(key)
        if kept is None:
            frames = self._frames(batch.events)
            kept = self._form.joined(frames), len(frames)
            if len(batch.renderings) < MOST_RENDERINGS:
                batch.renderings[key] = kept
        self._feed.events_sent += kept[1]
        return kept[0]
