import asyncio
import json
import random
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.price_moves import Tick, measure_race
from darkhorses.domain.statistics import Metric
from darkhorses.store.errors import LeaseLostError, StoreError
from darkhorses.store.pool import Database
from darkhorses.store.queries import queries
from darkhorses.store.statistics import trend
from darkhorses.store.writing.lease import acquire, release, writing_transaction
from darkhorses.store.writing.statistics import count_changes
from darkhorses.worker.statistics import Updater
from tests.commands import darkhorses
from tests.counting import OFF, Change, Desk, PastRunner, log_changes
from tests.history import fill_changes
from tests.market import price

BOOKS = ("bet365", "coral", "ladbrokes", "betfred")
DAY = date(2026, 6, 20)


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await Desk.leading(database)


def a_market(chance: random.Random, *, changes: int, races: int = 3) -> list[Change]:
    """Changes of a few races, some of them after the off, in the order in which they were seen."""
    ladder = ("2/1", "9/4", "5/2", "3/1", None)
    found = [
        Change(
            f"rac_{chance.randrange(races)}",
            f"hrs_{chance.randrange(3)}",
            chance.choice((*BOOKS, "betfairexchange")),
            chance.randrange(-5, 150),
            chance.choice(ladder),
        )
        for _ in range(changes)
    ]
    return sorted(found, key=lambda change: -change.minutes)


async def some_races(desk: Desk, races: int = 3) -> None:
    await desk.bookmakers(*BOOKS, exchanges=("betfairexchange",))
    for number in range(races):
        await desk.race(f"rac_{number}", "hrs_0", "hrs_1", "hrs_2", course=f"Course {number % 2}")


async def test_the_live_figures_are_those_of_a_count_by_hand(desk: Desk) -> None:
    await some_races(desk)
    market = a_market(random.Random(1), changes=400)  # noqa: S311  # repeatable, not secret
    await desk.log(*market)

    await desk.refresh(changes_at_once=7)

    live, _ = await desk.figures()
    assert live.basic_metrics.total_changes == 400
    assert live.basic_metrics.pulled_prices == sum(c.price is None for c in market)
    assert live.unique_entities.horses == 3
    assert live.unique_entities.courses == 2
    assert [(row.race_date, row.races, row.changes) for row in live.records_per_date] == [
        (DAY, 3, 400)
    ]
    by_course = Counter(int(c.race_id[-1]) % 2 for c in market)
    assert {row.course: row.changes for row in live.course_distribution} == {
        f"Course {course}": changes for course, changes in by_course.items()
    }
    hours = Counter(
        (OFF - timedelta(minutes=c.minutes)).replace(minute=0, second=0) for c in market
    )
    assert {row.hour: row.changes for row in live.changes_per_hour} == dict(hours)
    assert live.recent_activity.changes_last_24_hours == 400


async def test_the_league_adds_up_what_each_race_measured(desk: Desk) -> None:
    await some_races(desk)
    market = a_market(random.Random(2), changes=600)  # noqa: S311
    await desk.log(*market)
    measures = [
        measure_race(
            [
                Tick(
                    horse_id=HorseId(c.horse),
                    bookmaker_id=BookmakerId(c.bookmaker),
                    price=None if c.price is None else price(c.price),
                    seen_at=OFF - timedelta(minutes=c.minutes),
                )
                for c in market
                if c.race_id == race_id and c.minutes >= 0
            ],
            active={HorseId("hrs_0"), HorseId("hrs_1"), HorseId("hrs_2")},
            exchanges={BookmakerId("betfairexchange")},
        )
        for race_id in ("rac_0", "rac_1", "rac_2")
    ]

    await desk.refresh()

    live, _ = await desk.figures()
    league = live.bookmaker_league
    assert (league.races, league.runners) == (3, 9)
    assert league.market_moves == sum(m.market_moves for m in measures) > 0
    rows = {row.bookmaker_id: row for row in league.bookmakers}
    hours = {(OFF - timedelta(minutes=c.minutes)).hour for c in market}
    for who in (*BOOKS, "betfairexchange"):
        mine = [b for m in measures for b in m.bookmakers if b.bookmaker_id == who]
        priced = sum(b.runners_priced for b in mine)
        moves = sum(b.market_moves for b in mine)
        books = [b.overround for b in mine if b.overround is not None]
        row = rows[who]
        assert row.runners_priced == priced
        assert row.coverage == pytest.approx(priced / 9, abs=1e-4)
        assert row.complete_books == len(books)
        assert row.shortened == sum(b.shortened for b in mine)
        if books:
            assert row.mean_overround == pytest.approx(sum(books) / len(books), abs=1e-4)
        if who == "betfairexchange":
            assert (row.best_share, row.led_share) == (None, None)
        else:
            assert row.best_share == pytest.approx(sum(b.best for b in mine) / priced, abs=1e-4)
            assert row.led_share == pytest.approx(sum(b.led for b in mine) / moves, abs=1e-4)
            lag = sum(b.lag_seconds for b in mine) / sum(b.joined for b in mine)
            assert row.mean_lag_seconds == pytest.approx(lag, abs=1e-4)
        logged = sum(c.bookmaker == who for c in market)
        assert row.changes_per_hour == pytest.approx(logged / len(hours), abs=1e-4)


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
            while not await blocker.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ):
                continue
            await blocker.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
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


