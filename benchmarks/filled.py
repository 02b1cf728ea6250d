"""Databases with years of racing, filled by the database itself and kept for later runs.

A race day has 30 races; a race has 1,000 changes: 10 runners at 20 bookmakers, five prices each
over the four hours before its off. A day's changes are written as they happened, so that the races
of a day lie among each other, in the tables and in the indexes, as they do where polls wrote them.
Everything is as of yesterday: today is for whoever measures.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from urllib.parse import urlsplit, urlunsplit

import msgspec

from benchmarks.filled_sums import BOOKMAKERS, CHANGES_A_RACE, FIXED, fill_sums
from darkhorses.domain.retention import month_of
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Connection, Database

RACES_A_DAY, RUNNERS = 30, 10
CHANGES_A_DAY = RACES_A_DAY * CHANGES_A_RACE
PAST_RACES_A_DAY = 100
HISTORICAL_FOR_CHANGES = 10
"""A log of 50 million changes lies beside 5 million historical rows."""

DAYS_AT_ONCE = 5
WRITERS = 2

LADDER = (
    "1/5",
    "1/4",
    "2/7",
    "1/3",
    "4/11",
    "2/5",
    "4/9",
    "1/2",
    "8/15",
    "4/7",
    "8/13",
    "4/6",
    "8/11",
    "4/5",
    "5/6",
    "10/11",
    "1/1",
    "11/10",
    "6/5",
    "5/4",
    "11/8",
    "6/4",
    "13/8",
    "7/4",
    "15/8",
    "2/1",
    "9/4",
    "5/2",
    "11/4",
    "3/1",
    "10/3",
    "7/2",
    "4/1",
    "9/2",
    "5/1",
    "11/2",
    "6/1",
    "13/2",
    "7/1",
    "15/2",
    "8/1",
    "17/2",
    "9/1",
    "10/1",
    "11/1",
    "12/1",
    "14/1",
    "16/1",
    "18/1",
    "20/1",
    "22/1",
    "25/1",
    "28/1",
    "33/1",
    "40/1",
    "50/1",
    "66/1",
    "80/1",
    "100/1",
)
FILL_BOOKMAKERS = """
    INSERT INTO ra_bookmakers (bookmaker_id, bookmaker_name, bookmaker_type)
    SELECT id, initcap(id), CASE WHEN n > $2::int THEN 'exchange' ELSE 'fixed' END
    FROM unnest($1::text[]) WITH ORDINALITY AS b (id, n)
"""
FILL_RACES = """
    INSERT INTO ra_races (
        race_id, race_date, off_dt, off_time, course_id, course, region, race_name, race_status,
        checked_at, odds_changed_at, revision
    )
    SELECT 'rac_' || 11000000 + r, $1::date + r / 30, off_dt, '1:00', 'crs_' || 1000 + r % 60,
        'Course ' || r % 60, 'GB', 'A Novices'' Handicap Hurdle', 'result', off_dt, off_dt, 1
    FROM generate_series($2::int, $3::int - 1) AS r
    CROSS JOIN LATERAL (
        SELECT ($1::date + r / 30 + time '13:00') AT TIME ZONE 'UTC'
            + r % 30 * interval '10 minutes'
    ) AS of (off_dt)
"""
FILL_RUNNERS = """
    INSERT INTO ra_runners (race_id, horse_id, horse_name, revision)
    SELECT 'rac_' || 11000000 + r, 'hrs_' || 10000000 + (r * 10 + h) % 30000, 'Horse', 1
    FROM generate_series($1::int, $2::int - 1) AS r, generate_series(0, 9) AS h
"""
NUMBER_RACES = """
    INSERT INTO odds_log_races (race_no, race_id)
    SELECT first_race_no($1::date + r / 30) + r % 30, 'rac_' || 11000000 + r
    FROM generate_series($2::int, $3::int - 1) AS r
