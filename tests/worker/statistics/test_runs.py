import asyncio
import json
import random
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from darkhorses.domain.statistics import Metric
from darkhorses.store.errors import LeaseLostError, StoreError
from darkhorses.store.pool import Database
from darkhorses.store.queries import queries
from darkhorses.store.statistics import trend
from darkhorses.store.writing.lease import acquire, release, writing_transaction
from darkhorses.store.writing.statistics import count_changes
from darkhorses.worker.statistics import Updater
from tests.commands import darkhorses
from tests.counting import Desk, PastRunner, log_changes
from tests.history import fill_changes
from tests.plans import scans_of, scans_of_log
from tests.waiting import cut_off_who_waits
from tests.worker.statistics.conftest import DAY, a_market, some_races


@pytest.mark.parametrize("seed", range(5))
async def test_counting_bit_by_bit_gives_what_counting_all_at_once_gives(
    desk: Desk, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    await some_races(desk)
    for _ in range(6):
        await desk.log(*a_market(chance, changes=chance.randrange(1, 60)))
        await desk.past_day(
            DAY - timedelta(days=chance.randrange(1, 3)),
            *(
                PastRunner(
                    f"past_{chance.randrange(4)}",
                    f"hrs_{chance.randrange(6)}",
                    chance.choice((1, 2, 3, None)),
                    3.5,
                    chance.choice((1, 2)),
                    chance.choice((0.0, 3.5)),
                )
                for _ in range(chance.randrange(1, 8))
            ),
        )
        if chance.random() < 0.7:
            await desk.refresh(changes_at_once=chance.choice((3, 10, 1000)))
    await desk.refresh()
    bit_by_bit, figures = await desk.sums(), await desk.figures()

    await desk.forget_sums()
    await desk.refresh()

    at_once = await desk.sums()
    # How often a day was counted is not what was counted.
    del bit_by_bit["statistics_progress"], at_once["statistics_progress"]
    assert bit_by_bit == at_once
    assert figures == await desk.figures()


async def test_a_second_run_finds_nothing_to_do(desk: Desk) -> None:
    await some_races(desk)
    await desk.log(*a_market(random.Random(3), changes=50))  # noqa: S311
    await desk.past_day(DAY, PastRunner("past_1", "hrs_1", 1, 2.0, 1, 2.0))
    first = await desk.refresh()
    before = await desk.sums()

    second = await desk.refresh()

    assert (first.changes, first.past_days, first.races) == (50, 1, 3)
    assert (second.changes, second.past_days, second.races) == (0, 0, 0)
    assert await desk.sums() == before


async def test_a_run_that_dies_between_two_batches_is_taken_up_where_it_was(desk: Desk) -> None:
    await some_races(desk)
    await desk.log(*a_market(random.Random(4), changes=100))  # noqa: S311
    for _ in range(3):
        await count_changes(desk.database, desk.lease, up_to=20)

    await resign(desk)
    successor = await Desk.leading(desk.database)
    refreshed = await successor.refresh(changes_at_once=20)

    assert refreshed.changes == 40
    assert await desk.rows("SELECT sum(changes) FROM statistics_hours") == [(100,)]
    assert await desk.rows("SELECT sum(changes) FROM statistics_races") == [(100,)]


async def resign(desk: Desk) -> None:
    async with desk.database.transaction() as connection:
        await release(connection, desk.lease)


async def test_a_batch_that_is_cut_off_in_the_middle_counts_nothing(
    desk: Desk, database_url: str
) -> None:
    await some_races(desk)
    await desk.log(*a_market(random.Random(5), changes=80))  # noqa: S311
    blocker = await asyncpg.connect(database_url)
    try:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE statistics_hours")
            run = asyncio.create_task(desk.refresh())
            await cut_off_who_waits(blocker)
            with pytest.raises(StoreError):
                await run
    finally:
        await blocker.close()
    assert await desk.rows("SELECT change_id FROM statistics_progress") == [(0,)]

    refreshed = await desk.refresh()

    assert refreshed.changes == 80
    assert await desk.rows("SELECT sum(changes) FROM statistics_hours") == [(80,)]


async def test_changes_that_are_being_written_are_counted_once_they_are(desk: Desk) -> None:
    await some_races(desk)
    market = a_market(random.Random(8), changes=30)  # noqa: S311
    await desk.log(*market)
    async with writing_transaction(desk.database, desk.lease) as writer:
        await log_changes(writer, market)
        assert (await desk.refresh()).changes == 30

    assert (await desk.refresh()).changes == 30


async def test_a_worker_that_lost_the_lease_counts_nothing(desk: Desk) -> None:
    await some_races(desk)
    await desk.log(*a_market(random.Random(6), changes=10))  # noqa: S311
    await resign(desk)
    async with desk.database.transaction() as connection:
        assert await acquire(connection, "live", "another") is not None

    with pytest.raises(LeaseLostError):
        await desk.refresh()

    assert await desk.rows("SELECT change_id FROM statistics_progress") == [(0,)]
    assert await desk.rows("SELECT * FROM statistics_current") == []


async def test_old_snapshots_thin_out_to_hours_and_then_to_days(desk: Desk) -> None:
    now = desk.clock.now
    ages = [timedelta(minutes=10 * n) for n in range(1, 70 * 144)]
    await desk.rows(
        "INSERT INTO statistics_snapshots (computed_at, figures)"
        " SELECT at, '{}' FROM unnest($1::timestamptz[]) AS at",
        [now - age for age in ages],
    )

    await desk.refresh()

    kept = [row[0] for row in await desk.rows("SELECT * FROM statistics_snapshots ORDER BY 1")]
    recent = [at for at in kept if at >= now - timedelta(days=2)]
    hourly = [at for at in kept if now - timedelta(days=60) <= at < now - timedelta(days=2)]
    daily = [at for at in kept if at < now - timedelta(days=60)]
    assert len(recent) == 2 * 144 + 1
    # The hour, and the day, that a limit lies in may have one more.
    assert len(hourly) in {58 * 24, 58 * 24 + 1}
    assert {b - a for a, b in pairwise(hourly)} == {timedelta(hours=1)}
    assert len(daily) in {10, 11}
    assert {at.minute for at in hourly[:-1]} == {50}


async def test_headlines_of_every_run_are_kept(desk: Desk) -> None:
    await some_races(desk)
    runs = []
    for number in range(3):
        await desk.log(*a_market(random.Random(number), changes=10))  # noqa: S311
        await desk.refresh()
        runs.append(desk.clock.now)
        desk.clock.forward(minutes=10)

    async with desk.database.connection() as connection:
        points = await trend(connection, Metric.TOTAL_CHANGES, from_day=None, to_day=DAY)
        before = await trend(
            connection, Metric.TOTAL_CHANGES, from_day=None, to_day=DAY - timedelta(days=1)
        )
        never = await trend(connection, Metric.FAVOURITE_RETURN, from_day=date.min, to_day=date.max)

    assert [(p.computed_at, p.value) for p in points] == list(zip(runs, (10, 20, 30), strict=True))
    assert (before, never) == ([], [])


async def test_a_run_with_a_time_limit_stores_what_it_has_done(database: Database) -> None:
    desk = await Desk.leading(database)
    await some_races(desk)
    await desk.log(*a_market(random.Random(7), changes=40))  # noqa: S311
    started = desk.clock.now

    def hasty() -> datetime:
        desk.clock.forward(seconds=1)
        return desk.clock.now

    updater = Updater(
        database, clock=hasty, card_interval=timedelta(seconds=60), changes_at_once=10
    )
    refreshed = await updater.refresh(desk.lease, limit=timedelta(seconds=4))

    assert not refreshed.caught_up
    assert 0 < refreshed.changes < 40
    live, _ = await desk.figures()
    assert live.basic_metrics.total_changes == refreshed.changes
    assert hasty() > started


async def test_the_command_counts_once_and_leaves_the_lease(desk: Desk, database_url: str) -> None:
    await some_races(desk)
    await desk.log(*a_market(random.Random(9), changes=20))  # noqa: S311

    led = await asyncio.to_thread(darkhorses, "run", "statistics", DATABASE_URL=database_url)
    await resign(desk)
    ended = await asyncio.to_thread(
        darkhorses, "run", "statistics", "--json", DATABASE_URL=database_url
    )

    assert (led.returncode, led.stdout) == (1, "")
    assert "a worker leads" in led.stderr
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert (found["changes"], found["races"], found["caught_up"]) == (20, 3, True)
    async with desk.database.transaction() as connection:
        assert await acquire(connection, "live", "tests") is not None


async def plan_of(database: Database, sql: str, *values: object) -> Any:
    async with database.connection() as connection:
        return json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *values))


