import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from darkhorses.client import (
    DarkHorsesClient,
    MalformedAnswerError,
    NonRunner,
    Price,
    ProblemError,
    Race,
    Result,
    Resync,
    Snapshot,
    Status,
    StreamEvent,
    UnreachableError,
)
from darkhorses.client.streams import Pauses
from darkhorses.store.changes import LAST_CHANGE, changes_after
from darkhorses.store.pool import Database
from tests.api.processes import ApiProcess, running_api
from tests.client.scripted import STREAM, scripted
from tests.market import MarketWriter, card, race, runner
from tests.ports import free_port

NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251  # the process has the real clock
SOON = NOW + timedelta(hours=1)
ADA, BOB = runner("Ada", 1), runner("Bob", 2)
RACE = race(off_dt=SOON)
BOOKS = ("Bet365", "Coral", "William Hill", "Betfair Exchange")
BAD = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


async def a_day(writer: MarketWriter) -> None:
    """Looks in which every price may be another, the last of them of a race of its own."""
    chance = random.Random(5)  # noqa: S311  # repeatable
    runners = [runner(f"Horse{number}", number) for number in range(1, 7)]
    for look in range(120):
        prices = [
            {
                name: None if chance.random() < 0.1 else f"{chance.randint(2, 40)}/1"
                for name in BOOKS
            }
            for _ in runners
        ]
        await writer.look(
            card(RACE, *zip(runners, prices, strict=True)),
            card(race("rac_2", off_dt=SOON), *zip(runners, prices[::-1], strict=True)),
            seen_at=NOW + timedelta(seconds=look),
        )
    await writer.look(
        card(race("rac_end", off_dt=SOON), (ADA, {"Bet365": "10/3"})),
        seen_at=NOW + timedelta(hours=1),
    )


def has_ended(event: StreamEvent) -> bool:
    return isinstance(event, Race) and event.data.race_id == "rac_end"


async def serve(stack: AsyncExitStack, url: str, port: int) -> ApiProcess:
    api = await stack.enter_async_context(running_api(port, DATABASE_URL=url))
    await api.until("market.loaded")
    return api


async def test_every_change_comes_once_in_order_while_the_api_is_killed_and_restarted(
    database: Database, database_url: str, writer: MarketWriter
) -> None:
    port = free_port()
    told: list[Price] = []
    kinds = set()
    kept: str | None = "0-0"
    async with (
        asyncio.timeout(120),
        asyncio.TaskGroup() as tasks,
        AsyncExitStack() as processes,
        DarkHorsesClient(f"http://127.0.0.1:{port}") as client,
    ):
        api = await serve(processes, database_url, port)
        tasks.create_task(a_day(writer))
        ended = False
        for quota in (300, 700, 1_500, 1_000_000):
            # A program that is started anew has nothing but the id that it kept.
            async with client.stream(last_event_id=kept) as stream:
                async for event in stream:
                    kinds.add(type(event))
                    ended = ended or has_ended(event)
                    if isinstance(event, Price):
                        told.append(event)
                        if len(told) == 1_000:
                            # In the middle of a stream, and unheard of by its client.
                            api.kill()
                            tasks.create_task(serve(processes, database_url, port))
                    kept = stream.last_event_id
                    if ended or len(told) >= quota:
                        break
        assert ended
        async with database.connection() as connection:
            log = await changes_after(connection, 0, until=LAST_CHANGE, most=1_000_000)
    assert len(log) > 2_000
    assert not kinds & {Snapshot, Resync}
    assert [event.data.change_id for event in told] == [change.change_id for change in log]
    assert [
        (one.data.race_id, one.data.horse_id, one.data.bookmaker_id, one.data.odds_decimal)
        for one in told
    ] == [
        (one.race_id, one.horse_id, one.bookmaker_id, one.price and one.price.decimal)
        for one in log
    ]
    assert told[-1].data.odds_decimal == Decimal("4.33")
    assert told[-1].data.changed_at == NOW + timedelta(hours=1)


