"""The stream of a running API, followed over the wire."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from darkhorses.domain.races import Card
from darkhorses.store.pool import Database
from tests.api.processes import ApiProcess, running_api
from tests.api.streaming import (
    Event,
    EventStream,
    Replica,
    change_ids,
    prices_in,
    streaming,
    stuck_client,
)
from tests.market import MarketWriter, card, race, runner
from tests.ports import free_port

NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251  # the process has the real clock
SOON = NOW + timedelta(hours=1)
ADA, BOB = runner("Ada", 1), runner("Bob", 2)
RACE = race(off_dt=SOON)
BOOKS = ("Bet365", "Coral", "William Hill", "Betfair Exchange")


@asynccontextmanager
async def serving(
    url: str, port: int | None = None, **environment: str
) -> AsyncIterator[tuple[ApiProcess, httpx.AsyncClient]]:
    async with (
        running_api(port, DATABASE_URL=url, **environment) as api,
        httpx.AsyncClient(
            base_url=api.url, timeout=20, limits=httpx.Limits(max_connections=None)
        ) as client,
    ):
        await api.until("market.loaded")
        yield api, client


@pytest.fixture
async def writer(database: Database) -> MarketWriter:
    return await MarketWriter.leading(database)


def moving(chance: random.Random, races: int = 4, runners: int = 6) -> list[Card]:
    """A look at some races in which every price may be another."""
    return [
        card(
            race(f"rac_{number}", off_dt=SOON + timedelta(minutes=5 * number)),
            *(
                (
                    runner(f"Horse{number}x{horse}", horse),
                    {
                        name: None if chance.random() < 0.1 else f"{chance.randint(2, 40)}/1"
                        for name in BOOKS
                    },
                )
                for horse in range(1, runners + 1)
            ),
        )
        for number in range(races)
    ]


def documented_by(openapi: Any) -> Callable[[str], dict[str, Any]]:
    """The fields of an event's body by the event's name, as the API describes them."""
    bodies = openapi["components"]["schemas"]

    def body(reference: dict[str, str]) -> dict[str, Any]:
        properties: dict[str, Any] = bodies[reference["$ref"].rpartition("/")[2]]["properties"]
        return properties

    answer = openapi["paths"]["/api/stream"]["get"]["responses"]["200"]
    events = body(answer["content"]["text/event-stream"]["schema"])
    return lambda kind: body(events[kind])


async def test_a_stream_begins_with_a_snapshot_and_goes_on_with_what_happens(
    database_url: str, writer: MarketWriter
) -> None:
    await writer.look(card(RACE, (ADA, {"Bet365": "10/3"}), (BOB, {})), seen_at=NOW)
    async with serving(database_url) as (api, client), streaming(client) as stream:
        documented = documented_by((await client.get("/openapi.json")).json())
        assert stream.answer.headers["content-type"] == "text/event-stream"
        assert stream.answer.headers["cache-control"] == "no-store"
        assert stream.answer.headers["x-accel-buffering"] == "no"
        first = await stream.next()
        assert first is not None
        assert first.kind == "snapshot"
        assert [found["race_id"] for found in first.data["races"]] == ["rac_1"]
        status = await stream.until("status")
        assert status.data["database_reachable"] is True
        gone = runner("Bob", None, is_non_runner=True)
        await writer.look(card(RACE, (ADA, {"Bet365": "3/1"}), (gone, {})), seen_at=NOW)
        price = await stream.until("price")
        assert price.event_id is not None
        assert price.event_id.startswith("2-")
        assert price.data["odds_fractional"] == "3/1"
        told = await stream.until("race")
        assert [one["is_non_runner"] for one in told.data["runners"]] == [False, True]
        non_runner = await stream.until("non_runner")
        assert non_runner.data["horse_name"] == "Bob"
        over = race(off_dt=SOON, race_status="result")
        await writer.look(card(over, (ADA, {"Bet365": "3/1"}), (gone, {})), seen_at=NOW)
        result = await stream.until("result")
        assert result.data["race_status"] == "result"
        for event in (first, status, price, told, non_runner, result):
            assert event.data.keys() == documented(event.kind).keys()
        code, _ = await api.stop()
        assert await stream.next() is None
    assert code == 0


class Survivor:
    """A client that is killed again and again, and goes on from where it was."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.replica = Replica()
        self.seen: list[Event] = []
        self.kills = 0
        self._last_event_id: str | None = "0-0"

    async def live(self, client: httpx.AsyncClient, *, prices: int) -> None:
        """Follow until so many prices were told, or the day has ended, and be cut off then."""
        async with streaming(client, last_event_id=self._last_event_id) as stream:
            while prices > 0 and not self.has_ended:
                event = await stream.next()
                assert event is not None
                self.replica.take(event)
                self.seen.append(event)
                prices -= event.kind == "price"
            self._last_event_id = stream.last_event_id
        self.kills += 1

    async def die_often(self, client: httpx.AsyncClient, *, until: int) -> None:
        """Be killed up to so many times."""
        while self.kills < until:
            await self.live(client, prices=self._chance.randint(1, 120))

    @property
    def has_ended(self) -> bool:
        """Whether the day's last news was told."""
        return bool(self.seen) and self.seen[-1].data.get("race_id") == "rac_end"


