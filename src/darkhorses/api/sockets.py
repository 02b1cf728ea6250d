"""The stream over a WebSocket, for those who change what they follow.

The client says ``{"subscribe": {…}, "last_event_id": "…"}``, ``{"unsubscribe": true}`` or
``{"ping": …}``; every message of ours is a list of events, as on the stream.

======  =====================================================
code    why we close
======  =====================================================
1001    the service stops: come back
1008    too many messages, or too many that make no sense
1009    a message is too large
1013    all places are taken, nothing is loaded yet, or the database is away: try again later
======  =====================================================
"""

import asyncio
from collections import deque
from typing import Any

import msgspec
from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.types import Receive

from darkhorses.api.problems import BadParametersError, FieldError, TooManyClientsError
from darkhorses.api.publishing import NotLoadedError, Publisher
from darkhorses.api.stream_forms import MESSAGES
from darkhorses.api.streams import Ending, Session, Streams
from darkhorses.api.subscriptions import Subscription, read_filters, read_last_event_id
from darkhorses.domain.stages import Stage
from darkhorses.store.errors import StoreError

LARGEST_MESSAGE = 16_384
MOST_MESSAGES = 20
MESSAGES_WITHIN_SECONDS = 10.0
MOST_ERRORS = 10


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The filters of a subscription; what is left out takes all."""

    race_id: tuple[str, ...] = ()
    course: tuple[str, ...] = ()
    stage: tuple[Stage, ...] = ()
    bookmaker: tuple[str, ...] = ()
    region: tuple[str, ...] = ()


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client says; a ``ping`` is answered with what it carries."""

    subscribe: Wanted | None = None
    last_event_id: str | None = None
    snapshot: bool = True
    unsubscribe: bool = False
    ping: Any = msgspec.UNSET


class CommandError(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was not understood; ``errors`` name its fields."""

    detail: str
    errors: tuple[FieldError, ...]


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """What is followed from now on; null for nothing."""

    subscribe: Wanted | None
    last_event_id: str | None


class Pong(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a ping."""

    ping: Any


_read_command = msgspec.json.Decoder(Command).decode
_CODES = {Ending.STOPPING: 1001, Ending.ABUSE: 1008, Ending.TOO_LARGE: 1009}
_TRY_AGAIN_LATER = 1013


@websocket("/api/ws")
async def socket(
    socket: WebSocket[Any, Any, Any],
    streams: NamedDependency[Streams],
    publisher: NamedDependency[Publisher],
) -> None:
    """Serve one client until either side ends it."""
    await socket.accept()
    try:
        publisher.followed()
        with streams.admitted(MESSAGES) as session:
            ending = await _serve(socket, session)
            if ending in _CODES:
                await socket.close(_CODES[ending])
    except (TooManyClientsError, NotLoadedError, StoreError):
        await socket.close(_TRY_AGAIN_LATER)


ROUTES = (socket,)


async def _serve(socket: WebSocket[Any, Any, Any], session: Session) -> Ending | None:
    listening = asyncio.create_task(Conversation(session).listen(socket.receive))
    try:
        async for chunk in session.chunks():
            await session.send(socket.send_text(chunk))
    finally:
        # granian cannot close a socket while it is listened to, and the listening task hears of its
        # end only when it is closed: so it is told to end, and not waited for.
        listening.cancel()
    if listening.done() and not listening.cancelled():
        listening.result()
    return session.ending


class Conversation:
    """What a client says, and what it is answered; answers go out between events."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._clock = asyncio.get_running_loop().time
        self._heard_at: deque[float] = deque(maxlen=MOST_MESSAGES)
        self._errors = 0

    async def listen(self, receive: Receive) -> None:
        """Take what the client says until it goes away, or has to."""
        try:
            while self._session.ending is None:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return
                self._take(message.get("text") or message.get("bytes") or b"")
        finally:
            # Whoever is not listened to any more would keep its place for ever.
            self._session.end(Ending.GONE)

    def _take(self, text: str | bytes) -> None:
        if len(text) > LARGEST_MESSAGE:
            self._session.end(Ending.TOO_LARGE)
            return
        if self._is_flooding():
            self._session.end(Ending.ABUSE)
            return
        try:
            self._understand(text)
        except BadParametersError as error:
            self._errors += 1
            if self._errors >= MOST_ERRORS:
                self._session.end(Ending.ABUSE)
            self._session.reply("error", CommandError(detail=str(error), errors=error.errors))

    def _understand(self, text: str | bytes) -> None:
        try:
            self._obey(_read(text))
        except RecursionError:
            message = "nested too deeply"
            raise BadParametersError(FieldError(field="message", message=message)) from None

    def _is_flooding(self) -> bool:
        now = self._clock()
        is_full = len(self._heard_at) == MOST_MESSAGES
        is_flooding = is_full and now - self._heard_at[0] < MESSAGES_WITHIN_SECONDS
        self._heard_at.append(now)
        return is_flooding

    def _obey(self, command: Command) -> None:
        if command.ping is not msgspec.UNSET:
            self._session.reply("pong", Pong(ping=command.ping))
        if command.subscribe is not None:
            wanted = command.subscribe
            subscription = Subscription(
                filters=read_filters(**msgspec.structs.asdict(wanted)),
                position=read_last_event_id(command.last_event_id),
                with_snapshots=command.snapshot,
            )
            self._session.reply(
                "subscribed",
                Subscribed(subscribe=wanted, last_event_id=command.last_event_id),
            )
            self._session.subscribe(subscription)
        elif command.unsubscribe:
            self._session.reply("subscribed", Subscribed(subscribe=None, last_event_id=None))
            self._session.subscribe(None)


def _read(text: str | bytes) -> Command:
    """A client's message; raises BadParametersError that names the field."""
    try:
        command = _read_command(text)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `$")
        field = path.removesuffix("`").removeprefix(".") or "message"
        raise BadParametersError(FieldError(field=field, message=said)) from None
    except (msgspec.DecodeError, UnicodeError):
        message = 'expected JSON such as {"subscribe": {"region": ["gb"]}}'
        raise BadParametersError(FieldError(field="message", message=message)) from None
    if command == Command():
        message = "expected subscribe, unsubscribe or ping"
        raise BadParametersError(FieldError(field="message", message=message))
    return command
