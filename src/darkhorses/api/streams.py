"""The clients of streams: who is let in, who is woken, who is let go.

The tail says that there is news; clients are woken a few at a time, so that a thousand of them
never hold up a request. Each has a task of its own that sends what its reader has for it. One that
does not take it for long is let go, and all are when the service stops.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import Enum
from itertools import cycle

import msgspec
import structlog

from darkhorses import __version__
from darkhorses.api.encoding import encode
from darkhorses.api.health import judge
from darkhorses.api.prepared import PreparedRaces
from darkhorses.api.problems import TooManyClientsError
from darkhorses.api.races import Lens
from darkhorses.api.stream_bodies import StreamStatus
from darkhorses.api.stream_forms import Form
from darkhorses.api.stream_reading import Feed, Reader
from darkhorses.api.subscriptions import Subscription
from darkhorses.readmodel.follower import Follower
from darkhorses.store.pool import Database

log = structlog.get_logger()

WOKEN_AT_ONCE = 25
KEEP_ALIVE = timedelta(seconds=15)
STUCK = timedelta(seconds=30)
"""How long a client may take for what it is sent, of which little fits into its buffers."""

TICK = timedelta(seconds=1)
MOST_REPLIES = 32


class Ending(Enum):
    """Why a client's stream ends from our side, if it does."""

    STOPPING = "stopping"
    GONE = "gone"
    ABUSE = "abuse"
    TOO_LARGE = "too large"


class Session:
    """One client: its subscription, and what it is told."""

    def __init__(self, streams: "Streams", form: Form) -> None:
        self.form = form
        self.ending: Ending | None = None
        self.task = asyncio.current_task()
        self.sending_since: float | None = None
        self.sent_at = asyncio.get_running_loop().time()
        self._streams = streams
        self._subscription: Subscription | None = None
        self._is_resubscribed = False
        self._replies: deque[bytes] = deque()
        self._status: bytes | None = None
        self._is_idle = False
        self._wake = asyncio.Event()

    def subscribe(self, subscription: Subscription | None) -> None:
        """Follow this from now on, instead of what was followed; nothing with None."""
        self._subscription = subscription
        self._is_resubscribed = True
        self._wake.set()

    def reply(self, kind: str, body: object) -> None:
        """Say something to this client alone; one that asks and never listens is let go."""
        self._replies.append(self.form.frame(kind, encode(body), None))
        if len(self._replies) > MOST_REPLIES:
            self.end(Ending.ABUSE)
        self._wake.set()

    def end(self, why: Ending) -> None:
        """Have the stream end as soon as what is being sent has been."""
        self.ending = self.ending or why
        self._wake.set()

    def wake(self, *, is_idle: bool = False) -> None:
        """There may be something to send; ``is_idle`` asks for a sign of life if there is not."""
        self._is_idle = self._is_idle or is_idle
        self._wake.set()

    async def send(self, sent: Awaitable[None]) -> None:
        """Wait for what is sent to be taken, with an eye on how long that takes."""
        clock = asyncio.get_running_loop().time
        self.sending_since = clock()
        await sent
        self.sending_since = None
        self.sent_at = clock()

    async def chunks(self) -> AsyncIterator[bytes]:
        """All that is to be sent, until the end."""
        while self.ending is None:
            self._is_resubscribed = False
            reader = self._new_reader()
            for chunk in self._chunks_of(self._taken_replies()):
                yield chunk
            if reader is not None:
                async for chunk in reader.opening():
                    yield chunk
                    if self._is_interrupted:
                        break
            while not self._is_interrupted:
                async for chunk in self._news(reader):
                    yield chunk
                await self._wake.wait()

    def _new_reader(self) -> Reader | None:
        if self._subscription is None:
            return None
        return Reader(self._streams.feed, self._subscription, self.form)

    def _chunks_of(self, frames: list[bytes]) -> Sequence[bytes]:
        return self.form.chunks(frames) if frames else ()

    @property
    def _is_interrupted(self) -> bool:
        return self.ending is not None or self._is_resubscribed

    async def _news(self, reader: Reader | None) -> AsyncIterator[bytes]:
        """What there is at present."""
        self._wake.clear()
        has_told = False
        while not self._is_interrupted:
            if (frames := self._own_frames(reader)) or reader is None:
                chunks = self._chunks_of(frames)
            elif (reason := reader.lost()) is not None:
                async for chunk in reader.recover(reason):
                    yield chunk
                continue
            else:
                chunks = reader.pending()
            if not chunks:
                break
            has_told = True
            for chunk in chunks:
                yield chunk
        if self._is_idle and not has_told and not self._is_interrupted:
            position = reader.position if reader is not None else None
            for chunk in self.form.chunks([self.form.keep_alive(position)]):
                yield chunk
        self._is_idle = False

    def _taken_replies(self) -> list[bytes]:
        frames = list(self._replies)
        self._replies.clear()
        return frames

    def _own_frames(self, reader: Reader | None) -> list[bytes]:
        frames = self._taken_replies()
        status = self._streams.status
        if reader is not None and status is not None and status is not self._status:
            self._status = status
            frames.append(self.form.frame("status", status, None))
        return frames


