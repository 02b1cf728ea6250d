"""The sums as the statistics job leaves them once it has counted all that was filled."""

from datetime import date

from darkhorses.store.pool import Connection

CHANGES_A_RACE = 1_000

BOOKMAKERS = (
    "bet365",
    "sky_bet",
    "paddypower",
    "williamhill",
    "betfred",
    "coral",
    "ladbrokes",
    "betvictor",
    "unibet",
    "boylesports",
    "betway",
    "10bet",
    "spreadex",
    "starsports",
    "bet_uk",
    "quinnbet",
    "talksport_bet",
    "livescore_bet",
    "betfair_exchange",
    "matchbook",
)
FIXED = 18
"""The last two are exchanges, whose prices have no fraction."""

COUNTED_RACES = """
    INSERT INTO statistics_races
    SELECT 'rac_' || 11000000 + r, $1::date + r / 30, 1000, r / 30 * 30000 + 30000,
        r / 30 * 30000 + 30000, 10, 10, 1.02, 90
    FROM generate_series(0, $2::int - 1) AS r
"""
COUNTED_BOOKMAKERS = """
    INSERT INTO statistics_race_bookmakers
    SELECT 'rac_' || 11000000 + r, b, $1::date + r / 30, 10, 2, 1.15, 20, 19, 30, 3, 1, 9, 55.5
    FROM generate_series(0, $2::int - 1) AS r, unnest($3::text[]) AS b
"""
COUNTED_HOURS = """
    INSERT INTO statistics_hours
    SELECT ($1::date + d + time '09:00') AT TIME ZONE 'UTC' + h * interval '1 hour', b, 170
    FROM generate_series(0, $2::int / 30 - 1) AS d, generate_series(0, 8) AS h,
        unnest($3::text[]) AS b
"""
COUNTED_ENTITIES = """
    INSERT INTO statistics_entities
    SELECT 'live', 'races', 'rac_' || 11000000 + r FROM generate_series(0, $1::int - 1) AS r
    UNION ALL
    SELECT 'live', 'horses', 'hrs_' || 10000000 + h
    FROM generate_series(0, least($1::int * 10, 30000) - 1) AS h
    UNION ALL
    SELECT 'live', 'bookmakers', b FROM unnest($2::text[]) AS b
    UNION ALL
    SELECT 'live', 'courses', 'crs_' || 1000 + c FROM generate_series(0, 59) AS c
"""
COUNTED_SUMS = """
    INSERT INTO statistics_counts
    SELECT scope, kind, count(*) FROM statistics_entities GROUP BY scope, kind
    UNION ALL
    SELECT 'live', kind, each * $1::bigint
    FROM (VALUES ('changes', 1000), ('pulled', 11), ('repaired', 0)) AS of_race (kind, each)
"""
COUNTED_UP_TO = "UPDATE statistics_progress SET change_id = $1::bigint, past_days_counted = 1"
COUNTED_PAST_RACES = """
    INSERT INTO statistics_past_races
    SELECT 'rac_' || 12000000 + r, $1::date - 1 - r / 100,
        CASE r % 4 WHEN 0 THEN 'ire' ELSE 'gb' END, 'Course ' || r % 60, 'Class ' || 1 + r % 6,
        10, 0, 0, 0, 10, 10, 10, 10, 10, 10, 0, true, 1, (r % 3 = 0)::int, 2.5 * (r % 3 = 0)::int
    FROM generate_series(0, $2::int - 1) AS r
"""
COUNTED_PAST_DAYS = """
    INSERT INTO statistics_past_days
    SELECT race_date, region, attempts, checked_at FROM race_days
"""


async def fill_sums(
    connection: Connection, *, first_day: date, races: int, midnight: date, past_races: int
) -> None:
    """Write the sums of so many races from a day on, and of the past ones before ``midnight``."""
    await connection.execute(COUNTED_RACES, first_day, races)
    await connection.execute(COUNTED_BOOKMAKERS, first_day, races, BOOKMAKERS)
    await connection.execute(COUNTED_HOURS, first_day, races, BOOKMAKERS)
    await connection.execute(COUNTED_ENTITIES, races, BOOKMAKERS)
    await connection.execute(COUNTED_SUMS, races)
    await connection.execute(COUNTED_UP_TO, races * CHANGES_A_RACE)
    await connection.execute(COUNTED_PAST_RACES, midnight, past_races)
    await connection.execute(COUNTED_PAST_DAYS)
