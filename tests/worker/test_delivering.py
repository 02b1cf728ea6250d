import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from darkhorses.domain.events import EventKind
from darkhorses.domain.signatures import SigningSecret
from darkhorses.domain.webhook_events import ToldStatus
from darkhorses.domain.webhooks import RETRY_AFTER
from darkhorses.store.heartbeats import JobStatus
from darkhorses.store.pool import Database
from darkhorses.store.webhooks import WebhookState, dead_messages, webhook
from darkhorses.store.writing import outbox, webhooks
from darkhorses.worker.collecting import Collector
from darkhorses.worker.collecting_status import collecting_status
from darkhorses.worker.delivering import AT_ONCE
from tests.cards import race, runner
from tests.hooks import Desk, register, rows
from tests.market import NOON
from tests.receivers import Received, Receiver
from tests.worker.test_collecting import a_page, at

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.listening() as receiver:
        yield receiver


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    async with Desk.open(database) as desk:
        yield desk


async def put(database: Database, count: int = 1) -> None:
    """Put messages into the outbox of every webhook."""
    async with database.transaction() as connection:
        for _ in range(count):
            event = ToldStatus(status="ok", reasons=(), timestamp=NOON)
            await outbox.announce_status(connection, event)


async def states(database: Database) -> list[tuple[Any, ...]]:
    return await rows(
        database, "SELECT state, attempts, last_status FROM webhook_outbox ORDER BY message_no"
    )


