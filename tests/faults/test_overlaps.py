"""Two workers at a time, as every deploy has them: one epoch writes, and the next takes over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from darkhorses.store.pool import Connection
from tests.faults.days import Day
from tests.faults.workers import Pair
from tests.faults.writers import Signed, sign_writes, signed


@pytest.fixture
async def day(database_url: str, tmp_path: Path) -> AsyncIterator[Day]:
    async with Day.begin(database_url, tmp_path, speed=60, DARKHORSES_REGIONS="ire") as day:
        await sign_writes(day.database, {"%": day.lease})
        yield day


async def _overlap(day: Day, connection: Connection, *, looks: int) -> tuple[list[Signed], Pair]:
    """Run two for so many looks at the whole card, then let one take over by crash and by stop."""
    async with AsyncExitStack() as stack:
        pair = Pair(day, stack)
        await pair.begin()
        position = 0
        for _ in range(looks):
            await pair.leader.until("poll.finished", after=position)
            position = pair.leader.position
        side_by_side = await signed(connection)
        await pair.kill_leader()
        await pair.standby.until("worker.started")
        await pair.leader.until("poll.finished")
        await pair.hand_over()
        await pair.leader.until("poll.finished")
        await pair.end()
    await day.settle()
    return side_by_side, pair


async def test_of_two_workers_one_epoch_writes_until_the_other_takes_over(
    day: Day, connection: Connection
) -> None:
    side_by_side, pair = await _overlap(day, connection, looks=2)

    assert [(one.writer, one.epoch) for one in side_by_side] == [("w1", 1)]
    assert pair.leaders == {1: "w1", 2: "w2", 3: "w3"}
    found = await day.judge()
    assert found.faults == {}


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_two_workers_for_ten_minutes_are_one_writer(
    day: Day, connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    side_by_side, pair = await _overlap(day, connection, looks=120)
    minutes = (loop.time() - started) / 60
    found = await day.judge()
    (writer,) = side_by_side
    _, crash, stop = pair.takeovers
    with capsys.disabled():
        print(  # noqa: T201  # the soak's report
            f"\ntwo workers for {minutes:.1f} minutes: {writer.statements} statements, all by "
            f"epoch {writer.epoch}; takeover {crash:.1f} s after a crash, {stop:.1f} s after "
            f"SIGTERM; {found}"
        )
    assert crash <= 10
    assert stop <= 2
    assert found.faults == {}
