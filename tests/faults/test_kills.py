"""Workers that are killed at any moment lose nothing and write nothing twice."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from darkhorses.store.pool import Database
from tests.faults.days import Day
from tests.faults.oracle import judge, missing
from tests.faults.workers import Pair


async def _kill_again_and_again(day: Day, *, kills: int, seed: int, longest: float) -> Pair:
    dice = random.Random(seed)  # noqa: S311  # repeatable, not secret
    async with AsyncExitStack() as stack:
        pair = Pair(day, stack)
        await pair.begin()
        for _ in range(kills):
            # Not to wait for anything: the moment of the kill.
            await asyncio.sleep(dice.uniform(0, longest))
            await pair.kill_leader(both=dice.random() < 0.2)
        await pair.leader.until("poll.finished")
        await pair.end()
    await day.settle()
    return pair


async def _cycles(database: Database) -> int:
    async with database.connection() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM ra_odds_statistics")
        return count


@pytest.fixture
async def day(database_url: str, tmp_path: Path) -> AsyncIterator[Day]:
    async with Day.begin(database_url, tmp_path, speed=60, DARKHORSES_REGIONS="ire") as day:
        yield day


async def test_workers_killed_again_and_again_lose_and_double_nothing(day: Day) -> None:
    pair = await _kill_again_and_again(day, kills=3, seed=1, longest=2)

    assert [*pair.leaders] == [1, 2, 3, 4]
    found = await day.judge()
    assert found.faults == {}
    assert found.entries > 2000
    assert found.looks > 50
    assert found.settled > 20
    assert await _cycles(day.database) > 1


async def test_what_kills_made_it_miss_is_repaired_from_the_feeds_own_history(day: Day) -> None:
    await _kill_again_and_again(day, kills=1, seed=2, longest=1)
    done = await day.repair(races=3)

    served, stored = await day.read()
    assert (done["races"], done["failed"], done["stopped"]) == (3, 0, None)
    assert done["added"] > 100
    assert judge(served, stored, settled_at=None).faults == {}
    async with day.database.connection() as connection:
        unplaced = await connection.fetchval("SELECT sum(unplaced) FROM ra_gap_repairs")
    assert len(missing(served, stored)) <= unplaced


@pytest.mark.soak
@pytest.mark.timeout(4000)
@pytest.mark.parametrize("seed", [7, 8])
async def test_a_hundred_kills_in_a_compressed_day_lose_and_double_nothing(
    seed: int, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first_off = timedelta(minutes=8)
    async with Day.begin(database_url, tmp_path, speed=95, first_off=first_off) as day:
        pair = await _kill_again_and_again(day, kills=100, seed=seed, longest=3)
        found = await day.judge()
        cycles = await _cycles(day.database)
    with capsys.disabled():
        print(  # noqa: T201  # the soak's report
            f"\n100 kills, {pair.amid_a_transaction} amid a transaction, {cycles} looks at the "
            f"whole card were committed; {found}"
        )
    assert [*pair.leaders] == list(range(1, 102))
    assert found.faults == {}
