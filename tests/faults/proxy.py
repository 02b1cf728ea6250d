"""A TCP proxy that misbehaves on purpose, between a process of ours and what it depends on."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.poolers import OF_TRANSACTIONS, loopback_of_its_own

_CHUNK = 65_536
_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Link:
    """One connection through the proxy: the client's side and the server's."""

    def __init__(self, client: Streams, server: Streams) -> None:
        self.client = client
        self.server = server
        self.swallows = False
        """What comes is taken and not passed on, and nobody is told: the link is half open."""

    def close(self, *, by_reset: bool) -> None:
        """End it to both sides, in order (FIN) or not (RST)."""
        for _, writer in (self.client, self.server):
            opened: socket.socket = writer.get_extra_info("socket")
            if by_reset and opened.family != socket.AF_UNIX:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
            writer.transport.abort()


class Proxy:
    """Passes bytes on as it is told to; ``port`` is where it listens.

    ``latency`` is how many seconds every chunk is late by, each way; with ``drip`` a chunk has so
    many bytes and is late by at least 2 ms. Links that were there while it was told to swallow
    stay half open for good, as do those that are made meanwhile; later ones are well.
    """

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._swallowing = False
        self._may_answer = asyncio.Event()
        self._may_answer.set()
        self.holding = asyncio.Event()
        """Set while an answer is being held."""
        self.port = 0
        self.latency = 0.0
        self.drip: int | None = None
        self.accepted = 0

    @classmethod
    @asynccontextmanager
    async def before(
        cls, connect: Callable[[], Awaitable[Streams]], host: str = "127.0.0.1", port: int = 0
    ) -> AsyncIterator[Self]:
        """Listen on this machine, 0 for a free port, and connect each client like this."""
        proxy = cls(connect)
        server = await asyncio.start_server(proxy._accept, host, port)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            proxy.cut()
            for task in proxy._tasks:
                task.cancel()
            await asyncio.gather(*proxy._tasks, return_exceptions=True)

    def cut(self) -> None:
        """End every link with a FIN to both sides."""
        self._close(by_reset=False)

    def reset(self) -> None:
        """End every link with a RST to both sides."""
        self._close(by_reset=True)

    def swallow(self) -> None:
        """Pass nothing on any more and tell nobody."""
        self._swallowing = True
        for link in self._links:
            link.swallows = True

    def hold_answers(self) -> None:
        """Keep what servers say to oneself for now."""
        self._may_answer.clear()

    def let_go(self) -> None:
        """Pass on what was held."""
        self.holding.clear()
        self._may_answer.set()

    def heal(self) -> None:
        """Pass everything on at once again, for links that are made from now on."""
        self._swallowing = False
        self.latency = 0.0
        self.drip = None

    def _close(self, *, by_reset: bool) -> None:
        for link in list(self._links):
            link.close(by_reset=by_reset)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            link = Link((reader, writer), await self._connect())
        except OSError:
            writer.transport.abort()
            return
        link.swallows = self._swallowing
        self._links.add(link)
        tasks = [
            asyncio.create_task(self._pass_on(link, link.client[0], link.server[1])),
            asyncio.create_task(self._pass_on(link, link.server[0], link.client[1])),
        ]
        self._tasks.update(tasks)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.difference_update(tasks)
        self._links.discard(link)
        link.close(by_reset=False)

    async def _pass_on(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(ConnectionError, OSError):
            while chunk := await reader.read(self.drip or _CHUNK):
                late = max(self.latency, 0.002 if self.drip else 0.0)
                if late:
                    await asyncio.sleep(late)  # the fault itself
                if reader is link.server[0] and not self._may_answer.is_set():
                    self.holding.set()
                    await self._may_answer.wait()
                if link.swallows:
                    continue
                writer.write(chunk)
                await writer.drain()
            if not link.swallows:
                writer.write_eof()


@asynccontextmanager
async def before_database(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before a database or the pooler before it, and the address that leads through it."""
    address = urlsplit(url)
    of_transactions = address.port == OF_TRANSACTIONS
    where = (loopback_of_its_own(), OF_TRANSACTIONS) if of_transactions else ("127.0.0.1", 0)
    async with Proxy.before(partial(_connect, url), *where) as proxy:
        netloc = f"{where[0]}:{proxy.port}"
        yield proxy, f"postgresql://postgres@{netloc}{address.path}?sslmode=disable"


async def _connect(database_url: str) -> Streams:
    address = urlsplit(database_url)
    if address.hostname is not None:
        return await asyncio.open_connection(address.hostname, address.port)
    options = parse_qs(address.query)
    return await asyncio.open_unix_connection(f"{options['host'][0]}/.s.PGSQL.{options['port'][0]}")


@asynccontextmanager
async def before_feed(base_url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before a feed, and the address that leads through it."""
    address = urlsplit(base_url)
    assert address.hostname is not None
    host, port = address.hostname, address.port
    async with Proxy.before(lambda: asyncio.open_connection(host, port)) as proxy:
        yield proxy, f"http://127.0.0.1:{proxy.port}{address.path}"
