"""Years of history in a few statements: races, runners, the ledger, and the log of changes."""

from datetime import date

from darkhorses.store.pool import Connection

FIRST_DAY = date(2026, 3, 1)


async def fill_history(
    connection: Connection, *, days: int = 3, races: int = 4, runners: int = 5
) -> None:
    """So many days from FIRST_DAY on; a race ``rac_DAY_RACE`` has a horse ``hrs_DAY_RACE_NUMBER``.

    Courses, trainers and jockeys come round by 7, 11 and 13; the last runner did not run.
    """
    await connection.execute(
        """
        INSERT INTO ra_results (
            race_id, race_date, off_dt, region, course_id, course, race_name, race_class,
            distance, distance_f, is_handicap, runners_count, non_runners, tote, is_provisional
        )
        SELECT
            format('rac_%s_%s', d, r), $1::date + d,
            ($1::date + d + time '13:00' + r * interval '30 minutes') AT TIME ZONE 'UTC',
            CASE r % 2 WHEN 0 THEN 'GB' ELSE 'IRE' END, 'crs_' || (d + r) % 7,
            'Course ' || (d + r) % 7, 'A Handicap', NULL, '2m', 16.5, true, $4 - 1,
            'Horse (lame)', '{"win": "3.40"}', d = $2 - 1
        FROM generate_series(0, $2 - 1) AS d, generate_series(0, $3 - 1) AS r
        """,
        FIRST_DAY,
        days,
        races,
        runners,
    )
    await connection.execute(
        """
        INSERT INTO ra_odds_historical (
            race_id, horse_id, date_of_race, off_dt, country, course_id, track, race_time,
            race_name, runners_count, horse_name, horse_number, trainer, jockey, is_non_runner,
            industry_sp, industry_sp_fractional, bsp, finishing_position, position_no,
            opening_price, sp_win_return, data_source
        )
        SELECT
            race_id, format('hrs_%s', substr(race_id, 5) || '_' || n), race_date, off_dt, region,
            course_id, course, to_char(off_dt AT TIME ZONE 'Europe/London', 'HH24:MI'), race_name,
            runners_count, format('Horse %s %s', substr(race_id, 5), n), n,
            'Trainer ' || (ascii(right(race_id, 1)) + n) % 11,
            'Jockey ' || (ascii(right(race_id, 1)) * n) % 13, n = $1,
            CASE WHEN n < $1 THEN n + 1.5 END, CASE WHEN n < $1 THEN 2 * n + 1 || '/2' END,
            CASE WHEN n < $1 THEN n + 1.555 END, CASE WHEN n < $1 THEN n::text END,
            CASE WHEN n < $1 THEN n END, n + 2, CASE WHEN n = 1 THEN 2.5 ELSE 0 END, 'card'
        FROM ra_results, generate_series(1, $1) AS n
        """,
        runners,
    )
    await connection.execute(
        """
        INSERT INTO race_days (
            race_date, region, cards, results, races_count, results_count, checked_at, reason
        )
        SELECT $1::date + d, region, 'complete',
            CASE WHEN d < $2 - 1 THEN 'complete' ELSE 'provisional' END, $3, $3,
            '2026-06-20T01:00:00Z', CASE WHEN d = $2 - 1 THEN 'a race has no result yet' END
        FROM generate_series(0, $2 - 1) AS d, unnest(ARRAY['gb', 'ire']) AS region
        """,
        FIRST_DAY,
        days,
        races,
    )


async def fill_changes(connection: Connection, count: int, *, first_day: date = FIRST_DAY) -> None:
    """So many changes, 1,000 to a race and 20 races to a day; every 50th price was pulled."""
    await connection.execute(
        """
        SELECT ensure_odds_changes_partition($1::date + n) FROM generate_series(0, $2 / 20000) AS n
        """,
        first_day,
        count,
    )
    async with connection.transaction():
        await connection.execute(
            """
            CREATE TEMPORARY TABLE told ON COMMIT DROP AS
            SELECT
                $1::date + n / 20000 AS race_date, 'rac_' || n / 1000 AS race_id,
                'hrs_' || n / 1000 || '_' || n % 12 AS horse_id,
                'bookmaker' || n % 28 AS bookmaker_id,
                CASE WHEN n % 50 > 0 THEN 1.01 + n % 777 * 0.125 END AS odds_decimal,
                CASE WHEN n % 3 = 0 AND n % 50 > 0 THEN n % 777 || '/8' END AS odds_fractional,
                CASE
                    WHEN n % 7 > 0 THEN timestamptz '2026-03-01 09:00Z' + n * interval '10 ms'
                END AS changed_at,
                timestamptz '2026-03-01 09:00Z' + n * interval '11.000001 ms' AS seen_at, n
            FROM generate_series(0, $2 - 1) AS n
            """,
            first_day,
            count,
        )
        await connection.execute(_LOG_WHAT_IS_TOLD)


_LOG_WHAT_IS_TOLD = """
    CREATE TEMPORARY TABLE races ON COMMIT DROP AS
    SELECT race_date, race_id, odds_log_race(race_date, race_id) AS race_no
    FROM (SELECT DISTINCT race_date, race_id FROM told ORDER BY 1, 2) AS asked;
    CREATE TEMPORARY TABLE runners ON COMMIT DROP AS
    SELECT race_no, horse_id, odds_log_runner(race_no, horse_id) AS runner_no
    FROM (SELECT DISTINCT race_no, horse_id FROM told JOIN races USING (race_date, race_id)) AS r;
    CREATE TEMPORARY TABLE bookmakers ON COMMIT DROP AS
    SELECT bookmaker_id, odds_log_bookmaker(bookmaker_id) AS bookmaker_no
    FROM (SELECT DISTINCT bookmaker_id FROM told) AS asked;
    CREATE TEMPORARY TABLE prices ON COMMIT DROP AS
    SELECT coalesce(odds_decimal, 0) || ' ' || coalesce(odds_fractional, '') AS price,
        odds_log_price(odds_decimal, odds_fractional) AS price_no
    FROM (SELECT DISTINCT odds_decimal, odds_fractional FROM told) AS asked;
    INSERT INTO odds_log (
        changed_at, seen_at, race_no, bookmaker_no, price_no, runner_no, is_repair
    )
    SELECT changed_at, seen_at, race_no, bookmaker_no, price_no, runner_no, false
    FROM told
    JOIN races USING (race_date, race_id)
    JOIN runners USING (race_no, horse_id)
    JOIN bookmakers USING (bookmaker_id)
    JOIN prices ON price = coalesce(odds_decimal, 0) || ' ' || coalesce(odds_fractional, '')
    ORDER BY n;
"""