async def test_each_kind_of_event_is_of_its_type(database_url: str, writer: MarketWriter) -> None:
    await writer.look(card(RACE, (ADA, {"Bet365": "10/3"}), (BOB, {})), seen_at=NOW)
    gone = runner("Bob", None, is_non_runner=True)
    over = race(off_dt=SOON, race_status="result")
    async with (
        asyncio.timeout(30),
        running_api(DATABASE_URL=database_url) as api,
        DarkHorsesClient(api.url) as client,
        client.stream(course="hereford", bookmaker=["Bet 365", "coral"]) as stream,
    ):
        await api.until("market.loaded")
        first = await anext(stream)
        assert isinstance(first, Snapshot)
        assert first.event_id == stream.last_event_id == first.data.position
        prices = first.data.races[0].runners[0].prices
        assert prices == {"bet365": (Decimal("4.33"), "10/3", 3, 5)}
        (status,) = await until(stream, Status)
        assert isinstance(status, Status)
        assert (status.event_id, status.data.database_reachable) == (None, True)
        await writer.look(card(RACE, (ADA, {"Bet365": "3/1"}), (gone, {})), seen_at=NOW)
        await writer.look(card(over, (ADA, {"Bet365": "3/1"}), (gone, {})), seen_at=NOW)
        events = await until(stream, Result)
        by_kind = {type(event): event for event in events}
        assert by_kind.keys() - {Status} == {Price, Race, NonRunner, Result}
        price = by_kind[Price]
        assert isinstance(price, Price)
        assert (price.data.odds_decimal, price.data.odds_fractional) == (Decimal(4), "3/1")
    async with (
        running_api(DATABASE_URL=database_url) as api,
        DarkHorsesClient(api.url) as client,
        client.stream(last_event_id="99-99") as stream,
    ):
        await api.until("market.loaded")
        lost = await anext(stream)
        assert isinstance(lost, Resync)
        assert (lost.data.reason, lost.data.last_event_id) == ("unknown_position", "99-99")
        assert isinstance(await anext(stream), Snapshot)


async def until(stream: AsyncIterator[StreamEvent], kind: type) -> list[StreamEvent]:
    events = []
    async for event in stream:
        events.append(event)
        if isinstance(event, kind):
            break
    return events


def result_event(event_id: str, race_id: str) -> bytes:
    body = f'{{"race_id":"{race_id}","race_status":"result","is_abandoned":false}}'
    return f"id: {event_id}\nevent: result\ndata: {body}\n\n".encode()


async def test_a_connection_that_falls_silent_or_breaks_off_is_made_again_from_the_last_id() -> (
    None
):
    silent = STREAM + b"retry: 10\n\n" + result_event("5-1", "a") + b": keep-alive\nid: 6-1\n\n"
    broken = STREAM + result_event("7-1", "b") + result_event("8-1", "cut")[:-2]
    unknown = STREAM + b"id: 9-1\nevent: news\ndata: {}\n\n" + result_event("10-1", "c")
    async with (
        scripted(silent, broken, unknown, held=[0]) as server,
        DarkHorsesClient(server.url) as client,
        client.stream(last_event_id="4-1", silence=0.2) as stream,
    ):
        told = [await anext(stream) for _ in range(3)]
        assert [event.event_id for event in told] == ["5-1", "7-1", "10-1"]
        assert server.last_event_ids() == ["4-1", "6-1", "7-1"]
        assert stream.last_event_id == "10-1"


async def test_what_passes_is_waited_for_and_what_does_not_is_raised() -> None:
    busy = b"HTTP/1.1 503 No\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    first = STREAM + b"retry: 10\n\n" + result_event("1-1", "a")
    async with scripted(first, busy, busy, BAD) as server, DarkHorsesClient(server.url) as client:
        stream = client.stream(snapshot=False, stage=["at_post", "pre_race"])
        assert (await anext(stream)).event_id == "1-1"
        with pytest.raises(ProblemError, match="400 Bad Request"):
            await anext(stream)
        await stream.aclose()
    query = "stage=at_post&stage=pre_race&snapshot=false"
    assert server.requests[0].startswith(f"get /api/stream?{query} http/1.1")
    assert server.last_event_ids() == [None, "1-1", "1-1", "1-1"]


async def test_patience_has_an_end_where_it_is_asked_for() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    async with DarkHorsesClient(address) as client, client.stream(patience=0.5) as stream:
        with pytest.raises(UnreachableError, match="does not come back"):
            await anext(stream)


async def test_what_is_no_stream_is_said_to_be_none() -> None:
    page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n"
    nonsense = STREAM + b"event: price\ndata: {}\n\n"
    async with scripted(page, nonsense) as server, DarkHorsesClient(server.url) as client:
        for words in ("this is text/html", "a price event makes no sense"):
            with pytest.raises(MalformedAnswerError, match=words):
                await anext(client.stream())


async def test_a_stream_that_was_waited_for_too_long_can_be_asked_again() -> None:
    first = STREAM + result_event("1-1", "a")
    async with (
        scripted(first, STREAM + result_event("2-1", "b"), held=[0]) as server,
        DarkHorsesClient(server.url) as client,
        client.stream() as stream,
    ):
        await anext(stream)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.05)
        assert (await anext(stream)).event_id == "2-1"
        assert server.last_event_ids() == [None, "1-1"]


def test_pauses_grow_and_are_never_shorter_than_the_server_asks_for() -> None:
    pauses = Pauses()
    pauses.retry = 2.0
    spans = [pauses.next() for _ in range(50)]
    for number, span in enumerate(spans):
        least = min(2.0 * 2**number, 30.0)
        assert least <= span <= 1.5 * least
    assert len(set(spans)) == len(spans)
    assert pauses.next(at_least=100) >= 100
    pauses.reset()
    assert pauses.next() <= 3.0
    pauses.retry = 60.0
    assert pauses.next() >= 60.0