async def test_a_refresh_with_few_new_rows_reads_them_by_their_numbers(desk: Desk) -> None:
    async with desk.database.connection() as connection:
        await fill_changes(connection, 100_000, first_day=date(2026, 3, 1))
        await connection.execute("ANALYZE")
        newest = await queries.statistics_newest_change(connection)

    march = date(2026, 3, 1), date(2026, 4, 1)
    plan = await plan_of(
        desk.database, queries.statistics_count_changes.sql, newest - 100, newest, *march
    )
    nodes = scans_of("ra_odds_changes_2026_03", plan)
    assert nodes
    assert all(node.startswith("Index") for node in nodes), plan
    assert set(scans_of_log(plan)) == {"ra_odds_changes_2026_03"}
    for name, values in (("statistics_newest_change", ()), ("statistics_behind", (newest - 100,))):
        plan = await plan_of(desk.database, getattr(queries, name).sql, *values)
        assert scans_of_log(plan) == {}, plan


async def test_the_races_of_today_are_read_without_those_before(desk: Desk) -> None:
    await desk.rows(
        "INSERT INTO ra_odds_live (race_id, horse_id, bookmaker_id, odds_decimal, market_status,"
        " fetched_at, updated_at, revision)"
        " SELECT 'old_' || n / 100, 'h' || n % 10, 'b' || n % 100, 2, 'OPEN', now(), now(), 1"
        " FROM generate_series(0, 50000) AS n"
    )
    await desk.rows(
        "INSERT INTO ra_races (race_id, race_date, off_dt, off_time, course_id, course, region,"
        " race_name, checked_at, revision)"
        " SELECT 'old_' || n, $1::date - 1 - n / 40, now(), '1:00', 'c', 'C', 'GB', 'R', now(), 1"
        " FROM generate_series(0, 2000) AS n",
        DAY,
    )
    await desk.race("rac_1", "ada")
    await desk.rows("ANALYZE ra_odds_live")
    await desk.rows("ANALYZE ra_races")

    for sql, value in (
        (queries.statistics_open_races.sql, DAY),
        (queries.statistics_coverage.sql, ["rac_1"]),
    ):
        plan = await plan_of(desk.database, sql, value)
        quotes = scans_of("ra_odds_live", plan)
        assert quotes
        assert all(kind.startswith(("Index", "Bitmap")) for kind in quotes), plan
        assert "Seq Scan" not in scans_of("ra_races", plan)