"""
NUMBER_RUNNERS = """
    INSERT INTO odds_log_runners (race_no, runner_no, horse_id)
    SELECT first_race_no($1::date + r / 30) + r % 30, 1 + h,
        'hrs_' || 10000000 + (r * 10 + h) % 30000
    FROM generate_series($2::int, $3::int - 1) AS r, generate_series(0, 9) AS h
"""
NUMBERS = """
    SELECT
        (SELECT array_agg(odds_log_bookmaker(id)) FROM unnest($1::text[]) AS id),
        (SELECT array_agg(odds_log_price(d, f)) FROM unnest($3::numeric[], $2::text[]) AS p (d, f)),
        (SELECT array_agg(odds_log_price(d, NULL)) FROM unnest($3::numeric[]) AS d)
"""
# A runner's prices wander by a step or two about a place of its own on the ladder.
FILL_CHANGES = """
    INSERT INTO odds_log (
        change_id, changed_at, seen_at, race_no, bookmaker_no, price_no, runner_no, is_repair
    ) OVERRIDING SYSTEM VALUE
    SELECT $2::bigint * 1000 + row_number() OVER (ORDER BY day, seen_at, race, n),
        date_trunc('second', seen_at) - interval '7 seconds', seen_at,
        first_race_no(day) + race % 30, ($4::int[])[1 + n % 20],
        CASE
            WHEN n % 97 = 0 THEN NULL
            WHEN n % 20 >= 18 THEN ($6::int[])[step]
            ELSE ($5::int[])[step]
        END,
        1 + h, false
    FROM (
        SELECT day, race, n, h,
            4 + h * 5 + (hashint4(race * 1000 + n) & 3) AS step,
            (day + time '13:00') AT TIME ZONE 'UTC' + race % 30 * interval '10 minutes'
                - (999 - n) * interval '14.4 seconds' AS seen_at
        FROM generate_series($2::int, $3::int - 1) AS race,
            LATERAL (SELECT $1::date + race / 30) AS of_race (day),
            generate_series(0, 999) AS n,
            LATERAL (SELECT n / 20 % 10) AS of_change (h)
    ) AS moves
    ORDER BY day, seen_at, race, n
"""
NUMBER_MORE = """
    SELECT count(odds_log_runner(race_no, 'hrs_' || 10000000 + (r * 10 + h) % 30000))
    FROM (
        SELECT r, odds_log_race($1::date + r / 30, 'rac_' || 11000000 + r) AS race_no
        FROM generate_series($2::int, $3::int - 1) AS r
    ) AS races, generate_series(0, 9) AS h
"""
MORE_CHANGES = FILL_CHANGES.replace("OVERRIDING SYSTEM VALUE", "OVERRIDING USER VALUE").replace(
    "first_race_no(day) + race % 30", "odds_log_race(day, 'rac_' || 11000000 + race)"
)
FIRST_DAY = """
    SELECT coalesce((SELECT race_date FROM ra_races WHERE race_id = 'rac_11000000'), $1::date)
"""
RACES_SO_FAR = """
    SELECT count(*)::int FROM ra_races WHERE race_id BETWEEN 'rac_11000000' AND 'rac_11999999'
"""
GO_ON_COUNTING = """
    SELECT setval(pg_get_serial_sequence('odds_log', 'change_id'), greatest($1::bigint, 1))
"""
SIZE_OF_LOG = """
    SELECT sum(pg_total_relation_size(relid))::float8
    FROM (
        SELECT relid FROM pg_partition_tree('odds_log') WHERE isleaf
        UNION ALL
        SELECT unnest(ARRAY[
            'odds_log_races', 'odds_log_runners', 'odds_log_bookmakers', 'odds_log_prices'
        ]::regclass[])
    ) AS tables
"""
PARTITIONS = """
    SELECT ensure_odds_changes_partition($1::date + d) FROM generate_series(0, $2::int) AS d
