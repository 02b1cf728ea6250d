import random
from collections import Counter
from datetime import timedelta

import pytest

from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.price_moves import Tick, measure_race
from tests.counting import OFF, Change, Desk, PastRunner
from tests.market import price
from tests.worker.statistics.conftest import BOOKS, DAY, a_market, some_races


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
