"""How events are written down: as server-sent events, or as JSON messages of a WebSocket."""

from collections.abc import Sequence
from typing import Protocol

from darkhorses.domain.positions import Position


class Form(Protocol):
    """Frames are single events; a chunk is what is sent at once, made of one frame or more."""

    name: str

    def frame(self, kind: str, data: bytes, position: Position | None) -> bytes:
        """One event; one without a position moves no client on."""
        ...

    def joined(self, frames: Sequence[bytes]) -> bytes:
        """Frames one after the other, as one that ``chunk`` takes."""
        ...

    def chunks(self, frames: Sequence[bytes]) -> Sequence[bytes]:
        """What is sent for these frames."""
        ...

    def keep_alive(self, position: Position | None) -> bytes:
        """A frame that says nothing but where the stream is."""
        ...


class EventStreamForm:
    """``text/event-stream``; a large frame is sent in pieces, so that little waits in buffers.

    ``retry`` is the line that says how long to wait before coming back.
    """

    name = "sse"
    _piece = 65_536

    def __init__(self, *, retry_milliseconds: int) -> None:
        self.retry = b"retry: %d\n" % retry_milliseconds

    def frame(self, kind: str, data: bytes, position: Position | None) -> bytes:
        """An event with its id, by which a client comes back."""
        named = b"event: %b\ndata: %b\n\n" % (kind.encode(), data)
        return named if position is None else b"id: %b\n%b" % (str(position).encode(), named)

    def joined(self, frames: Sequence[bytes]) -> bytes:
        """Frames end with their own empty line."""
        return b"".join(frames)

    def chunks(self, frames: Sequence[bytes]) -> Sequence[bytes]:
        """The frames in pieces of bounded size."""
        whole = b"".join(frames)
        if len(whole) <= self._piece:
            return (whole,)
        return [whole[start : start + self._piece] for start in range(0, len(whole), self._piece)]

    def keep_alive(self, position: Position | None) -> bytes:
        """A comment, and the id: a client that filters much still moves on."""
        moved = b"" if position is None else b"id: %b\n" % str(position).encode()
        return b": keep-alive\n%b%b\n" % (self.retry, moved)


class MessageForm:
    """Messages are JSON lists of ``{"event", "id", "data"}``; what moves no client on has no id."""

    name = "ws"

    def frame(self, kind: str, data: bytes, position: Position | None) -> bytes:
        """An event as an object."""
        place = b"" if position is None else b'"id":"%b",' % str(position).encode()
        return b'{"event":"%b",%b"data":%b}' % (kind.encode(), place, data)

    def joined(self, frames: Sequence[bytes]) -> bytes:
        """Objects with commas between."""
        return b",".join(frames)

    def chunks(self, frames: Sequence[bytes]) -> Sequence[bytes]:
        """One message."""
        return (b"[%b]" % b",".join(frames),)

    def keep_alive(self, position: Position | None) -> bytes:
        """An event without news."""
        return self.frame("keep_alive", b"{}", position)


MESSAGES = MessageForm()