class Streams:
    """Every client, while ``run`` runs."""

    def __init__(
        self,
        follower: Follower,
        database: Database,
        *,
        clock: Callable[[], datetime],
        card_interval: timedelta,
        most_clients: int,
        keep_alive: timedelta = KEEP_ALIVE,
    ) -> None:
        self.feed = Feed(follower, database, clock=clock)
        self.status: bytes | None = None
        self._follower = follower
        self._clock = clock
        self._card_interval = card_interval
        self._most_clients = most_clients
        self._keep_alive = keep_alive.total_seconds()
        self._sessions: set[Session] = set()
        self.dropped: Counter[str] = Counter()
        self.refused = 0
        self._news = asyncio.Event()
        self._is_closed = False
        self._told: StreamStatus | None = None
        self._prepared = PreparedRaces()
        # Clients that lost their stream together are not to come back together.
        self._retries = cycle(range(1000, 4000, 137))
        follower.tail.listen(self._news.set)

    def retry_milliseconds(self) -> int:
        """When the next client is to come back after it has lost its stream."""
        return next(self._retries)

    def clients(self) -> Counter[str]:
        """Clients at present, by the form in which they are sent events."""
        return Counter(session.form.name for session in self._sessions)

    def require_room(self) -> None:
        """Raise TooManyClientsError when no further client can be let in."""
        if self._is_closed or len(self._sessions) >= self._most_clients:
            self.refused += 1
            raise TooManyClientsError(f"there are {len(self._sessions)} clients already")

    @contextmanager
    def admitted(self, form: Form) -> Iterator[Session]:
        """A client's session; raises TooManyClientsError."""
        self.require_room()
        session = Session(self, form)
        self._sessions.add(session)
        try:
            yield session
        finally:
            self._sessions.discard(session)
            if session.ending in (Ending.ABUSE, Ending.TOO_LARGE):
                self.dropped[session.ending.name.lower()] += 1

    async def finish(self, within: timedelta) -> None:
        """Let nobody in any more, and give every stream so long to end."""
        self._is_closed = True
        for session in self._sessions:
            session.end(Ending.STOPPING)
        tasks = [session.task for session in self._sessions if session.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=within.total_seconds())

    async def run(self) -> None:
        """Wake clients until cancelled."""
        loop = asyncio.get_running_loop()
        next_tick = loop.time()
        while True:
            try:
                async with asyncio.timeout_at(next_tick):
                    await self._news.wait()
            except TimeoutError:
                pass
            if loop.time() >= next_tick:
                next_tick = loop.time() + min(TICK.total_seconds(), self._keep_alive / 2)
                self._look_after(loop.time())
            if self._news.is_set():
                self._news.clear()
                await self._wake_all()

    async def _wake_all(self) -> None:
        for count, session in enumerate(tuple(self._sessions), start=1):
            session.wake()
            if count % WOKEN_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _look_after(self, now: float) -> None:
        self._judge()
        for session in self._sessions:
            if session.sending_since is None:
                if now - session.sent_at >= self._keep_alive:
                    session.wake(is_idle=True)
            elif now - session.sending_since >= STUCK.total_seconds() and session.task is not None:
                log.info("stream.stuck", seconds=round(now - session.sending_since))
                self.dropped["stuck"] += 1
                session.task.cancel()

    def _judge(self) -> None:
        if not self._follower.now.loaded:
            return
        lens = Lens(
            followed=self._follower.now,
            prepared=self._prepared,
            now=self._clock(),
            card_interval=self._card_interval,
        )
        health = judge(lens, self._follower.workers, version=__version__)
        status = StreamStatus(
            status=health.status,
            reasons=health.reasons,
            database_reachable=health.database.reachable,
            feed=health.feed.state if health.feed is not None else None,
            stale_races=tuple(
                race_id
                for race_id, race in lens.followed.market.races.items()
                if lens.is_stale(race)
            ),
            timestamp=lens.now,
        )
        if self._told is None or not _says_the_same(status, self._told):
            self._told = status
            self.status = encode(status)
            self._news.set()


def _says_the_same(status: StreamStatus, told: StreamStatus) -> bool:
    """Whether only the seconds differ that the reasons count."""
    return status == msgspec.structs.replace(
        told, reasons=status.reasons, timestamp=status.timestamp
    )
