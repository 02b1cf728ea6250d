"""Readers of the tail of a real database, without a network between."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest

from darkhorses.api.stream_bodies import ResyncReason
from darkhorses.api.stream_forms import MESSAGES, EventStreamForm
from darkhorses.api.stream_reading import Feed, Reader
from darkhorses.api.streams import Ending, Streams
from darkhorses.api.subscriptions import EVERYTHING, Filters, Subscription
from darkhorses.domain.positions import Position, read_position
from darkhorses.domain.races import Card, Race
from darkhorses.domain.stages import Stage
from darkhorses.readmodel.follower import Follower
from darkhorses.readmodel.tail import Tail
from darkhorses.store.pool import Database
from tests.api.streaming import Event, Replica, change_ids, prices_in
from tests.market import NOON, MarketWriter, StoppedClock, card, race, runner

ADA, BOB = runner("Ada", 1), runner("Bob", 2)
OFF = NOON + timedelta(hours=1)
RACE = race(off_dt=OFF)
SMALL = 40
"""Events that the tail of these tests keeps."""


class Following:
    """A follower with a small tail, and readers of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = StoppedClock()
        self.follower = Follower(
            database, clock=self.clock, poll_interval=timedelta(milliseconds=20)
        )
        self.follower.tail = Tail(self.clock().date() - timedelta(days=1), most_events=SMALL)
        self.feed = Feed(self.follower, database, clock=self.clock)

    @property
    def tail(self) -> Tail:
        return self.follower.tail

    async def seen(self, revision: int) -> None:
        """Wait until a write is in the tail."""
        await self.follower.until(lambda follower: follower.now.market.revision >= revision)

    def reader(self, filters: Filters = EVERYTHING, position: Position | None = None) -> Reader:
        return Reader(self.feed, Subscription(filters=filters, position=position), MESSAGES)


@pytest.fixture
async def following(database: Database) -> AsyncIterator[Following]:
    following = Following(database)
    running = asyncio.create_task(following.follower.run())
    async with asyncio.timeout(60):
        await following.follower.until(lambda follower: follower.now.loaded)
        yield following
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.fixture
async def writer(database: Database) -> MarketWriter:
    return await MarketWriter.leading(database)


async def opened(reader: Reader) -> list[Event]:
    """What a reader begins with, and all that waits for it then."""
    told = [event async for chunk in reader.opening() for event in events_in(chunk)]
    return told + drained(reader)


def drained(reader: Reader) -> list[Event]:
    told: list[Event] = []
    while chunks := reader.pending():
        told += [event for chunk in chunks for event in events_in(chunk)]
    return told


async def recovered(reader: Reader) -> list[Event]:
    reason = reader.lost()
    assert reason is not None
    told = [event async for chunk in reader.recover(reason) for event in events_in(chunk)]
    return told + drained(reader)


def events_in(chunk: bytes) -> list[Event]:
    return [
        Event(kind=one["event"], data=one["data"], event_id=one.get("id"))
        for one in json.loads(chunk, parse_float=Decimal)
    ]


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def look(price: str, of: Race = RACE) -> Card:
    return card(of, (ADA, {"Bet365": price}), (BOB, {"Coral": "9/1"}))


class Listener:
    """A client that is told something now and then."""

    def __init__(self, reader: Reader, replica: Replica) -> None:
        self.reader = reader
        self.replica = replica
        self.told: list[Event] = []

    def take(self, events: list[Event]) -> None:
        self.told += events
        for event in events:
            self.replica.take(event)

    async def catch_up(self) -> None:
        reader = self.reader
        self.take(await recovered(reader) if reader.lost() else drained(reader))


async def a_listener(following: Following, position: Position | None) -> Listener:
    """One that begins, or comes back with all that it knew at a position, and more."""
    listener = Listener(following.reader(position=position), Replica())
    if position is not None:
        for event in await opened(following.reader(position=Position())):
            listener.replica.take(event)
    listener.take(await opened(listener.reader))
    return listener


def any_look(chance: random.Random, number: int) -> Card:
    """A race with everything that can change in it changing."""
    horses = [
        (
            runner(
                f"Horse{horse}",
                horse,
                is_non_runner=chance.random() < 0.05,
                jockey=chance.choice(["One", "Another"]),
            ),
            {
                name: None if chance.random() < 0.2 else f"{chance.randint(2, 30)}/1"
                for name in ("Bet365", "Coral", "Betfair Exchange")
                if chance.random() < 0.9
            },
        )
        for horse in range(1, 5)
        if chance.random() < 0.95
    ]
    status = "result" if chance.random() < 0.02 else None
    going = chance.choice(["Good", "Soft"])
    facts = race(f"rac_{number}", off_dt=OFF, going=going, race_status=status)
    return card(facts, *horses, places=chance.choice([2, 3]))