async def a_day(writer: MarketWriter, chance: random.Random) -> None:
    """Write a day's looks, the last of a race of its own."""
    for look in range(150):
        await writer.look(*moving(chance), seen_at=NOW + timedelta(seconds=look))
    end = card(race("rac_end", off_dt=SOON + timedelta(hours=1)), (ADA, {}))
    await writer.look(end, seen_at=NOW + timedelta(hours=1))


async def test_a_client_killed_a_hundred_times_has_every_change_once(
    database: Database, database_url: str, writer: MarketWriter
) -> None:
    chance = random.Random(20260620)  # noqa: S311  # repeatable
    survivor = Survivor(chance)
    port = free_port()
    async with asyncio.timeout(150), asyncio.TaskGroup() as tasks:
        async with serving(database_url, port) as (api, client):
            tasks.create_task(a_day(writer, chance))
            await survivor.die_often(client, until=35)
            api.kill()
        # An API that was started anew has no tail: what was missed comes from the log.
        async with serving(database_url, port) as (api, client):
            await survivor.die_often(client, until=70)
            await api.stop()
        async with serving(database_url, port) as (_, client):
            await survivor.die_often(client, until=100)
            await survivor.live(client, prices=1_000_000)
    assert survivor.kills > 100
    assert "resync" not in {event.kind for event in survivor.seen}
    assert prices_in(survivor.seen) == await change_ids(database)
    assert survivor.replica.open_prices == (await Replica.of(database)).open_prices


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (
            {"race_id": ["rac_1", "rac_3"]},
            {("rac_1", "bet365"), ("rac_1", "coral"), ("rac_3", "bet365"), ("rac_3", "coral")},
        ),
        ({"course": "KELSO"}, {("rac_2", "bet365"), ("rac_2", "coral")}),
        ({"region": "ire"}, {("rac_3", "bet365"), ("rac_3", "coral")}),
        ({"bookmaker": "Bet 365", "region": "gb"}, {("rac_1", "bet365"), ("rac_2", "bet365")}),
        ({"stage": ["going_to_post", "at_post"]}, {("rac_3", "bet365"), ("rac_3", "coral")}),
    ],
)
async def test_only_what_is_asked_for_is_sent(
    database: Database,
    database_url: str,
    writer: MarketWriter,
    filters: dict[str, Any],
    expected: set[tuple[str, str]],
) -> None:
    races = (
        race("rac_1", off_dt=SOON),
        race("rac_2", off_dt=SOON, course="Kelso", course_id="crs_2"),
        race("rac_3", off_dt=NOW + timedelta(minutes=20), course="Naas", region="IRE"),
    )

    def look(bet365: str, coral: str) -> list[Card]:
        return [card(one, (ADA, {"Bet365": bet365, "Coral": coral})) for one in races]

    await writer.look(*look("4/1", "5/1"), seen_at=NOW)
    async with serving(database_url) as (_, client):
        async with streaming(client, **filters) as stream:
            snapshot = await stream.until("snapshot")
            await writer.look(*look("3/1", "7/2"), seen_at=NOW)
            live = [await stream.until("price") for _ in expected]
        async with streaming(client, last_event_id="0-0", **filters) as stream:
            resumed = [await stream.until("price") for _ in range(2 * len(expected))]
    quoted = {
        (found["race_id"], bookmaker_id)
        for found in snapshot.data["races"]
        for one in found["runners"]
        for bookmaker_id in one["prices"]
    }
    assert quoted == expected
    assert {(one.data["race_id"], one.data["bookmaker_id"]) for one in live} == expected
    assert [one.data for one in resumed if one.data["change_id"] > 6] == [one.data for one in live]
    assert len(await change_ids(database)) == 12


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("stage=paddock", "stage"),
        ("bookmaker=%C2%A3", "bookmaker"),
        ("course=", "course"),
        ("last_event_id=12", "last_event_id"),
        ("last_event_id=1-2&last_event_id=1-3", "last_event_id"),
        ("races=rac_1", "races"),
    ],
)
async def test_a_wrong_parameter_is_named(api: Any, query: str, field: str) -> None:
    answer = await api.get(f"/api/stream?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [error["field"].partition("[")[0] for error in answer.json()["errors"]] == [field]


async def test_a_last_event_id_that_makes_no_sense_is_refused(api: Any) -> None:
    answer = await api.get("/api/stream", last_event_id="yesterday")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "Last-Event-ID"


async def test_head_is_answered_and_ends(api: Any) -> None:
    answer = await api.client.head("/api/stream")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream"


async def test_a_client_beyond_the_cap_is_told_to_come_back(database_url: str) -> None:
    async with serving(database_url, DARKHORSES_STREAM_CLIENTS="2") as (_, client):
        async with streaming(client) as one, streaming(client) as two:
            await one.until("snapshot")
            await two.until("snapshot")
            async with streaming(client) as three:
                assert three.answer.status_code == 503
                assert three.answer.headers["content-type"] == "application/problem+json"
                assert int(three.answer.headers["retry-after"]) > 0
            assert (await client.get("/health")).status_code == 200
        # Who goes makes room, as soon as it is known.
        status = 503
        while status == 503:
            async with streaming(client) as again:
                status = again.answer.status_code
        assert status == 200


async def test_many_clients_some_of_them_stuck_hold_up_nobody_and_no_end(
    database: Database, database_url: str, writer: MarketWriter
) -> None:
    chance = random.Random(7)  # noqa: S311  # repeatable
    await writer.look(*moving(chance, races=40, runners=12), seen_at=NOW)
    async with serving(database_url) as (api, client), AsyncExitStack() as stack:
        stuck = [stack.enter_context(stuck_client(api.port)) for _ in range(20)]
        streams = [await stack.enter_async_context(streaming(client)) for _ in range(100)]
        for stream in streams:
            await stream.until("snapshot")
        before = len(await change_ids(database))
        for look in range(3):
            await writer.look(
                *moving(chance, races=40, runners=12), seen_at=NOW + timedelta(seconds=look)
            )
            assert (await client.get("/health")).status_code == 200
        news = (await change_ids(database))[before:]
        told = await asyncio.gather(*(_prices(stream, len(news)) for stream in streams))
        code, seconds = await api.stop()
        assert len(stuck) == 20
    assert all(prices == news for prices in told)
    assert code == 0
    assert seconds < 10


async def _prices(stream: EventStream, count: int) -> list[int]:
    return [(await stream.until("price")).data["change_id"] for _ in range(count)]
