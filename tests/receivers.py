"""Receivers of webhooks: real HTTP servers on this machine that answer as they are told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import h11
import msgspec
from standardwebhooks import Webhook


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def payload(self) -> Any:
        return msgspec.json.decode(self.body)

    def verified(self, secret: str) -> Any:
        """The payload, if another's implementation of the standard finds it signed by a secret."""
        return Webhook(secret).verify(self.body, self.headers)


Answer = int | tuple[int, dict[str, str]]


class Receiver:
    """Keeps what it receives.

    ``answer`` says what it answers, ``answering`` lets it answer at all; an ``endless`` one never
    comes to the end of its answer.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[Received], Answer] = lambda _: 204
        self.answering = asyncio.Event()
        self.answering.set()
        self.endless = False
        self._news = asyncio.Condition()
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def listening(cls, answer: Answer = 204, host: str = "127.0.0.1") -> AsyncIterator[Self]:
        receiver = cls()
        receiver.answer = lambda _: answer
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await receiver._serve(reader, writer)
            except (ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError):
                pass
            finally:
                tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(serve, host, 0)
        port = server.sockets[0].getsockname()[1]
        receiver.url = f"http://{host}:{port}/hook"
        try:
            yield receiver
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, count: int, timeout: float = 60) -> list[Received]:
        """Wait until it has received so many."""
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def until_all(self, message_ids: set[str], timeout: float = 60) -> None:
        """Wait until it has received all of these."""
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(
                lambda: message_ids <= {received.message_id for received in self.received}
            )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        request: h11.Request | None = None
        body = b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                request, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None
                writer.write(await self._answer(connection, request, body))
                while self.endless:
                    writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
                    await writer.drain()
                await writer.drain()
                connection.start_next_cycle()
            else:
                return

    async def _answer(self, connection: h11.Connection, request: h11.Request, body: bytes) -> bytes:
        received = Received(
            path=request.target.decode(),
            headers={name.decode(): value.decode() for name, value in request.headers},
            body=body,
        )
        async with self._news:
            self.received.append(received)
            self._news.notify_all()
        await self.answering.wait()
        answer = self.answer(received)
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        if not self.endless:
            headers = {"content-length": "0", **headers}
        said = connection.send(h11.Response(status_code=status, headers=[*headers.items()]))
        end = b"" if self.endless else connection.send(h11.EndOfMessage())
        assert said is not None
        return said + (end or b"")
