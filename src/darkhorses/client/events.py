"""The events of a stream; what each says is in its ``data``, described in docs/streams.md."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from darkhorses.api import stream_bodies
from darkhorses.client.errors import MalformedAnswerError
from darkhorses.client.server_events import ServerEvent
from darkhorses.domain.events import NonRunnerEvent, PriceEvent, ResultEvent
from darkhorses.readmodel.event_bodies import RaceState

Body = TypeVar("Body")


class Received(msgspec.Struct, Generic[Body], frozen=True, kw_only=True):
    """An event; ``event_id`` is where a stream goes on after it, None where it moves nobody on."""

    event_id: str | None
    data: Body


class Snapshot(Received[stream_bodies.Snapshot], frozen=True, kw_only=True):
    """All that is asked for, as it stands: replace everything."""


class Price(Received[PriceEvent], frozen=True, kw_only=True):
    """An entry of the change log: every one comes once, in order."""


class Race(Received[RaceState], frozen=True, kw_only=True):
    """A race as it stands; may come twice."""


class NonRunner(Received[NonRunnerEvent], frozen=True, kw_only=True):
    """A horse that will not run; may come twice."""


class Result(Received[ResultEvent], frozen=True, kw_only=True):
    """A race has a result, or was abandoned; may come twice."""


class Status(Received[stream_bodies.StreamStatus], frozen=True, kw_only=True):
    """Whether what is streamed can be trusted."""


class Resync(Received[stream_bodies.Resync], frozen=True, kw_only=True):
    """Events were left out, and why; a snapshot follows where those are wanted."""


StreamEvent = Snapshot | Price | Race | NonRunner | Result | Status | Resync
"""What a stream gives."""

_Read = Callable[[str | None, bytes], StreamEvent]


def _reader(make: Callable[..., StreamEvent], body: type[Any]) -> _Read:
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(body).decode
    return lambda event_id, data: make(event_id=event_id, data=decode(data))


_READERS: dict[str, _Read] = {
    "snapshot": _reader(Snapshot, stream_bodies.Snapshot),
    "price": _reader(Price, PriceEvent),
    "race": _reader(Race, RaceState),
    "non_runner": _reader(NonRunner, NonRunnerEvent),
    "result": _reader(Result, ResultEvent),
    "status": _reader(Status, stream_bodies.StreamStatus),
    "resync": _reader(Resync, stream_bodies.Resync),
}


def read_event(received: ServerEvent, last_event_id: str | None) -> StreamEvent | None:
    """An event by its name; None for a kind that a newer API has. Raises MalformedAnswerError."""
    read = _READERS.get(received.kind)
    if read is None:
        return None
    try:
        return read(last_event_id if received.has_id else None, received.data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedAnswerError(f"a {received.kind} event makes no sense: {error}") from error