async def test_a_race_is_measured_once_and_again_when_its_log_has_grown(desk: Desk) -> None:
    await desk.bookmakers(*BOOKS)
    await desk.race("rac_1", "ada")
    await desk.log(*(Change("rac_1", "ada", who, 60, "4/1") for who in BOOKS))
    assert (await desk.refresh()).races == 1
    assert (await desk.refresh()).races == 0

    # Polling missed that three of four moved within a minute; a history of the feed tells.
    await desk.log(
        *(Change("rac_1", "ada", who, 30 - n, "3/1", "history") for n, who in enumerate(BOOKS[:3]))
    )
    repaired = await desk.refresh()

    live, _ = await desk.figures()
    assert repaired.races == 1
    assert live.basic_metrics.repaired_changes == 3
    assert live.bookmaker_league.races == 1
    assert live.bookmaker_league.market_moves == 1
    lags = {row.bookmaker_id: row.mean_lag_seconds for row in live.bookmaker_league.bookmakers}
    assert lags == {"bet365": -120, "coral": -60, "ladbrokes": 0, "betfred": None}
    assert {row.bookmaker_id: row.best_share for row in live.bookmaker_league.bookmakers} == {
        "bet365": 0, "coral": 0, "ladbrokes": 0, "betfred": 1,
    }  # fmt: skip


async def test_a_race_is_measured_only_when_it_is_over(desk: Desk) -> None:
    await desk.bookmakers(*BOOKS)
    await desk.race("rac_1", "ada", status="declared")
    await desk.log(Change("rac_1", "ada", "coral", 60, "4/1"))
    desk.clock.now = OFF + timedelta(minutes=20)
    assert (await desk.refresh()).races == 0
    live, _ = await desk.figures()
    assert live.basic_metrics.races_waiting == 1

    desk.clock.forward(seconds=1)
    assert (await desk.refresh()).races == 1


async def test_who_was_withdrawn_before_the_off_is_no_runner_and_who_was_later_is(
    desk: Desk,
) -> None:
    await desk.bookmakers("coral")
    await desk.race("rac_1", "ada", "bob", "cit", "dan", "eve")
    await desk.rows(
        "UPDATE ra_runners SET is_non_runner = horse_id IN ('bob', 'cit'),"
        " non_runner_at = CASE horse_id WHEN 'bob' THEN $1::timestamptz - interval '1 h'"
        " WHEN 'cit' THEN $1::timestamptz + interval '2 min' END,"
        " removed_at = CASE horse_id WHEN 'dan' THEN $1::timestamptz - interval '1 h' END,"
        " is_reserve = horse_id = 'eve'",
        OFF,
    )
    await desk.log(*(Change("rac_1", horse, "coral", 60, "1/1") for horse in ("ada", "bob", "cit")))

    await desk.refresh()

    assert await desk.rows("SELECT runners, priced_runners FROM statistics_races") == [(2, 2)]
    live, _ = await desk.figures()
    assert live.bookmaker_league.bookmakers[0].mean_overround == 0


