"""Server-sent events out of bytes, as the HTML standard has it.

Lines end in CR, LF or both, wherever the network cuts them. An event is what stands before an empty
line and has data; what a stream that broke off began is dropped.
"""

import re
from collections.abc import Iterator

import msgspec

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ServerEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event as received: its name (``message`` where it has none) and its data, lines joined.

    ``has_id`` says whether it came with an id of its own.
    """

    kind: str
    data: bytes
    has_id: bool


class ServerEventReader:
    """Takes the bytes of one connection, piece by piece.

    ``last_event_id`` is that of the last whole block, which an event is, and a keep-alive too;
    None until one has come. ``retry`` is how many seconds the server asks to wait before coming
    back, None until it does. ``blocks`` counts what ended in an empty line.
    """

    def __init__(self) -> None:
        self.last_event_id: str | None = None
        self.retry: float | None = None
        self.blocks = 0
        self._pieces: list[bytes] = []
        self._ends_in_return = False
        self._is_first = True
        self._kind = ""
        self._data: list[bytes] = []
        self._id: str | None = None

    def take(self, piece: bytes) -> Iterator[ServerEvent]:
        """The events that a piece completes; ``last_event_id`` moves with each."""
        if self._ends_in_return and piece.startswith(b"\n"):
            piece = piece[1:]
            self._ends_in_return = False
        if not piece:
            return
        self._ends_in_return = piece.endswith(b"\r")
        if b"\n" not in piece and b"\r" not in piece:
            # A large event comes in many pieces: they are joined once.
            self._pieces.append(piece)
            return
        lines = _LINE_END.split(b"".join((*self._pieces, piece)))
        self._pieces = [lines.pop()]
        for line in lines:
            event = self._take_line(line)
            if event is not None:
                yield event

    def _take_line(self, line: bytes) -> ServerEvent | None:
        if self._is_first:
            line = line.removeprefix(_BYTE_ORDER_MARK)
            self._is_first = False
        if not line:
            return self._end_block()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._kind = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode(errors="replace")
        elif name == b"retry" and value.isdigit():
            self.retry = int(value) / 1000
        return None

    def _end_block(self) -> ServerEvent | None:
        has_id = self._id is not None
        if has_id:
            self.last_event_id = self._id
        event = None
        if self._data:
            event = ServerEvent(
                kind=self._kind or "message", data=b"\n".join(self._data), has_id=has_id
            )
        self.blocks += 1
        self._kind, self._data, self._id = "", [], None
        return event