async def test_a_snapshot_and_what_comes_after_it_are_the_market(
    following: Following, writer: MarketWriter, database: Database
) -> None:
    chance = random.Random(11)  # noqa: S311  # repeatable
    listeners: list[Listener] = []
    positions: list[Position | None] = [None]
    for step in range(80):
        looks = [any_look(chance, number) for number in range(chance.randint(1, 3))]
        revision = await writer.look(*looks, seen_at=NOON + timedelta(seconds=step))
        if chance.random() < 0.7:
            await following.seen(revision)
        if chance.random() < 0.2:
            listeners.append(await a_listener(following, chance.choice(positions)))
        for listener in listeners:
            if chance.random() < 0.4:
                await listener.catch_up()
                positions.append(listener.reader.position)
    await following.seen(await writer.look(look("2/1"), seen_at=OFF))
    expected = await Replica.of(database)
    log = await change_ids(database)
    assert len(listeners) > 10
    for listener in listeners:
        await listener.catch_up()
        assert listener.replica.open_prices == expected.open_prices
        assert expected.runners.items() <= listener.replica.runners.items()
        assert listener.replica.statuses == expected.statuses
        prices = prices_in(listener.told)
        assert prices == sorted(set(prices))
        if "resync" not in kinds(listener.told) and prices:
            assert prices == log[log.index(prices[0]) :]


async def test_each_event_that_was_missed_is_told_again_from_the_tail(
    following: Following, writer: MarketWriter
) -> None:
    await following.seen(await writer.look(look("4/1"), seen_at=NOON))
    reader = following.reader()
    await opened(reader)
    going = race(off_dt=OFF, going="Soft")
    await following.seen(await writer.look(look("7/2", going), seen_at=NOON))
    await following.seen(await writer.look(look("3/1", going), seen_at=NOON))
    events = drained(reader)
    assert kinds(events) == ["price", "race", "price"]
    for index, event in enumerate(events):
        assert event.event_id is not None
        missed = await opened(following.reader(position=read_position(event.event_id)))
        assert missed == events[index + 1 :]


async def test_an_old_position_is_told_from_the_log_and_then_how_races_stand(
    following: Following, writer: MarketWriter, database: Database
) -> None:
    for step in range(SMALL + 10):
        await following.seen(await writer.look(look(f"{step + 2}/1"), seen_at=NOON))
    told = await opened(following.reader(position=Position(change_id=1)))
    assert prices_in(told) == (await change_ids(database))[1:]
    assert kinds(told)[-1] == "race"
    assert told[-1].event_id == str(following.tail.position)
    assert told[-1].data["runners"][0]["prices"] == {
        "bet365": [SMALL + 12, f"{SMALL + 11}/1", 3, 5]
    }


async def test_a_slow_client_is_told_so_and_given_a_snapshot(
    following: Following, writer: MarketWriter
) -> None:
    await following.seen(await writer.look(look("4/1"), seen_at=NOON))
    slow, quick = following.reader(), following.reader()
    await opened(slow)
    await opened(quick)
    left_at = slow.position
    by_quick: list[Event] = []
    for step in range(SMALL + 5):
        await following.seen(await writer.look(look(f"{step + 10}/1"), seen_at=NOON))
        by_quick += drained(quick)
    assert len(prices_in(by_quick)) == SMALL + 5
    assert slow.lost() is ResyncReason.SLOW
    told = await recovered(slow)
    assert kinds(told) == ["resync", "snapshot"]
    assert told[0].data["reason"] == "slow"
    assert told[0].data["last_event_id"] == str(left_at)
    missed = await opened(following.reader(position=left_at))
    assert prices_in(missed) == prices_in(by_quick)