async def test_favourites_are_staked_in_equal_parts_and_void_races_left_out(desk: Desk) -> None:
    await desk.past_day(
        DAY,
        # A favourite that won at 3.0, and one that lost.
        PastRunner("a", "a1", 1, 3.0, 1, 3.0),
        PastRunner("a", "a2", 2, 4.0, 2),
        PastRunner("b", "b1", 2, 2.5, 1),
        PastRunner("b", "b2", 1, 9.0, 2, 9.0),
        PastRunner("b", "b3", None),
        # Two joint favourites of whom one won: half a win, and half of 5.0.
        PastRunner("c", "c1", 1, 5.0, 1, 5.0),
        PastRunner("c", "c2", 3, 5.0, 1),
        PastRunner("c", "c3", 2, 7.0, 3),
        # A favourite in a dead heat: half a win, and half of 4.0.
        PastRunner("d", "d1", 1, 4.0, 1, 2.0, 2),
        PastRunner("d", "d2", 1, 6.0, 2, 3.0, 2),
        # A void race: every bet was given back, nobody won.
        PastRunner("e", "e1", None, 2.0, 1, 1.0),
    )

    await desk.refresh()

    _, past = await desk.figures()
    overall = past.favourites.overall
    assert (overall.races, overall.joint_races) == (4, 1)
    assert overall.strike_rate == (1 + 0 + 0.5 + 0.5) / 4
    assert overall.return_at_sp == (3.0 + 0 + 2.5 + 2.0) / 4
    assert overall.mean_field_size == (2 + 2 + 3 + 2) / 4
    assert [(row.runners, row.races) for row in past.field_sizes] == [(2, 3), (3, 1)]
    assert past.basic_metrics.races == 5
    assert past.basic_metrics.races_run == 4
    assert (past.basic_metrics.runners, past.basic_metrics.non_runners) == (10, 1)


async def test_favourites_by_course_and_class_are_those_of_its_races(desk: Desk) -> None:
    def at_ayr(race_id: str, horse_id: str, position: int, sp: float, rank: int) -> PastRunner:
        returned = sp if position == 1 else 0.0
        return PastRunner(race_id, horse_id, position, sp, rank, returned, None, "Ayr", None)

    await desk.past_day(
        DAY,
        PastRunner("a", "a1", 1, 3.0, 1, 3.0),
        at_ayr("b", "b1", 1, 2.0, 1),
        at_ayr("c", "c1", 2, 2.0, 1),
        at_ayr("c", "c2", 1, 8.0, 2),
    )

    await desk.refresh()

    _, past = await desk.figures()
    rows = past.favourites.by_course
    assert [(row.course, row.races, row.strike_rate, row.return_at_sp) for row in rows] == [
        ("Ayr", 2, 0.5, 1.0),
        ("Hereford", 1, 1.0, 3.0),
    ]
    assert [(r.race_class, r.races) for r in past.favourites.by_class] == [
        (None, 2),
        ("Class 4", 1),
    ]
    assert [(r.track, r.country, r.races) for r in past.track_distribution] == [
        ("Ayr", "gb", 2), ("Hereford", "gb", 1),
    ]  # fmt: skip


async def test_an_amended_day_and_a_race_that_moved_to_another_are_counted_anew(desk: Desk) -> None:
    await desk.past_day(DAY, PastRunner("a", "a1", 1, 3.0, 1, 3.0), PastRunner("b", "b1", 1, 2.0))
    await desk.refresh()
    await desk.past_day(
        DAY, PastRunner("a", "a1", 2, 3.0, 1), PastRunner("a", "a2", 1, 9.0, 2, 9.0)
    )
    await desk.past_day(DAY + timedelta(days=1), PastRunner("b", "b1", 1, 2.0))

    refreshed = await desk.refresh()

    _, past = await desk.figures()
    assert refreshed.past_days == 2
    assert past.favourites.overall.strike_rate == 0
    assert [(r.race_date, r.races, r.records) for r in past.records_per_date] == [
        (DAY + timedelta(days=1), 1, 1),
        (DAY, 1, 2),
    ]


async def test_a_day_that_could_not_be_read_again_is_counted_as_it_was(desk: Desk) -> None:
    await desk.past_day(DAY, PastRunner("a", "a1", 1, 3.0, 1, 3.0))
    await desk.refresh()
    await desk.rows(
        "UPDATE race_days SET attempts = attempts + 1, results = 'missing', reason = 'no answer'"
    )

    await desk.refresh()

    _, past = await desk.figures()
    assert past.basic_metrics.races == 1
    assert past.recent_activity.days_with_gaps == 1


