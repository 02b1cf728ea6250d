"""Exports over the wire: what happens when they do not come to their end."""

import asyncio
import io
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from darkhorses.api.exports import ExportAnswer, Exports, ExportsBusyError, StreamBrokenError
from darkhorses.export.formats import ExportFormat
from darkhorses.store.exporting import ExportQuery, ExportTable
from darkhorses.store.pool import Connection, Database
from tests.api.processes import ApiProcess, running_api
from tests.history import fill_changes, fill_history

URL = "/api/export/odds-changes"
ENOUGH = 250_000
"""Changes that no buffers on the way hold: an export of them waits for its client."""

LAST_CHUNK = b"\r\n0\r\n\r\n"
"""What a whole answer in chunks ends in."""

HELD = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name LIKE $1 AND datname = current_database()
"""


@asynccontextmanager
async def waiting_export(api: ApiProcess, *, format_: str = "csv") -> AsyncIterator[Any]:
    """A client that has taken the beginning of an export and no more."""
    with socket.socket() as plug:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        plug.settimeout(0)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(plug, ("127.0.0.1", api.port))
        request = f"GET {URL}?format={format_} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"
        await loop.sock_sendall(plug, request.encode())
        beginning = await loop.sock_recv(plug, 1_000)
        assert beginning.startswith(b"HTTP/1.1 200")
        yield plug


async def rest_of(plug: socket.socket) -> bytes:
    """All that still comes until the connection ends."""
    loop = asyncio.get_running_loop()
    pieces = []
    async with asyncio.timeout(30):
        try:
            while piece := await loop.sock_recv(plug, 1_000_000):
                pieces.append(piece)
        except ConnectionResetError:
            pass
    return b"".join(pieces)


async def none_held(connection: Connection, name: str) -> None:
    """Wait until nobody of this name is connected to the test's database."""
    async with asyncio.timeout(10):
        while await connection.fetchval(HELD, name):
            pass


@pytest.fixture
async def serving(database_url: str, connection: Connection) -> AsyncIterator[ApiProcess]:
    await fill_changes(connection, ENOUGH)
    await fill_history(connection)
    async with running_api(DATABASE_URL=database_url) as api:
        await api.until("market.loaded")
        yield api


async def test_a_client_that_leaves_frees_its_connection_and_its_turn_at_once(
    serving: ApiProcess, connection: Connection
) -> None:
    async with waiting_export(serving):
        assert await connection.fetchval(HELD, "darkhorses api export") == 1
    ended = await serving.until("export.ended")
    assert (ended["outcome"], ended["table"]) == ("broken", "odds-changes")
    await none_held(connection, "darkhorses api export")
    async with httpx.AsyncClient(base_url=serving.url) as client:
        assert (await client.get("/api/export/results")).status_code == 200


async def test_one_export_too_many_is_told_when_to_come_back_and_nobody_else_waits(
    serving: ApiProcess, connection: Connection
) -> None:
    async with waiting_export(serving), httpx.AsyncClient(base_url=serving.url) as client:
        refused = await client.get("/api/export/results")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        assert refused.headers["content-type"] == "application/problem+json"
        past = ["historical-odds", "historical-odds/summary", "results", "race-days"]
        live = ["live-odds", "live-odds?race_date=2026-03-01", "courses", "bookmakers"]
        addresses = [f"/api/{name}" for name in (*past, *live) * 3]
        answers = await asyncio.gather(*(client.get(address) for address in addresses))
        assert {answer.status_code for answer in answers} == {200}
        # Two APIs and two workers of two each are to stay under 13.
        assert await connection.fetchval(HELD, "darkhorses%") <= 4


async def test_a_database_that_fails_half_way_breaks_the_connection(
    serving: ApiProcess, connection: Connection
) -> None:
    # A Parquet file of this size would fit into the buffers on its way.
    for format_ in (ExportFormat.CSV, ExportFormat.NDJSON):
        async with waiting_export(serving, format_=format_) as plug:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                "current_database() AND application_name = 'darkhorses api export'"
            )
            assert not (await rest_of(plug)).endswith(LAST_CHUNK)
        assert (await serving.until("export.ended"))["outcome"] == "broken"
    async with httpx.AsyncClient(base_url=serving.url) as client:
        assert (await client.get("/api/export/results")).status_code == 200
    code, _ = await serving.stop()
    assert code == 0


async def test_a_signal_breaks_an_export_off_in_time(serving: ApiProcess) -> None:
    async with waiting_export(serving) as plug:
        code, seconds = await serving.stop(signal.SIGTERM)
        assert not (await rest_of(plug)).endswith(LAST_CHUNK)
    assert code == 0
    assert seconds < 5


async def test_a_whole_export_comes_whole(serving: ApiProcess) -> None:
    async with waiting_export(serving) as plug:
        assert (await rest_of(plug)).endswith(LAST_CHUNK)
    ended = await serving.until("export.ended")
    assert (ended["outcome"], ended["rows"]) == ("whole", ENOUGH)
    async with httpx.AsyncClient(base_url=serving.url) as client:
        answer = await client.get(URL, params={"format": "parquet"})
    assert pq.read_table(io.BytesIO(answer.content)).num_rows == ENOUGH


async def test_old_http_is_refused_since_it_knows_no_broken_answer(serving: ApiProcess) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
    writer.write(f"GET {URL} HTTP/1.0\r\nhost: test\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert b" 426 " in answer.splitlines()[0]
    assert b"upgrade: HTTP/1.1\r\n" in answer
    assert b"application/problem+json" in answer


async def test_a_client_that_takes_nothing_is_left(
    database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill_changes(connection, 100)
    monkeypatch.setattr("darkhorses.api.exports.PATIENCE", timedelta(milliseconds=20))
    exports = Exports(database, at_once=1)
    query = ExportQuery(table=ExportTable.ODDS_CHANGES)

    async def take_only_the_start(message: Any) -> None:
        if message["type"] != "http.response.start":
            await asyncio.Event().wait()

    async def receive() -> Any:
        await asyncio.Event().wait()

    answer = ExportAnswer(exports, query, ExportFormat.CSV)
    with pytest.raises(StreamBrokenError):
        async with asyncio.timeout(10):
            await answer({"type": "http"}, receive, take_only_the_start)  # type: ignore[arg-type]

    async with exports.turn():
        with pytest.raises(ExportsBusyError):
            async with exports.turn():
                raise AssertionError("there is one turn")
