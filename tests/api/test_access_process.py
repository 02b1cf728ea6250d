"""Access to an API as an operator runs it: from elsewhere, behind a proxy, over long answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from darkhorses.domain.api_keys import NewKey, Scope
from darkhorses.store.api_keys import api_keys
from darkhorses.store.pool import Database
from darkhorses.store.writing.api_keys import create, revoke
from tests.api.processes import ApiProcess, running_api

NOW = datetime.now(UTC)  # noqa: TID251  # the process has the real clock
EVERYWHERE = "0.0.0.0"  # noqa: S104  # what the warning is about


async def make(database: Database, *scopes: Scope) -> NewKey:
    key = NewKey.make()
    async with database.connection() as connection:
        await create(
            connection,
            key,
            name="app",
            scopes=scopes,
            requests_per_minute=None,
            expires_at=None,
            now=NOW,
        )
    return key


@asynccontextmanager
async def loaded_api(database_url: str, **environment: Any) -> AsyncIterator[ApiProcess]:
    async with running_api(DATABASE_URL=database_url, **environment) as api:
        await api.until("market.loaded")
        yield api


def forwarded(address: str) -> dict[str, str]:
    return {"x-forwarded-for": address}


async def test_an_api_that_listens_elsewhere_without_keys_says_so_loudly(
    database_url: str,
) -> None:
    async with running_api(DATABASE_URL=database_url, HOST=EVERYWHERE) as api:
        warning = await api.until("access.open")

    assert warning["level"] == "warning"
    assert "darkhorses keys create" in warning["mend"]


async def test_on_loopback_there_are_no_keys_and_no_limits(
    database_url: str, database: Database
) -> None:
    await make(database, Scope.READ)
    async with loaded_api(database_url) as api, httpx.AsyncClient(base_url=api.url) as client:
        answer = await client.get("/api/courses")

    assert answer.status_code == 200
    assert "ratelimit" not in answer.headers


async def test_a_stream_ends_when_its_key_is_revoked_and_last_use_is_kept(
    database_url: str, database: Database
) -> None:
    key = await make(database, Scope.STREAM)
    headers = {"authorization": f"Bearer {key.text}"}
    async with (
        loaded_api(database_url, DARKHORSES_API_KEYS="required") as api,
        httpx.AsyncClient(base_url=api.url, timeout=20) as client,
    ):
        async with client.stream("GET", "/api/stream", headers=headers) as stream:
            chunks = stream.aiter_bytes()
            assert b"retry:" in await anext(chunks)
            async with database.connection() as connection:
                await revoke(connection, key.key_id, now=NOW)
            async with asyncio.timeout(20):
                with pytest.raises(httpx.RemoteProtocolError):
                    async for _ in chunks:
                        pass
        again = await client.get("/api/stream", headers=headers)
        code, _ = await api.stop()

    assert (again.status_code, code) == (401, 0)
    async with database.connection() as connection:
        (stored,) = await api_keys(connection)
    assert stored.last_used_at is not None


async def test_behind_a_trusted_proxy_each_client_is_counted_by_its_own_address(
    database_url: str,
) -> None:
    environment = {"DARKHORSES_TRUSTED_PROXIES": "127.0.0.0/8", "DARKHORSES_ADDRESS_RATE": "1"}
    async with (
        loaded_api(database_url, **environment) as api,
        httpx.AsyncClient(base_url=api.url) as client,
    ):
        statuses = [
            (await client.get("/api/courses", headers=forwarded(address))).status_code
            for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "6.6.6.6, 192.0.2.2")
        ]

    assert statuses == [200, 429, 200, 429]


async def test_what_others_say_of_their_address_is_not_believed(database_url: str) -> None:
    async with (
        loaded_api(database_url, DARKHORSES_ADDRESS_RATE="1") as api,
        httpx.AsyncClient(base_url=api.url) as client,
    ):
        statuses = [
            (await client.get("/api/courses", headers=forwarded(address))).status_code
            for address in ("192.0.2.1", "192.0.2.2")
        ]

    assert statuses == [200, 429]


async def test_a_socket_wants_a_key_and_no_page_of_others(
    database_url: str, database: Database
) -> None:
    key = await make(database, Scope.STREAM)
    given = {"X-API-Key": key.text}
    async with loaded_api(database_url, DARKHORSES_API_KEYS="required") as api:
        url = f"ws://127.0.0.1:{api.port}/api/ws"
        for headers, origin in (({}, None), (given, "https://evil.example.org")):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(url, additional_headers=headers, origin=origin):  # type: ignore[arg-type]
                    pass
            assert refused.value.response.status_code == 403
        for origin in (None, api.url):
            async with connect(url, additional_headers=given, origin=origin) as socket:  # type: ignore[arg-type]
                await socket.send('{"ping": 1}')
                assert "pong" in str(await socket.recv())