async def test_the_historical_figures_are_those_of_days_counted_by_a_run_that_died(
    desk: Desk,
) -> None:
    await desk.past_day(DAY, PastRunner("a", "a1", 1, 3.0))
    await desk.refresh()
    await desk.past_day(DAY, PastRunner("b", "b1", 1, 3.0))
    stored = await desk.rows("SELECT past_days_counted, historical FROM statistics_current")
    await desk.refresh()
    await desk.rows(
        "UPDATE statistics_current SET past_days_counted = $1, historical = $2", *stored[0]
    )

    await desk.refresh()

    _, past = await desk.figures()
    assert past.basic_metrics.races == 2


async def test_the_market_of_today_is_told_by_stage_with_what_it_lacks(desk: Desk) -> None:
    await desk.bookmakers("coral", "betfred")
    now = desk.clock.now
    await desk.race("early", "a1", "a2", off_dt=now + timedelta(hours=3), status="declared")
    await desk.race("post", "b1", off_dt=now + timedelta(minutes=2), status="declared")
    await desk.race("done", "c1", off_dt=now - timedelta(hours=1))
    await desk.rows("UPDATE ra_races SET checked_at = $1 WHERE race_id <> 'post'", now)
    await desk.rows(
        "UPDATE ra_races SET checked_at = $1 WHERE race_id = 'post'", now - timedelta(minutes=1)
    )
    await desk.rows(
        "INSERT INTO ra_odds_live (race_id, horse_id, bookmaker_id, odds_decimal, market_status,"
        " fetched_at, updated_at, revision)"
        " SELECT race, horse, book, price,"
        " CASE WHEN price IS NULL THEN 'SUSPENDED' ELSE 'OPEN' END, $1, $1, 1"
        " FROM (VALUES ('early', 'a1', 'coral', 3.0), ('early', 'a2', 'coral', NULL),"
        " ('post', 'b1', 'coral', 2.0), ('post', 'b1', 'betfred', 2.1), ('done', 'c1', 'coral', 2))"
        " AS quote (race, horse, book, price)",
        now,
    )

    await desk.refresh()

    live, _ = await desk.figures()
    status = live.market_status
    assert (status.early_market, status.at_post, status.over, status.abandoned) == (1, 1, 1, 0)
    assert (status.open_quotes, status.suspended_quotes) == (3, 1)
    quality = live.data_quality
    assert (quality.runners, quality.runners_without_price, quality.stale_races) == (3, 1, 1)
    assert [
        (row.bookmaker_id, row.races, row.active_quotes, row.coverage)
        for row in live.bookmaker_coverage
    ] == [("coral", 2, 2, 0.6667), ("betfred", 1, 1, 0.3333)]


async def test_what_was_set_aside_lately_is_counted_by_kind(desk: Desk) -> None:
    await desk.rows(
        "INSERT INTO quarantine (kind, reason, payload, payload_digest, seen_count, first_seen_at,"
        " last_seen_at)"
        " SELECT kind, '', '', digest, 3, $1::timestamptz, $1 - days * interval '1 day'"
        " FROM (VALUES ('quote', 'a', 0), ('quote', 'b', 6), ('race', 'c', 1), ('race', 'd', 8))"
        " AS piece (kind, digest, days)",
        desk.clock.now,
    )

    await desk.refresh()

    live, _ = await desk.figures()
    assert [(r.kind, r.records, r.times_seen) for r in live.data_quality.quarantined] == [
        ("quote", 2, 6), ("race", 1, 3),
    ]  # fmt: skip


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


def scans_of(table: str, plan: Any) -> list[str]:
    """The kinds of nodes of a plan that read a table, anywhere in it."""
    if isinstance(plan, list):
        return [kind for part in plan for kind in scans_of(table, part)]
    if not isinstance(plan, dict):
        return []
    mine = [plan["Node Type"]] if plan.get("Relation Name") == table else []
    return mine + scans_of(table, list(plan.values()))


async def test_a_refresh_with_few_new_rows_reads_them_by_their_numbers(desk: Desk) -> None:
    async with desk.database.connection() as connection:
        await fill_changes(connection, 100_000, first_day=date(2026, 3, 1))
        await connection.execute("ANALYZE ra_odds_changes")
        newest = await queries.statistics_newest_change(connection)

    for name, values in (
        ("statistics_count_changes", (newest - 100, newest)),
        ("statistics_newest_change", ()),
        ("statistics_behind", (newest - 100,)),
    ):
        plan = await plan_of(desk.database, getattr(queries, name).sql, *values)
        nodes = scans_of("ra_odds_changes_2026_03", plan)
        assert nodes, name
        assert all(node.startswith("Index") for node in nodes), plan


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
