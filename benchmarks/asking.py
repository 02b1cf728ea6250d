"""A client that costs little: it asks over connections that stay open, and times each answer."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Self

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Asker:
    """One connection to an API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int) -> AsyncIterator[Self]:
        """Connect to a port of this machine."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def ask(self, path: str) -> bytes:
        """The body of an answer; raises RuntimeError when it is no 200."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: benchmark\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await self._reader.readexactly(int(length[1]) if length else 0)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"{path}: {head.decode()}{body.decode()}")
        return body

    async def seconds(self, path: str) -> float:
        """How long an answer takes, to its last byte."""
        begun = time.perf_counter()
        await self.ask(path)
        return time.perf_counter() - begun


async def latencies(port: int, paths: Iterable[str], *, connections: int) -> list[float]:
    """Seconds of each answer, with so many asking at once, each as soon as it was answered."""
    left = iter(paths)
    took: list[float] = []

    async def go_on_asking() -> None:
        async with Asker.open(port) as asker:
            took.extend([await asker.seconds(path) for path in left])

    await asyncio.gather(*(go_on_asking() for _ in range(connections)))
    return took


async def until_ready(port: int) -> None:
    """Wait, for a minute at most, until an API is ready."""
    async with asyncio.timeout(60):
        while True:
            try:
                async with Asker.open(port) as asker:
                    await asker.ask("/health")
            except (OSError, RuntimeError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.1)
            else:
                return
