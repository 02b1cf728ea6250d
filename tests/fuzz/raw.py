"""Requests byte by byte, as no library would send them, and their answers."""

import http.client
import io
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import Message

PATIENCE = 20.0
UPGRADE = [
    (b"Upgrade", b"websocket"),
    (b"Sec-WebSocket-Version", b"13"),
    (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]


class Answer:
    """An answer as it came; ``is_bare`` when it is the HTTP server's own, not the application's."""

    def __init__(self, status: int, headers: Message, body: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    @property
    def is_bare(self) -> bool:
        return self.headers.get("server") != "darkhorses"


def request(
    target: bytes,
    *,
    method: bytes = b"GET",
    version: bytes = b"HTTP/1.1",
    headers: Sequence[tuple[bytes, bytes]] = (),
    host: bytes | None = b"darkhorses.test",
    body: bytes = b"",
    connection: bytes = b"close",
) -> bytes:
    """The bytes of a request, whatever they are made of."""
    lines = [b"%s %s %s" % (method, target, version)]
    if host is not None:
        lines.append(b"Host: " + host)
    lines.append(b"Connection: " + connection)
    lines += [b"%s: %s" % header for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A connection to the API; one that gives no answer is a failure, not a wait."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        yield connection


def ask(port: int, data: bytes, *, method: bytes = b"GET") -> Answer:
    """Send bytes over a connection of their own, and read one answer to its end.

    Of a stream, which has none, the head is read.
    """
    with connected(port) as connection:
        connection.sendall(data)
        return read_answer(connection, method)


class _OneBuffer(io.BufferedReader):
    """What an answer's end does not close: the next one may be in it already."""

    def close(self) -> None:
        pass


class InARow:
    """A connection that several answers are read from."""

    def __init__(self, connection: socket.socket) -> None:
        self._buffer = _OneBuffer(connection.makefile("rb", buffering=0))

    def makefile(self, _mode: str) -> io.BufferedReader:
        return self._buffer


def read_answer(connection: socket.socket | InARow, method: bytes = b"GET") -> Answer:
    """The next answer on a connection."""
    response = http.client.HTTPResponse(connection, method=method.decode("latin-1"))  # type: ignore[arg-type]  # it asks for no more than makefile
    try:
        response.begin()
        is_stream = response.headers.get_content_type() == "text/event-stream"
        body = b"" if is_stream else response.read()
        return Answer(response.status, response.headers, body)
    finally:
        response.close()
