from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from darkhorses.domain.stages import Stage, stage_at
from darkhorses.readmodel.follower import Follower
from darkhorses.replay.clock import ReplayClock
from darkhorses.replay.player import Player
from darkhorses.replay.steps import first_moment, last_moment, steps
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.pool import Database
from darkhorses.store.recorded_days import RecordedDay, recorded_day
from darkhorses.store.writing.lease import acquire
from tests.conftest import TEMPLATE, fresh_database
from tests.market import NOON, MarketWriter
from tests.replay.days import (
    DAY,
    OFF,
    RESULT_AT,
    WITHDRAWN_AT,
    Known,
    known_of_day,
    live_through,
)


@pytest.fixture
async def stored(database: Database) -> Known:
    await live_through(await MarketWriter.leading(database))
    return await known_of_day(database)


@pytest.fixture
async def replayed(postgres: EmbeddedServer) -> AsyncIterator[Database]:
    async with fresh_database(postgres.url, template=TEMPLATE) as url:
        database = await Database.open(url, max_connections=2)
        yield database
        await database.close()


async def player_of(
    replayed: Database, day: RecordedDay, clock: ReplayClock, start: datetime
) -> Player:
    async with replayed.connection() as connection:
        lease = await acquire(connection, "market", "tests", ttl=timedelta(hours=1))
    assert lease is not None
    return Player(replayed, lease, day, clock=clock, start=start)


async def test_a_day_ends_as_it_did_with_the_same_log(
    database: Database, replayed: Database, stored: Known
) -> None:
    day = await recorded_day(database, DAY)
    start = first_moment(day)
    player = await player_of(replayed, day, ReplayClock(start, speed=None), start)
    await player.catch_up()
    await player.play()
    assert len(stored["log"]) > 500
    assert await known_of_day(replayed) == stored


async def test_what_was_before_the_start_is_there_at_once_and_the_same(
    database: Database, replayed: Database, stored: Known
) -> None:
    day = await recorded_day(database, DAY)
    start = NOON + timedelta(minutes=40)
    clock = ReplayClock(start, speed=None)
    player = await player_of(replayed, day, clock, start)
    times = []

    async def seen(_revision: int) -> None:
        times.append(clock())

    await player.catch_up(seen=seen)
    await player.play(seen=seen)
    assert times[0] == start
    assert times == sorted(times)
    # The last race was abandoned before: it would have gone off then.
    assert times[-1] == last_moment(day) == OFF + timedelta(minutes=20)
    assert await known_of_day(replayed) == stored


async def test_entries_that_a_history_added_later_come_when_they_took_effect(
    database: Database, replayed: Database, stored: Known
) -> None:
    late = NOON + timedelta(minutes=4, seconds=30)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO ra_odds_changes (race_date, race_id, horse_id, bookmaker_id, odds_decimal,"
            " odds_fractional, changed_at, seen_at, source)"
            " VALUES ($1, 'rac_0', 'hrs_horse0x1', 'bet365', 101, '100/1', $2, $3, 'history')",
            DAY, late, RESULT_AT,
        )  # fmt: skip
    day = await recorded_day(database, DAY)
    start = first_moment(day)
    player = await player_of(replayed, day, ReplayClock(start, speed=None), start)
    await player.catch_up()
    await player.play()
    log = (await known_of_day(replayed))["log"]
    times = [entry[-1] for entry in log]
    assert times == sorted(times)
    assert late in times
    assert len(log) == len(stored["log"]) + 1


async def test_stages_withdrawals_and_results_follow_the_clock(
    database: Database, replayed: Database, stored: Known
) -> None:
    assert stored
    day = await recorded_day(database, DAY)
    start = first_moment(day)
    clock = ReplayClock(start, speed=None)
    player = await player_of(replayed, day, clock, start)
    follower = Follower(replayed, clock=clock, with_workers=False)
    stages: list[Stage] = []

    async def seen(_revision: int) -> None:
        await follower._turn()
        now = clock()
        market = follower.now.market
        for race in market.races.values():
            assert follower.tail.base.standings[race.race.race_id].stage is stage_at(
                race.race.off_dt, now
            )
            assert (race.race.race_status == "result") <= (now >= race.race.off_dt)
            if not race.is_over_at(now):
                assert now - race.stored.checked_at <= timedelta(seconds=60)
        stage = stage_at(OFF, now)
        if stage not in stages:
            stages.append(stage)
        gone = market.races[day.races[1].race.race_id].runners
        assert any(one.runner.is_non_runner for one in gone.values()) == (now >= WITHDRAWN_AT)
        abandoned = market.races[day.races[2].race.race_id].race.is_abandoned
        assert abandoned == (now >= NOON + timedelta(minutes=50))

    await player.catch_up(seen=seen)
    await player.play(seen=seen)
    assert stages == [Stage.PRE_RACE, Stage.GOING_TO_POST, Stage.AT_POST]
    kinds = [event.kind for batch in follower.tail.batches_from(0) for event in batch.events]
    assert kinds.count("price") == len(stored["log"])
    assert (kinds.count("result"), kinds.count("non_runner")) == (3, 1)


async def test_steps_keep_the_order_of_the_log_and_no_quote_twice(
    database: Database, stored: Known
) -> None:
    day = await recorded_day(database, DAY)
    found = list(steps(day, start=first_moment(day)))
    ids = [change.change_id for step in found for _, change in step.changes]
    assert ids == list(range(1, len(stored["log"]) + 1))
    assert [step.at for step in found] == sorted(step.at for step in found)
    for step in found:
        keys = [(race_id, one.horse_id, one.bookmaker_id) for race_id, one in step.changes]
        assert len(keys) == len(set(keys))
        assert {race_id for race_id, *_ in keys} <= set(step.race_ids)
