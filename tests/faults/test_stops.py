"""A leader that is stopped for longer than its lease writes nothing when it goes on."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from darkhorses.store.pool import Connection, Database
from tests.faults.days import Day
from tests.faults.proxy import before_feed
from tests.faults.workers import Pair
from tests.faults.writers import by_stale_leaders, named, sign_writes, signed

_HALT = 4711
_HALT_WRITES = f"""
    CREATE FUNCTION halt() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared({_HALT}); RETURN NULL; END $$;
    CREATE TRIGGER halted AFTER INSERT ON odds_log
        FOR EACH STATEMENT EXECUTE FUNCTION halt()
"""
_HALTED = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
async def day(database_url: str, tmp_path: Path) -> AsyncIterator[Day]:
    async with Day.begin(database_url, tmp_path, speed=60, DARKHORSES_REGIONS="ire") as day:
        await sign_writes(day.database, {"%": day.lease})
        yield day


async def _stop_again_and_again(day: Day, *, stops: int, seed: int) -> Pair:
    dice = random.Random(seed)  # noqa: S311  # repeatable, not secret
    async with AsyncExitStack() as stack:
        pair = Pair(day, stack)
        await pair.begin()
        for _ in range(stops):
            # Not to wait for anything: the moment of the stop.
            await asyncio.sleep(dice.uniform(0, 2.5))
            await pair.stop_leader(pause=dice.uniform(0, 1))
        await pair.leader.until("poll.finished", after=pair.leader.position)
        await pair.end()
    await day.settle()
    return pair


async def _until(watching: Connection, sql: str) -> None:
    async with asyncio.timeout(60):
        while not await watching.fetchval(sql):
            await watching.execute("SELECT pg_sleep(0.01)")


async def test_a_leader_stopped_in_the_middle_of_a_write_leaves_nothing_of_it(
    day: Day, database: Database
) -> None:
    async with AsyncExitStack() as stack:
        pair = Pair(day, stack)
        await pair.begin()
        await pair.leader.until("poll.finished")
        async with database.transaction() as holding, database.connection() as watching:
            # Its next write waits here, inside its transaction, and holds the takeover off.
            await watching.execute(_HALT_WRITES)
            await holding.execute(f"SELECT pg_advisory_xact_lock({_HALT})")
            await _until(watching, _HALTED)
            before = await signed(watching)
            pair.leader.send(signal.SIGSTOP)
        await pair.stop_leader(pause=0)
        async with database.connection() as connection:
            now = await signed(connection)
        await pair.leader.until("poll.finished")
        await pair.end()
    await day.settle()

    assert [one for one in now if one.writer == "w1"] == before
    found = await day.judge()
    assert found.faults == {}


async def test_an_answer_that_came_while_the_leader_was_stopped_is_not_written(
    day: Day, database: Database
) -> None:
    async with (
        before_feed(day.environment["RACING_API_BASE_URL"]) as (feed, address),
        AsyncExitStack() as stack,
    ):
        pair = Pair(day, stack)
        await pair.begin(RACING_API_BASE_URL=address)
        await pair.leader.until("poll.finished")
        feed.hold_answers()
        await feed.holding.wait()
        stale, pair.leader = pair.leader, pair.standby
        stale.send(signal.SIGSTOP)
        feed.let_go()
        await pair.note_leader()
        await pair.leader.until("poll.finished")
        # It finds the answer and the end of its time at once.
        stale.send(signal.SIGCONT)
        await stale.until("lease.lost")
        pair.standby = stale
        await pair.end()
        await day.settle()
    async with database.connection() as connection:
        signatures = await signed(connection)

    assert by_stale_leaders(signatures[:-1], pair.leaders) == []
    found = await day.judge()
    assert found.faults == {}


async def test_a_leader_stopped_for_longer_than_its_lease_writes_nothing_any_more(
    day: Day, connection: Connection
) -> None:
    pair = await _stop_again_and_again(day, stops=2, seed=1)

    signatures = await signed(connection)
    assert by_stale_leaders(signatures[:-1], pair.leaders) == []
    assert [one.epoch for one in signatures] == [1, 2, 3, 4]
    found = await day.judge()
    assert found.faults == {}


async def test_a_write_that_is_not_fenced_would_be_found(
    database: Database, database_url: str, connection: Connection
) -> None:
    await sign_writes(database)
    await connection.execute("INSERT INTO worker_lease VALUES ('live', 'w2', 2, now())")
    stale = await Database.open(named(database_url, "w1"), max_connections=1)
    async with stale.connection() as unfenced:
        await unfenced.execute("DELETE FROM ra_odds_live")
    await stale.close()
    (found,) = by_stale_leaders(await signed(connection), {1: "w1", 2: "w2"})
    assert found == ("w1", 2, 1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_fifty_stops_longer_than_the_lease_let_no_stale_leader_write(
    day: Day, connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = await _stop_again_and_again(day, stops=50, seed=3)
    signatures = await signed(connection)
    stale = by_stale_leaders(signatures[:-1], pair.leaders)
    found = await day.judge()
    with capsys.disabled():
        print(  # noqa: T201  # the soak's report
            f"\n50 stops, {pair.amid_a_transaction} amid a transaction: "
            f"{sum(one.statements for one in signatures)} statements were committed, "
            f"{sum(one.statements for one in stale)} of them by stale leaders; takeover within "
            f"{max(pair.takeovers[1:]):.1f} s; {found}"
        )
    assert stale == []
    assert found.faults == {}