"""
FILL_HISTORICAL = """
    INSERT INTO ra_odds_historical (
        race_id, horse_id, date_of_race, off_dt, country, course_id, track, race_time, race_name,
        going, race_type, distance, race_class, runners_count, horse_name, horse_number,
        official_rating, age, weight, jockey, jockey_id, trainer, trainer_id, stall_number,
        industry_sp, industry_sp_fractional, sp_favorite_position, bsp, finishing_position,
        position_no, winning_distance, opening_price, closing_price, pre_race_min, pre_race_max,
        forecasted_odds, sp_win_return, ew_return, place_return, data_source, match_timestamp
    )
    SELECT 'rac_' || 12000000 + r, 'hrs_' || 10000000 + (r * 7 + h) % 90000, day,
        day + time '13:00', CASE r % 4 WHEN 0 THEN 'IRE' ELSE 'GB' END, 'crs_' || 1000 + r % 60,
        'Course ' || r % 60, '1:00', 'A Novices'' Handicap Hurdle', 'Good to Soft', 'Hurdle',
        '2m4f', 'Class ' || 1 + r % 6, 10, 'Horse Number ' || (r * 7 + h) % 90000, 1 + h,
        60 + h * 7, 5, '11-' || h, 'Jockey ' || (r + h) % 900, 'jky_' || (r + h) % 900,
        'Trainer ' || r % 700, 'trn_' || r % 700, 1 + h, 2.5 + h, (3 + 2 * h) || '/2', 1 + h,
        2.75 + h, (1 + h)::text, 1 + h, 0.5 + h, 3 + h, 2.5 + h, 2.25 + h, 4 + h, 3 + h,
        CASE h WHEN 0 THEN 2.5 ELSE 0 END, CASE h WHEN 0 THEN 3.8 ELSE 0 END,
        CASE WHEN h < 3 THEN 1.3 ELSE 0 END, 'card', day
    FROM generate_series($2::int, $3::int - 1) AS r,
        LATERAL (SELECT $1::date - 1 - r / 100) AS of (day),
        generate_series(0, 9) AS h
"""
FILL_LEDGER = """
    INSERT INTO race_days (
        race_date, region, cards, results, races_count, results_count, rows_count, attempts,
        checked_at, completed_at
    )
    SELECT $1::date - 1 - d, region, 'complete', 'complete', 50, 50, 500, 2,
        $1::date - d, $1::date - d
    FROM generate_series(0, $2::int - 1) AS d, unnest(ARRAY['gb', 'ire']) AS region
"""


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A database of a size: how many changes, the seconds that filling it took, and where it is."""

    changes: int
    url: str
    seconds: float
    """0 for one that was there already."""


def today() -> datetime:
    """The day up to which everything is filled, which an API in a process of its own shares."""
    return datetime.now(UTC)  # noqa: TID251  # the API's clock is real


async def filled(server_url: str, changes: int) -> Filled:
    """A database with so many changes, filled unless the server has it; whole or not at all."""
    name = f"filled_{changes}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    admin = await Database.open(server_url, max_connections=1)
    try:
        async with admin.connection(patience=None) as connection:
            if (
                await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name)
                is None
            ):
                await connection.execute("DROP DATABASE IF EXISTS filling")
                await connection.execute("CREATE DATABASE filling")
                begun = time.perf_counter()
                await _fill(urlunsplit(urlsplit(server_url)._replace(path="/filling")), changes)
                seconds = time.perf_counter() - begun
                await connection.execute(f"ALTER DATABASE filling RENAME TO {name}")
                return Filled(changes=changes, url=url, seconds=seconds)
    finally:
        await admin.close()
    return Filled(changes=changes, url=url, seconds=0)


