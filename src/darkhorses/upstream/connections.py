"""The connections to the feed, renewed after every request that was broken off.

httpcore may never free the connection of a request that is cancelled half-way, and with ten of
those lost nothing could be asked any more. So such a request retires the connections that it was
made with: later requests get new ones, and the old are closed when the last of theirs has ended.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx

from darkhorses import __version__


def feed_client(
    *, base_url: str, auth: httpx.Auth, timeout: timedelta, tls: ssl.SSLContext
) -> httpx.AsyncClient:
    """A client of the feed with a pool of ten connections; ``timeout`` is for each step."""
    return httpx.AsyncClient(
        base_url=base_url,
        auth=auth,
        headers={
            "User-Agent": f"darkhorses/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        },
        timeout=timeout.total_seconds(),
        limits=httpx.Limits(max_connections=10, keepalive_expiry=30),
        follow_redirects=False,
        verify=tls,
    )


_WRITTEN = "http11.send_request_headers.complete"


class _Generation:
    """A client with its pool of connections, and how many requests use it."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.users = 0


class Connections:
    """Where requests are sent from; ``make`` makes a client with a pool of its own."""

    def __init__(self, make: Callable[[], httpx.AsyncClient]) -> None:
        self._make = make
        self._current = _Generation(make())
        self._retired: set[_Generation] = set()
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def get(
        self,
        path: str,
        query: Mapping[str, str | Sequence[str]],
        *,
        on_leaving: Callable[[], None],
    ) -> AsyncIterator[httpx.Response]:
        """The answer to a request, to be read while the block runs; raises httpx's errors.

        ``on_leaving`` is told when the request has been written to its connection.
        """

        async def follow(event: str, _: object) -> None:
            if event == _WRITTEN:
                on_leaving()

        generation = self._current
        generation.users += 1
        try:
            async with generation.http.stream(
                "GET", path, params=dict(query), extensions={"trace": follow}
            ) as response:
                yield response
        except (asyncio.CancelledError, httpx.PoolTimeout):
            self._retire(generation)
            raise
        finally:
            generation.users -= 1
            self._close_unused()

    async def close(self) -> None:
        """Close everything; requests in hand are cut."""
        await asyncio.gather(*self._closing)
        for generation in (self._current, *self._retired):
            await generation.http.aclose()

    def _retire(self, generation: _Generation) -> None:
        self._retired.add(generation)
        if generation is self._current:
            self._current = _Generation(self._make())

    def _close_unused(self) -> None:
        for generation in [one for one in self._retired if not one.users]:
            self._retired.discard(generation)
            task = asyncio.create_task(generation.http.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
