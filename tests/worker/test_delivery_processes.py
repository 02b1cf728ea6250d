from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from darkhorses.domain.signatures import SigningSecret
from darkhorses.simulator import Simulator
from darkhorses.store.heartbeats import heartbeats
from darkhorses.store.pool import Database
from tests.collecting import quick_simulator, worker_environment
from tests.hooks import register, rows
from tests.receivers import Receiver
from tests.worker.processes import WorkerProcess

SECRET = SigningSecret.new()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with quick_simulator() as simulator:
        yield simulator


@pytest.fixture
def environment(database_url: str, simulator: Simulator) -> dict[str, str]:
    return worker_environment(database_url, simulator, DARKHORSES_WEBHOOK_PRIVATE_TARGETS="true")


async def _all_arrive(database: Database, receiver: Receiver) -> None:
    """Wait until every message that there is by now has been received."""
    ids = {
        message_id
        for (message_id,) in await rows(database, "SELECT message_id FROM webhook_outbox")
    }
    await receiver.until_all(ids)


def _change_ids(payloads: list[Any]) -> set[int]:
    return {
        change["change_id"]
        for payload in payloads
        if payload["type"] == "price"
        for change in payload["data"]["changes"]
    }


async def test_a_worker_killed_in_the_middle_of_deliveries_loses_no_message_and_no_change(
    environment: dict[str, str], database: Database
) -> None:
    async with Receiver.listening() as receiver:
        receiver.answering.clear()
        await register(database, receiver.url, secret=SECRET)
        async with WorkerProcess.start(**environment) as first:
            await receiver.until(4)
            await first.kill()
        cut_off = {each.message_id for each in receiver.received}
        receiver.answering.set()
        async with WorkerProcess.start(**environment) as second:
            await second.until("poll.finished")
            await second.until("poll.finished")
            await _all_arrive(database, receiver)
            assert await second.stop() == 0

        times = Counter(each.message_id for each in receiver.received)
        payloads = {each.message_id: each.verified(SECRET.reveal()) for each in receiver.received}
    outbox = await rows(database, "SELECT message_id, state, payload FROM webhook_outbox")
    delivered = {message_id for message_id, state, _ in outbox if state == "delivered"}
    waiting = [msgspec.json.decode(text) for _, state, text in outbox if state == "pending"]
    logged = await rows(database, "SELECT change_id FROM ra_odds_changes")
    log = {change_id for (change_id,) in logged}

    assert len(cut_off) == 4
    assert delivered <= times.keys()
    assert {message_id for message_id, count in times.items() if count > 1} >= cut_off
    assert len(log) > 1000
    assert _change_ids([*payloads.values(), *waiting]) == log
    sequences = {payload["sequence"] for payload in payloads.values()}
    assert sequences | {payload["sequence"] for payload in waiting} == {*range(1, len(outbox) + 1)}


async def test_of_two_workers_the_one_that_leads_delivers_and_a_handover_repeats_nothing(
    environment: dict[str, str], database: Database
) -> None:
    async with Receiver.listening() as receiver:
        await register(database, receiver.url, secret=SECRET)
        async with WorkerProcess.start(**environment) as leader:
            await leader.until("poll.finished")
            async with WorkerProcess.start(**environment) as standby:
                await standby.until("worker.started")
                await _all_arrive(database, receiver)
                assert await leader.stop() == 0
                await standby.until("poll.finished")
                await _all_arrive(database, receiver)
                async with database.connection() as connection:
                    (beat,) = await heartbeats(connection)
                assert beat.jobs["webhooks"].error is None
                assert beat.jobs["webhooks"].last_success is not None
                assert await standby.stop() == 0
        assert SECRET.reveal() not in str([*leader.events, *standby.events])

        times = Counter(each.message_id for each in receiver.received)
        assert max(times.values()) == 1
        statuses = [
            each.payload["data"]["status"]
            for each in receiver.received
            if each.payload["type"] == "status"
        ]
        assert set(statuses) == {"ok"}


async def test_a_worker_delivers_to_no_loopback_address_unless_it_is_allowed(
    environment: dict[str, str], database: Database
) -> None:
    careful = environment | {"DARKHORSES_WEBHOOK_PRIVATE_TARGETS": "false"}
    async with Receiver.listening() as receiver:
        await register(database, receiver.url.replace("http:", "https:"))
        async with WorkerProcess.start(**careful) as worker:
            failed = await worker.until("webhooks.failed")
            assert await worker.stop() == 0

        assert "not of the public internet" in failed["error"]
        assert receiver.received == []