async def _fill(url: str, changes: int) -> None:
    days = changes // CHANGES_A_DAY
    races = days * RACES_A_DAY
    midnight = today().date()
    first_day = midnight - timedelta(days=days)
    past_races = changes // HISTORICAL_FOR_CHANGES // RUNNERS
    database = await Database.open(url, max_connections=WRITERS)
    try:
        await migrate(database)
        async with database.connection(patience=None) as connection:
            await connection.execute(FILL_BOOKMAKERS, BOOKMAKERS, FIXED)
            await connection.execute(PARTITIONS, first_day, days + 1)
            await connection.execute(FILL_RACES, first_day, 0, races)
            await connection.execute(FILL_RUNNERS, 0, races)
            await connection.execute(NUMBER_RACES, first_day, 0, races)
            await connection.execute(NUMBER_RUNNERS, first_day, 0, races)
            numbers = await _numbers(connection)
        months = _months(first_day, days)
        await asyncio.gather(
            *(_fill_log(database, first_day, numbers, months[n::WRITERS]) for n in range(WRITERS))
        )
        await asyncio.gather(
            *(_fill_past(database, midnight, past_races, half) for half in range(WRITERS))
        )
        async with database.connection(patience=None) as connection:
            await connection.execute(GO_ON_COUNTING, days * CHANGES_A_DAY)
            await connection.execute(FILL_LEDGER, midnight, past_races // PAST_RACES_A_DAY)
            await fill_sums(
                connection,
                first_day=first_day,
                races=races,
                midnight=midnight,
                past_races=past_races,
            )
            await connection.execute("VACUUM ANALYZE")
    finally:
        await database.close()


def _months(first_day: date, days: int) -> list[range]:
    """The days by month, as numbers from the first: a partition is one writer's, in its order."""
    months = groupby(range(days), lambda n: month_of(first_day + timedelta(days=n)))
    found = [list(numbers) for _, numbers in months]
    return [range(numbers[0], numbers[-1] + 1) for numbers in found]


async def _fill_log(
    database: Database, first_day: date, numbers: Sequence[object], months: Sequence[range]
) -> None:
    async with database.connection(patience=None) as connection:
        for month in months:
            for first in month[::DAYS_AT_ONCE]:
                last = min(first + DAYS_AT_ONCE, month.stop)
                part = first * RACES_A_DAY, last * RACES_A_DAY
                await connection.execute(FILL_CHANGES, first_day, *part, *numbers)


async def _fill_past(database: Database, midnight: date, races: int, half: int) -> None:
    at_once = 2_000
    async with database.connection(patience=None) as connection:
        for first in range(half * at_once, races, WRITERS * at_once):
            last = min(first + at_once, races)
            await connection.execute(FILL_HISTORICAL, midnight, first, last)


async def more_races(database: Database, races: int) -> date:
    """Add whole races after all there are, numbered as writes number them; the day they are of."""
    async with database.connection(patience=None) as connection:
        first_day = await connection.fetchval(FIRST_DAY, today().date())
        first = await connection.fetchval(RACES_SO_FAR)
        last = first + races
        day: date = first_day + timedelta(days=(last - 1) // RACES_A_DAY)
        await connection.execute(PARTITIONS, day, 0)
        await connection.execute(FILL_RACES, first_day, first, last)
        await connection.execute(FILL_RUNNERS, first, last)
        await connection.execute(NUMBER_MORE, first_day, first, last)
        numbers = await _numbers(connection)
        await connection.execute(MORE_CHANGES, first_day, first, last, *numbers)
    return day


async def _numbers(connection: Connection) -> Sequence[object]:
    """The log's numbers of bookmakers, and of the ladder's steps at bookmakers and exchanges."""
    steps = [Fraction(step) for step in LADDER]
    decimals = [round(Decimal(1 + step.numerator / step.denominator), 2) for step in steps]
    numbers = await connection.fetchrow(NUMBERS, BOOKMAKERS, LADDER, decimals)
    return tuple(numbers or ())


async def size_of_log(connection: Connection) -> float:
    """Bytes of the change log, with its indexes and the numbers that its entries are told by."""
    size: float = await connection.fetchval(SIZE_OF_LOG)
    return size
