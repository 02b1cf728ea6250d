"""Answers of the feed that are none: each costs a look and nothing else."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from darkhorses.store.pool import Database
from darkhorses.upstream.bodies import LARGEST_BODY
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.connections import Connections
from darkhorses.upstream.errors import MalformedError
from darkhorses.upstream.requests import FeedAccess
from tests.faults.feed_desk import MORNING, FeedDesk
from tests.market import StoppedClock

FAULTS = {
    "429": "asked too often",
    "429after": "asked too often",
    "429bare": "asked too often",
    "500": "the feed failed",
    "truncated": "cannot be reached",
    "garbage": "not JSON",
    "badgzip": "cannot be unpacked",
    "cutgzip": "ends in the middle",
    "huge": "larger than 32 MiB",
    "bomb": "larger than 32 MiB",
}
CHECKED = "SELECT race_id, checked_at FROM ra_races ORDER BY race_id"


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[FeedDesk]:
    async with FeedDesk.open(database, MORNING) as desk:
        yield desk


@pytest.mark.parametrize(("fault", "reason"), FAULTS.items())
async def test_a_look_that_fails_changes_nothing_and_the_next_good_one_has_everything(
    fault: str, reason: str, desk: FeedDesk
) -> None:
    assert await desk.look()
    before, checked = await desk.on_offer(), await desk.rows(CHECKED)
    assert before == await desk.truth()

    desk.simulator.set_faults(fault)
    desk.clock.forward(minutes=30)
    assert not await desk.look()

    assert reason in (desk.status().error or "")
    assert await desk.rows("SELECT job, status FROM job_runs") == [("live_odds", "failed")]
    assert await desk.on_offer() == before
    assert await desk.rows(CHECKED) == checked

    desk.simulator.set_faults()
    desk.clock.forward(minutes=30)
    assert await desk.look()

    assert desk.status().error is None
    after = await desk.on_offer()
    assert after == await desk.truth() != before
    await desk.check_log()


@pytest.mark.parametrize("fault", ["429bare", "500", "truncated", "garbage", "cutgzip", "bomb"])
async def test_a_race_that_is_looked_at_by_itself_recovers_by_itself(
    fault: str, desk: FeedDesk
) -> None:
    assert await desk.look()
    race_id = min(desk.collector.known)
    desk.simulator.set_faults(fault)
    desk.clock.forward(hours=1)
    assert not await desk.look_at(race_id)
    checked = "SELECT checked_at FROM ra_races WHERE race_id = $1"
    assert await desk.rows(checked, race_id) == [(MORNING,)]

    desk.simulator.set_faults()
    assert await desk.look_at(race_id)

    assert await desk.rows(checked, race_id) == [(desk.clock(),)]
    assert {k: v for k, v in (await desk.on_offer()).items() if k[0] == race_id} == {
        k: v for k, v in (await desk.truth()).items() if k[0] == race_id
    }
    await desk.check_log()


async def test_an_answer_that_never_comes_is_given_up(database: Database) -> None:
    async with FeedDesk.open(database, MORNING, timeout=timedelta(milliseconds=300)) as desk:
        assert await desk.look()
        desk.simulator.set_faults("timeout")
        assert not await desk.look()
        assert "cannot be reached" in (desk.status().error or "")

        desk.simulator.set_faults()
        desk.clock.forward(minutes=30)
        assert await desk.look()
        assert await desk.on_offer() == await desk.truth()


async def test_in_a_storm_of_everything_nothing_is_lost_or_doubled(desk: FeedDesk) -> None:
    storms = ["429:0.3", "500:0.3", "truncated:0.2", "cutgzip:0.2", "twice:0.2", "garbage:0.2"]
    desk.simulator.set_faults(*storms)
    looks = []
    for _ in range(25):
        desk.clock.forward(minutes=10)
        looks.append(await desk.look())
        if looks[-1]:
            assert await desk.on_offer() == await desk.truth()
    assert set(looks) == {True, False}

    desk.simulator.set_faults()
    assert await desk.look()
    assert await desk.on_offer() == await desk.truth()
    await desk.check_log()


async def test_a_piece_that_makes_no_sense_stands_in_quarantine_and_the_rest_goes_on(
    desk: FeedDesk,
) -> None:
    assert await desk.look()
    desk.simulator.set_faults("badrunner")
    for _ in range(20):
        desk.clock.forward(minutes=10)
        assert await desk.look()
        truth, stored = await desk.truth(), await desk.on_offer()
        spoilt = {
            key[:2] for key in truth.keys() | stored.keys() if truth.get(key) != stored.get(key)
        }
        assert len(spoilt) <= 2  # a runner of today, and one of tomorrow
        set_aside = "SELECT race_id, horse_id, reason FROM quarantine WHERE last_seen_at = $1"
        pieces = await desk.rows(set_aside, desk.clock())
        assert pieces
        assert all(reason for *_, reason in pieces)
        # A runner whose id is spoilt has no name of its own any more.
        assert {race for race, _ in spoilt} <= {race for race, *_ in pieces}

    desk.simulator.set_faults()
    desk.clock.forward(minutes=10)
    assert await desk.look()
    assert await desk.on_offer() == await desk.truth()
    await desk.check_log()


@pytest.mark.parametrize("fault", ["huge", "bomb"])
async def test_an_answer_of_256_mebibytes_takes_no_more_memory_than_the_limit(
    fault: str, desk: FeedDesk
) -> None:
    desk.simulator.set_faults(fault)
    with pytest.raises(MalformedError):
        await desk.feed.regions()  # what the simulator needs for its answer is there now
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError, match="larger than"):
            await desk.feed.regions()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < LARGEST_BODY * 2


async def test_an_answer_without_a_length_and_without_an_end_is_cut_off_at_the_limit() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1024 * 1024
            yield b" " * 1024 * 1024
            await asyncio.sleep(0)

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=endless()))
    access = FeedAccess(
        base_url="http://feed.invalid/v1", username="simulator", password="simulator", attempts=1
    )
    connections = Connections(
        lambda: httpx.AsyncClient(transport=transport, base_url=access.base_url)
    )
    with pytest.raises(MalformedError, match="larger than"):
        await RacingApi(connections, access, StoppedClock()).regions()
    await connections.close()

    assert sent <= LARGEST_BODY + 1024 * 1024