async def test_what_is_due_is_delivered_once_and_noted(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    secret = SigningSecret.new()
    webhook_id = await register(database, receiver.url, secret=secret)
    await put(database, 3)

    await desk.turn()
    await desk.turn()

    # Several are on their way at once, so which of them arrives first is nobody's word.
    assert sorted(each.payload["sequence"] for each in receiver.received) == [1, 2, 3]
    assert await states(database) == [("delivered", 1, 204)] * 3
    async with database.connection() as connection:
        found = await webhook(connection, webhook_id)
    assert (found.delivered_count, found.failed_count, found.pending) == (3, 0, 0)
    assert (found.last_success_at, found.failing_since) == (NOON, None)


async def test_a_failed_message_is_tried_on_schedule_under_one_id_until_it_is_dead(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    webhook_id = await register(database, receiver.url)
    await put(database)
    receiver.answer = lambda _: 500

    await desk.turn()
    for tried, wait in enumerate(RETRY_AFTER, start=1):
        desk.clock.now += wait - timedelta(milliseconds=1)
        await desk.turn()
        assert len(receiver.received) == tried
        desk.clock.now += wait * 0.1 + timedelta(milliseconds=1)  # a tenth is left to chance
        await desk.turn()
        assert len(receiver.received) == tried + 1
    desk.clock.forward(days=2)
    await desk.deliveries.turn(desk.lease)

    assert len(receiver.received) == 1 + len(RETRY_AFTER)
    assert len({each.message_id for each in receiver.received}) == 1
    assert len({each.headers["webhook-timestamp"] for each in receiver.received}) == 10
    async with database.connection() as connection:
        (message,) = await dead_messages(connection, webhook_id, most=10)
    assert (message.attempts, message.last_status, message.last_error) == (10, 500, "answered 500")
    assert [attempt.status for attempt in message.attempt_log] == [500] * 10
    assert message.attempt_log[0].at == NOON


async def test_dead_messages_are_tried_again_when_they_are_replayed(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    webhook_id = await register(database, receiver.url)
    await put(database, 2)
    async with database.connection() as connection:
        await connection.execute("UPDATE webhook_outbox SET state = 'dead', attempts = 10")
        assert await webhooks.replay(connection, webhook_id, now=NOON) == 2
        assert await webhooks.replay(connection, webhook_id, now=NOON) == 0

    await desk.turn()

    assert [each.payload["sequence"] for each in receiver.received] == [1, 2]
    assert await states(database) == [("delivered", 1, 204)] * 2


async def test_a_message_that_arrives_after_failures_ends_the_failing(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    webhook_id = await register(database, receiver.url)
    await put(database)
    receiver.answer = lambda _: 500
    await desk.turn()
    async with database.connection() as connection:
        failing = await webhook(connection, webhook_id)
    assert failing.failing_since == NOON

    receiver.answer = lambda _: 200
    desk.clock.forward(minutes=1)
    await desk.turn()

    async with database.connection() as connection:
        found = await webhook(connection, webhook_id)
    assert (found.failing_since, found.delivered_count, found.failed_count) == (None, 1, 1)
    assert await states(database) == [("delivered", 2, 200)]


async def test_410_disables_a_webhook_at_once_and_its_messages_wait(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    webhook_id = await register(database, receiver.url)
    await put(database, AT_ONCE + 1)
    receiver.answer = lambda _: 410

    await desk.turn()
    desk.clock.forward(days=1)
    await desk.turn()
    await put(database)

    assert len(receiver.received) == AT_ONCE
    async with database.connection() as connection:
        found = await webhook(connection, webhook_id)
        assert (found.state, found.reason) == (
            WebhookState.DISABLED,
            "the receiver answered 410 Gone",
        )
        assert (found.pending, found.last_sequence) == (AT_ONCE + 1, AT_ONCE + 1)
        await webhooks.enable(connection, webhook_id)

    receiver.answer = lambda _: 204
    await desk.turn()
    await desk.turn()
    assert await states(database) == [("delivered", 2, 204)] * AT_ONCE + [("delivered", 1, 204)]


async def test_a_webhook_to_which_nothing_arrives_for_days_is_given_up(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    webhook_id = await register(database, receiver.url)
    receiver.answer = lambda _: 500
    for _ in range(6):
        await put(database)
        await desk.turn()
        desk.clock.forward(days=1)

    async with database.connection() as connection:
        found = await webhook(connection, webhook_id)
    assert found.state is WebhookState.DEAD
    assert found.reason == "nothing could be delivered since 2026-06-20 12:00 UTC"


async def test_a_receiver_that_asks_for_peace_is_left_in_it_with_all_its_messages(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    await register(database, receiver.url)
    await put(database)
    receiver.answer = lambda _: (429, {"retry-after": "600"})
    await desk.turn()
    await put(database)

    desk.clock.forward(seconds=599)
    await desk.turn()
    assert len(receiver.received) == 1

    receiver.answer = lambda _: 204
    desk.clock.forward(seconds=1)
    await desk.turn()
    assert await states(database) == [("delivered", 2, 204), ("delivered", 1, 204)]


async def test_for_a_day_after_a_rotation_messages_are_signed_with_both_secrets(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    old, new = SigningSecret.new(), SigningSecret.new()
    webhook_id = await register(database, receiver.url, secret=old)
    async with database.connection() as connection:
        until = await webhooks.rotate(connection, webhook_id, new, now=NOON)
    await put(database)
    await desk.turn()
    desk.clock.now = until
    await put(database)
    await desk.turn()

    during, after = receiver.received
    assert until == NOON + DAY
    assert _signatures(during) == _expected(during, new, old)
    assert _signatures(after) == _expected(after, new)


def _signatures(received: Received) -> set[str]:
    return set(received.headers["webhook-signature"].split(" "))


def _expected(received: Received, *signing: SigningSecret) -> set[str]:
    """Signatures as the standard's own library makes them."""
    at = datetime.fromtimestamp(int(received.headers["webhook-timestamp"]), tz=UTC)
    return {
        Webhook(secret.reveal()).sign(received.message_id, at, received.body.decode())
        for secret in signing
    }


async def test_a_receiver_that_hangs_delays_neither_the_others_nor_the_live_odds(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    async with Receiver.listening() as hanging:
        hanging.answering.clear()
        await register(database, hanging.url)
        await register(database, receiver.url)
        collector = Collector(database, desk.clock)
        await put(database, 2 * AT_ONCE)

        for _ in range(3):
            await desk.deliveries.turn(desk.lease)
            await hanging.until(AT_ONCE)
            await collector.collect(
                a_page(race(runner(odds=[at(f"{4 + desk.clock.now.minute}")]))),
                desk.lease,
                asked_at=desk.clock.now,
                seen_at=desk.clock.now,
            )
            desk.clock.forward(seconds=1)
        await receiver.until(2 * AT_ONCE)

        assert len(hanging.received) == AT_ONCE
        assert await rows(database, "SELECT count(*) FROM ra_odds_changes") == [(1,)]


async def test_no_connection_to_the_database_is_held_while_messages_are_on_their_way(
    database_url: str,
) -> None:
    narrow = await Database.open(database_url, max_connections=1)
    async with Receiver.listening() as hanging, Desk.open(narrow) as desk:
        hanging.answering.clear()
        await register(narrow, hanging.url)
        await put(narrow, AT_ONCE)
        await desk.deliveries.turn(desk.lease)
        await hanging.until(AT_ONCE)

        async with asyncio.timeout(5), narrow.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1
    await narrow.close()


async def test_a_claim_that_nobody_settled_runs_out_and_the_message_is_sent_again(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    await register(database, receiver.url)
    await put(database)
    await desk.deliveries.turn(desk.lease)
    async with database.connection() as connection:
        claimed = await outbox.claim(
            connection, busy={}, at_once=AT_ONCE, now=NOON, until=NOON + MINUTE
        )
    assert claimed == []

    async with database.connection() as connection:
        claimed = await outbox.claim(
            connection, busy={}, at_once=AT_ONCE, now=NOON + MINUTE, until=NOON + 2 * MINUTE
        )

    await receiver.until(1)
    assert [each.message_id for each in claimed] == [receiver.received[0].message_id]


async def test_a_new_leader_sends_at_once_what_the_one_before_had_claimed(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    await register(database, receiver.url)
    await put(database)
    async with database.connection() as connection:
        await outbox.claim(connection, busy={}, at_once=AT_ONCE, now=NOON, until=NOON + MINUTE)

    await desk.turn()

    assert await states(database) == [("delivered", 1, 204)]


async def test_a_late_failure_says_nothing_of_a_message_that_another_has_claimed_since(
    database: Database,
) -> None:
    await register(database)
    await put(database)
    async with database.connection() as connection:
        (first,) = await outbox.claim(connection, busy={}, at_once=1, now=NOON, until=NOON + MINUTE)
        (second,) = await outbox.claim(
            connection, busy={}, at_once=1, now=NOON + MINUTE, until=NOON + 2 * MINUTE
        )
        await outbox.record(connection, [_outcome(first, delivered=False)])
        assert await states(database) == [("pending", 0, None)]

        await outbox.record(connection, [_outcome(second, delivered=True)])

    assert await states(database) == [("delivered", 1, 200)]


def _outcome(message: outbox.Claimed, *, delivered: bool) -> outbox.Outcome:
    return outbox.Outcome(
        message_no=message.message_no,
        webhook_id=message.webhook_id,
        claimed_until=message.claimed_until,
        delivered=delivered,
        status=200 if delivered else 500,
        error=None,
        attempted_at=NOON,
        retry_at=None,
        ms=1,
    )


async def test_a_message_is_sent_on_when_the_database_was_away_when_it_arrived(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    await register(database, receiver.url)
    await put(database)
    await desk.deliveries.turn(desk.lease)
    await desk.deliveries.settled()
    async with database.connection() as connection:
        await connection.execute("ALTER TABLE webhook_outbox RENAME TO gone")
    with pytest.raises(Exception, match="webhook_outbox"):
        await desk.deliveries.turn(desk.lease)
    async with database.connection() as connection:
        await connection.execute("ALTER TABLE gone RENAME TO webhook_outbox")

    desk.clock.forward(minutes=5)
    await desk.turn()

    assert await states(database) == [("delivered", 1, 204)]
    assert len(receiver.received) == 1


@pytest.mark.parametrize("steps", range(5))
async def test_a_stop_is_heard_in_the_very_moment_in_which_there_is_news(
    desk: Desk, steps: int
) -> None:
    running = asyncio.create_task(desk.deliveries.run(desk.lease))
    while not desk.news._waiters:  # noqa: ASYNC110  # it waits then
        await asyncio.sleep(0)
    desk.news.set()
    for _ in range(steps):
        await asyncio.sleep(0)

    running.cancel()
    done, _ = await asyncio.wait([running], timeout=10)
    running.cancel()

    assert done == {running}


async def test_old_messages_are_forgotten_the_undelivered_much_later(
    database: Database, desk: Desk
) -> None:
    await register(database)
    await put(database, 4)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE webhook_outbox SET next_attempt_at = 'infinity', state = (ARRAY['delivered',"
            " 'delivered', 'dead', 'dead'])[sequence], created_at = $1::timestamptz"
            " - (ARRAY[2, 4, 29, 31])[sequence] * interval '1 day'",
            NOON,
        )

    await desk.deliveries.turn(desk.lease)

    assert await rows(database, "SELECT sequence FROM webhook_outbox ORDER BY 1") == [(1,), (3,)]


async def test_whether_prices_are_collected_is_told_when_it_changes(
    database: Database, desk: Desk, receiver: Receiver
) -> None:
    await register(database, receiver.url, events=[EventKind.STATUS])
    for job in (
        JobStatus(),
        JobStatus(last_success=NOON),
        JobStatus(last_success=NOON),
        JobStatus(last_success=NOON, error="the feed failed"),
        JobStatus(last_success=NOON),
    ):
        desk.status = collecting_status(job, desk.clock())
        await desk.turn()
        desk.clock.forward(minutes=1)

    assert [
        (each.payload["data"]["status"], each.payload["data"]["reasons"])
        for each in (receiver.received)
    ] == [("ok", []), ("failing", ["the feed failed"]), ("ok", [])]
