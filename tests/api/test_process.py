import asyncio
import signal
import socket

import asyncpg
import httpx
import pytest

from darkhorses.store.embedded import EmbeddedServer
from tests.api.processes import running_api
from tests.market import let_in
from tests.ports import free_port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_within_five_seconds_with_connections_open(
    database_url: str, number: signal.Signals
) -> None:
    async with running_api(DATABASE_URL=database_url) as api:
        await api.until("market.loaded")
        _, silent = await asyncio.open_connection("127.0.0.1", api.port)
        _, halfway = await asyncio.open_connection("127.0.0.1", api.port)
        halfway.write(b"GET /version HTT")
        async with httpx.AsyncClient(base_url=api.url) as idle:
            assert (await idle.get("/health")).status_code == 200
            code, seconds = await api.stop(number)
        silent.close()
        halfway.close()
    assert code == 0
    assert seconds < 5


async def test_head_goes_without_a_body_over_the_wire(database_url: str) -> None:
    async with (
        running_api(DATABASE_URL=database_url) as api,
        httpx.AsyncClient(base_url=api.url) as client,
    ):
        await api.until("market.loaded")
        get = await client.get("/api/live-odds", headers={"accept-encoding": "identity"})
        head = await client.head("/api/live-odds", headers={"accept-encoding": "identity"})
        same = await client.get("/api/live-odds", headers={"if-none-match": get.headers["etag"]})
        code, _ = await api.stop()
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(get.content))
    assert (same.status_code, same.content) == (304, b"")
    assert code == 0


async def test_it_starts_without_its_database_and_waits_for_it(
    database_url: str, postgres: EmbeddedServer
) -> None:
    server = await asyncpg.connect(postgres.url)
    await let_in(server, database_url, allowed=False)
    async with (
        running_api(DATABASE_URL=database_url) as api,
        httpx.AsyncClient(base_url=api.url) as client,
    ):
        await api.until("market.database_away")
        health = await client.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "starting")
        await let_in(server, database_url, allowed=True)
        await api.until("market.loaded")
        assert (await client.get("/health")).status_code == 200
        assert (await api.stop())[0] == 0
    await server.close()


async def test_an_old_schema_ends_it_with_what_to_run(empty_database_url: str) -> None:
    async with running_api(DATABASE_URL=empty_database_url) as api:
        code, said = await api.ended()
    assert code == 1
    assert "run `darkhorses migrate`" in said
    assert "Traceback" not in said


async def test_a_taken_port_is_told_in_one_sentence(database_url: str) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        async with running_api(port, DATABASE_URL=database_url) as api:
            code, said = await api.ended()
    assert code == 1
    assert said == (
        f"darkhorses: cannot listen on 127.0.0.1 port {port} (Address already in use): set HOST "
        f"and PORT to an address and a free port of this machine\n"
    )


async def test_a_host_name_is_an_address_too(database_url: str) -> None:
    async with (
        running_api(DATABASE_URL=database_url, HOST="localhost") as api,
        httpx.AsyncClient(base_url=api.url.replace("127.0.0.1", "localhost")) as client,
    ):
        await api.until("market.loaded")
        assert (await client.get("/version")).status_code == 200
        assert (await api.stop())[0] == 0
