import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from darkhorses.upstream.connections import Connections


class Feed:
    """Answers when it may; ``clients`` are those that were made to ask it."""

    def __init__(self) -> None:
        self.clients: list[httpx.AsyncClient] = []
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    def client(self) -> httpx.AsyncClient:
        transport = httpx.MockTransport(self._answer)
        self.clients.append(httpx.AsyncClient(base_url="http://feed", transport=transport))
        return self.clients[-1]

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/taken":
            raise httpx.PoolTimeout("none is free")
        if request.url.path == "/slow":
            self.asked.set()
            await self.may_answer.wait()
        return httpx.Response(200, text="answered")


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
async def connections(feed: Feed) -> AsyncIterator[Connections]:
    connections = Connections(feed.client)
    yield connections
    await connections.close()
    assert all(client.is_closed for client in feed.clients)


async def ask(connections: Connections, path: str) -> str:
    async with connections.get(path, {}, on_leaving=lambda: None) as response:
        return (await response.aread()).decode()


async def closed(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(5):
        while not client.is_closed:  # noqa: ASYNC110  # a task of its own closes it
            await asyncio.sleep(0)


async def test_requests_share_connections(connections: Connections, feed: Feed) -> None:
    assert await ask(connections, "/") == "answered"
    assert await ask(connections, "/") == "answered"

    assert len(feed.clients) == 1


async def test_a_cancelled_request_retires_what_it_used_once_the_others_have_ended(
    connections: Connections, feed: Feed
) -> None:
    cancelled = asyncio.create_task(ask(connections, "/slow"))
    other = asyncio.create_task(ask(connections, "/slow"))
    await feed.asked.wait()
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert await ask(connections, "/") == "answered"
    old, new = feed.clients

    assert not old.is_closed
    feed.may_answer.set()
    assert await other == "answered"
    await closed(old)
    assert not new.is_closed


async def test_when_no_connection_is_free_in_time_there_are_new_ones(
    connections: Connections, feed: Feed
) -> None:
    with pytest.raises(httpx.PoolTimeout):
        await ask(connections, "/taken")
    assert await ask(connections, "/") == "answered"

    await closed(feed.clients[0])
    assert len(feed.clients) == 2


async def test_who_asks_is_told_that_the_request_has_left_before_it_is_answered() -> None:
    left = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await left.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    async with asyncio.timeout(10), await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        connections = Connections(lambda: httpx.AsyncClient(base_url=url))
        async with connections.get("/", {}, on_leaving=left.set) as response:
            assert response.status_code == 200
        await connections.close()
