"""A small HTTP server that can also break its answers on purpose.

h11 speaks the protocol; a framework's server would rightly refuse to send a body shorter than
announced, or to leave a request without an answer, and both are what this one is for.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
import msgspec

_CHUNK = 65_536
_LARGEST_REQUEST = 65_536


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request; ``headers`` by lower-case name, ``query`` in order with repeated keys."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    client: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer; ``hangs`` never comes, ``cut`` breaks off half-way through the body.

    ``sent`` is called once it has left whole. The body is sent so many ``times`` in a row.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = "application/json"
    hangs: bool = False
    cut: bool = False
    sent: Callable[[], None] | None = None
    times: int = 1


Handler = Callable[[Request], Awaitable[Answer]]


class HttpServer:
    """Serves a handler on one address until it is stopped; connections are kept alive."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        if self._server is None:
            raise RuntimeError("the server has not been started")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one. Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._serve, host, port)

    async def stop(self) -> None:
        """Stop at once: open requests are dropped, hanging ones too."""
        if self._server is None:
            return
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine of a running server
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError):
            # The client has gone, talks nonsense, or the server stops: nothing left to say.
            pass
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_REQUEST)
        client = writer.get_extra_info("peername")[0]
        while True:
            request = await _receive(connection, reader, client)
            if request is None:
                return
            answer = await self._handler(request)
            if answer.hangs:
                # Until the client gives up (an end of file) or the server stops.
                while await reader.read(_CHUNK):
                    pass
                return
            goes_on = await _send(connection, writer, request, answer)
            if answer.sent is not None and not answer.cut:
                answer.sent()
            if not goes_on:
                return
            connection.start_next_cycle()


async def _receive(
    connection: h11.Connection, reader: asyncio.StreamReader, client: str
) -> Request | None:
    """The next whole request; None when the client has left."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            target = urlsplit(head.target.decode("latin-1"))
            return Request(
                method=head.method.decode(),
                path=unquote(target.path),
                query=parse_qsl(target.query, keep_blank_values=True),
                headers={name.decode(): value.decode("latin-1") for name, value in head.headers},
                body=bytes(body),
                client=client,
            )
        else:
            return None


async def _send(
    connection: h11.Connection, writer: asyncio.StreamWriter, request: Request, answer: Answer
) -> bool:
    """Send an answer; False when the connection ends with it."""
    headers = [
        ("content-type", answer.media_type),
        ("content-length", str(len(answer.body) * answer.times)),
        *answer.headers,
    ]
    writer.write(connection.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
    if answer.cut:
        writer.write(answer.body[: len(answer.body) // 2])
        await writer.drain()
        return False
    if request.method != "HEAD":
        for _ in range(answer.times):
            writer.write(connection.send(h11.Data(data=answer.body)) or b"")
            await writer.drain()
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    return connection.our_state is h11.DONE and connection.their_state is h11.DONE