async def test_a_client_that_is_overtaken_while_it_catches_up_goes_on_from_the_log(
    following: Following, writer: MarketWriter, database: Database
) -> None:
    await following.seen(await writer.look(look("4/1"), seen_at=NOON))
    reader = following.reader(position=following.tail.position)
    opening = [event async for chunk in reader.opening() for event in events_in(chunk)]
    for step in range(SMALL + 5):
        await following.seen(await writer.look(look(f"{step + 10}/1"), seen_at=NOON))
    told = opening + await recovered(reader)
    assert "resync" not in kinds(told)
    assert prices_in(told) == (await change_ids(database))[2:]


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        (Position(change_id=10**9), "unknown_position"),
        (Position(change_id=1), "too_old"),
    ],
)
async def test_what_cannot_be_resumed_is_said_and_a_snapshot_sent(
    *,
    following: Following,
    writer: MarketWriter,
    database: Database,
    position: Position,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("darkhorses.api.stream_reading.READER_BEHIND", timedelta(milliseconds=50))
    for step in range(SMALL + 10):
        await following.seen(await writer.look(look(f"{step + 2}/1"), seen_at=NOON))
    async with database.connection() as connection:
        # A month that is not kept any more takes the first changes with it.
        await connection.execute("DELETE FROM ra_odds_changes WHERE change_id < 5")
    told = await opened(following.reader(position=position))
    assert kinds(told) == ["resync", "snapshot"]
    assert told[0].data["reason"] == reason


async def test_who_wants_no_snapshot_has_none_and_is_told_where_it_is(
    following: Following, writer: MarketWriter
) -> None:
    await following.seen(await writer.look(look("4/1"), seen_at=NOON))
    woken = Reader(following.feed, Subscription(with_snapshots=False), MESSAGES)
    begun = await opened(woken)
    assert [(one.kind, one.event_id) for one in begun] == [
        ("keep_alive", str(following.tail.position))
    ]
    await following.seen(await writer.look(look("5/1"), seen_at=NOON))
    assert kinds(drained(woken)) == ["price"]


async def test_more_changes_than_can_be_told_are_too_old(
    following: Following, writer: MarketWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkhorses.api.stream_reading.MOST_RESUMED", 45)
    for step in range(SMALL + 10):
        await following.seen(await writer.look(look(f"{step + 2}/1"), seen_at=NOON))
    told = await opened(following.reader(position=Position(change_id=1)))
    assert told[0].data["reason"] == "too_old"


async def test_a_position_that_another_api_gave_a_moment_ahead_is_waited_for(
    following: Following, writer: MarketWriter
) -> None:
    await following.seen(await writer.look(look("4/1"), seen_at=NOON))
    ahead = Position(change_id=following.tail.position.change_id + 1)
    reading = asyncio.create_task(opened(following.reader(position=ahead)))
    await following.seen(await writer.look(look("5/1"), seen_at=NOON))
    assert "resync" not in kinds(await reading)


async def test_a_database_that_went_back_makes_clients_begin_anew(
    following: Following, writer: MarketWriter, database: Database
) -> None:
    await following.seen(await writer.look(look("4/1"), seen_at=NOON))
    reader = following.reader()
    await opened(reader)
    async with database.connection() as connection:
        await connection.execute("DELETE FROM ra_odds_changes")
    await following.follower.until(lambda _: reader.lost() is not None)
    told = await recovered(reader)
    assert kinds(told) == ["resync", "snapshot"]
    assert told[0].data["reason"] == "database_restored"


async def test_a_race_that_enters_a_stage_comes_with_its_prices(
    following: Following, writer: MarketWriter
) -> None:
    await following.seen(await writer.look(look("4/1"), seen_at=NOON))
    at_post = following.reader(Filters(stages=frozenset({Stage.GOING_TO_POST, Stage.AT_POST})))
    everything = following.reader()
    assert (await opened(at_post))[0].data["races"] == []
    await opened(everything)
    following.clock.now = OFF - timedelta(minutes=29)
    entered: list[Event] = []

    def has_entered(_: Follower) -> bool:
        entered.extend(drained(at_post))
        return bool(entered)

    await following.follower.until(has_entered)
    assert entered[0].data["stage"] == "going_to_post"
    assert entered[0].data["runners"][0]["prices"] == {"bet365": [5, "4/1", 3, 5]}
    told = drained(everything)
    assert [event.data["stage"] for event in told] == ["going_to_post"]
    assert "prices" not in told[0].data["runners"][0]


async def test_a_quiet_stream_says_that_it_lives_and_where_it_is(
    following: Following, writer: MarketWriter
) -> None:
    streams = Streams(
        following.follower,
        following.database,
        clock=following.clock,
        card_interval=timedelta(minutes=1),
        most_clients=1,
        keep_alive=timedelta(milliseconds=40),
    )
    running = asyncio.create_task(streams.run())
    nothing = Filters(race_ids=frozenset({"rac_none"}))
    with streams.admitted(EventStreamForm(retry_milliseconds=1234)) as session:
        session.subscribe(Subscription(filters=nothing))
        await following.seen(await writer.look(look("4/1"), seen_at=NOON))
        position = str(following.tail.position)
        async for chunk in session.chunks():
            if chunk.startswith(b": keep-alive\n") and f"id: {position}\n".encode() in chunk:
                assert b"retry: 1234\n" in chunk
                session.end(Ending.GONE)
    running.cancel()


async def test_races_that_are_not_looked_at_in_time_are_told_of(
    following: Following, writer: MarketWriter
) -> None:
    streams = Streams(
        following.follower,
        following.database,
        clock=following.clock,
        card_interval=timedelta(minutes=1),
        most_clients=1,
        keep_alive=timedelta(milliseconds=40),
    )
    running = asyncio.create_task(streams.run())
    await following.seen(await writer.look(look("4/1"), seen_at=NOON))
    statuses = []
    with streams.admitted(MESSAGES) as session:
        session.subscribe(Subscription())
        async for chunk in session.chunks():
            statuses += [event.data for event in events_in(chunk) if event.kind == "status"]
            if len(statuses) == 1:
                following.clock.forward(hours=1)
            if len(statuses) == 2:
                session.end(Ending.GONE)
    running.cancel()
    assert statuses[0]["stale_races"] == []
    assert (statuses[1]["status"], statuses[1]["stale_races"]) == ("stale", ["rac_1"])
