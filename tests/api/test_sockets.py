"""The stream over a WebSocket, with a client of another make."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from darkhorses.store.pool import Database
from tests.api.processes import ApiProcess, running_api
from tests.api.streaming import change_ids
from tests.market import MarketWriter, Prices, card, race, runner

NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251  # the process has the real clock
SOON = NOW + timedelta(hours=1)
ADA = runner("Ada", 1)
HEREFORD = race("rac_1", off_dt=SOON)
NAAS = race("rac_2", off_dt=SOON, course="Naas", region="IRE")


@pytest.fixture
async def api(database_url: str, writer: MarketWriter) -> AsyncIterator[ApiProcess]:
    await look(writer, "4/1")
    async with running_api(DATABASE_URL=database_url, DARKHORSES_STREAM_CLIENTS="3") as api:
        await api.until("market.loaded")
        yield api


@pytest.fixture
async def writer(database: Database) -> MarketWriter:
    return await MarketWriter.leading(database)


async def look(writer: MarketWriter, price: str) -> None:
    cards = [card(one, (ADA, {"Bet365": price})) for one in (HEREFORD, NAAS)]
    await writer.look(*cards, seen_at=NOW)


class Talk:
    """A conversation: what is said, and the events that come in lists."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._events: list[Any] = []

    async def say(self, **command: Any) -> None:
        await self.connection.send(json.dumps(command))

    async def next(self) -> Any:
        while not self._events:
            async with asyncio.timeout(20):
                message = await self.connection.recv()
            assert isinstance(message, str)
            self._events = json.loads(message, parse_float=Decimal)
        return self._events.pop(0)

    async def until(self, kind: str) -> Any:
        while (event := await self.next())["event"] != kind:
            pass
        return event

    async def closed(self) -> int | None:
        with pytest.raises(ConnectionClosed) as caught:
            await self.until("nothing of this name")
        return caught.value.rcvd.code if caught.value.rcvd is not None else None


def address(api: ApiProcess) -> str:
    return f"ws://127.0.0.1:{api.port}/api/ws"


async def test_a_subscription_begins_with_a_snapshot_and_can_be_changed(
    api: ApiProcess, writer: MarketWriter
) -> None:
    async with connect(address(api)) as connection:
        talk = Talk(connection)
        await talk.say(subscribe={"region": ["ire"]})
        assert (await talk.until("subscribed"))["data"]["subscribe"]["region"] == ["ire"]
        snapshot = await talk.until("snapshot")
        assert [found["race_id"] for found in snapshot["data"]["races"]] == ["rac_2"]
        await look(writer, "7/2")
        price = await talk.until("price")
        assert price["data"]["race_id"] == "rac_2"
        assert price["data"]["odds_decimal"] == Decimal("4.5")
        await talk.say(subscribe={"race_id": ["rac_1"]})
        snapshot = await talk.until("snapshot")
        assert [found["race_id"] for found in snapshot["data"]["races"]] == ["rac_1"]
        await talk.say(unsubscribe=True)
        assert (await talk.until("subscribed"))["data"]["subscribe"] is None
        await look(writer, "3/1")
        await talk.say(ping=17)
        assert await talk.next() == {"event": "pong", "data": {"ping": 17}}


async def test_a_subscription_resumes_after_an_event(
    api: ApiProcess, writer: MarketWriter, database: Database
) -> None:
    async with connect(address(api)) as connection:
        talk = Talk(connection)
        await talk.say(subscribe={})
        snapshot = await talk.until("snapshot")
    await look(writer, "7/2")
    await look(writer, "3/1")
    async with connect(address(api)) as connection:
        talk = Talk(connection)
        await talk.say(subscribe={}, last_event_id=snapshot["id"])
        missed = [(await talk.until("price"))["data"]["change_id"] for _ in range(4)]
    assert missed == (await change_ids(database))[2:]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("{", "message"),
        ("[]", "message"),
        ("{}", "message"),
        ('{"subscribe": {"stage": ["paddock"]}}', "subscribe.stage[0]"),
        ('{"subscribe": {"races": []}}', "subscribe"),
        ('{"subscribe": {"course": [""]}}', "course"),
        ('{"subscribe": {}, "last_event_id": "yesterday"}', "last_event_id"),
        ('{"subscripe": {}}', "message"),
        ('{"ping": ' + "[" * 5_000, "message"),
    ],
)
async def test_what_is_not_understood_is_said_with_its_field(
    api: ApiProcess, message: str, field: str
) -> None:
    async with connect(address(api)) as connection:
        await connection.send(message)
        error = await Talk(connection).until("error")
        assert [wrong["field"] for wrong in error["data"]["errors"]] == [field]
        await Talk(connection).say(ping="still here")
        assert (await Talk(connection).until("pong"))["data"]["ping"] == "still here"


async def test_a_message_that_is_too_large_ends_it(api: ApiProcess) -> None:
    async with connect(address(api)) as connection:
        await connection.send("x" * 20_000)
        assert await Talk(connection).closed() == 1009


async def test_a_client_that_floods_is_let_go(api: ApiProcess) -> None:
    async with connect(address(api)) as connection:
        for number in range(30):
            await Talk(connection).say(ping=number)
        assert await Talk(connection).closed() == 1008


async def test_a_client_beyond_the_cap_is_told_to_try_again_later(api: ApiProcess) -> None:
    async with connect(address(api)), connect(address(api)), connect(address(api)) as third:
        await Talk(third).say(ping=1)
        await Talk(third).until("pong")
        async with connect(address(api)) as fourth:
            assert await Talk(fourth).closed() == 1013


async def test_when_the_service_stops_sockets_are_told_also_with_one_that_never_reads(
    api: ApiProcess, writer: MarketWriter
) -> None:
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", api.port))
        stuck.sendall(
            b"GET /api/ws HTTP/1.1\r\nhost: tests\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert stuck.recv(12) == b"HTTP/1.1 101"
        subscribe = b'{"subscribe":{}}'
        # A client's frames are masked; a mask of zeros leaves them legible.
        stuck.sendall(bytes([0x81, 0x80 | len(subscribe), 0, 0, 0, 0]) + subscribe)
        nothing: Prices = {}
        horses = [(runner(f"Horse{number}", number), nothing) for number in range(1, 300)]
        async with connect(address(api)) as connection:
            talk = Talk(connection)
            await talk.say(subscribe={})
            await talk.until("snapshot")
            for number in range(10):
                jockeys = race("rac_3", off_dt=SOON, going=f"Going {number}")
                await writer.look(card(jockeys, *horses), seen_at=NOW)
                await talk.until("race")
            code, seconds = await api.stop()
            assert await talk.closed() == 1001
    assert code == 0
    assert seconds < 10
