"""A database as the earlier system left it: its tables, its habits, and its dirt."""

from datetime import date, timedelta
from typing import Any

import asyncpg

DAY = date(2024, 6, 12)
FIRST_PAST_DAY = date(2015, 1, 3)

SCHEMA = """
CREATE TABLE ra_bookmakers (
    bookmaker_id text PRIMARY KEY, bookmaker_name text, bookmaker_type text,
    active boolean DEFAULT true, created_at timestamptz DEFAULT now()
);
CREATE TABLE ra_odds_live (
    id bigserial PRIMARY KEY, race_id text, race_date date, race_time time, off_dt timestamptz,
    course text, race_name text, race_class text, race_type text, distance text, going text,
    runners integer, horse_id text, horse_name text, horse_number integer, jockey text,
    trainer text, draw integer, weight text, age integer, form text,
    bookmaker_id text REFERENCES ra_bookmakers, bookmaker_name text, bookmaker_type text,
    odds_decimal double precision, odds_fractional text, commission numeric,
    market_status text DEFAULT 'OPEN', in_play boolean DEFAULT false, odds_timestamp timestamptz,
    fetched_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);
CREATE INDEX ra_races_by_date ON ra_odds_live (race_date);
CREATE INDEX idx_ra_odds_live_race_horse ON ra_odds_live (race_id, horse_id, bookmaker_id);
CREATE TABLE ra_odds_historical (
    racing_bet_data_id bigserial PRIMARY KEY, date_of_race timestamptz, country varchar(20),
    track text, race_time text, race_name text, going text, race_type text, distance text,
    race_class text, runners_count text, horse_name text, official_rating integer DEFAULT 0,
    age text, weight text, jockey text, trainer text, headgear text, stall_number integer,
    sp_favorite_position integer, industry_sp text, finishing_position text,
    winning_distance text, ip_min numeric(10, 4), ip_max numeric(10, 4),
    pre_race_min numeric(10, 4), pre_race_max numeric(10, 4), forecasted_odds numeric(10, 4),
    sp_win_return numeric(10, 4), ew_return numeric(10, 4), place_return numeric(10, 4),
    data_source text, file_source text DEFAULT 'Racing API', created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(), match_timestamp timestamptz
);
CREATE INDEX ra_odds_historical_by_date ON ra_odds_historical (date_of_race);
CREATE TABLE ra_odds_statistics (
    id serial PRIMARY KEY, fetch_timestamp timestamptz, race_id text, races_count integer,
    horses_count integer, bookmakers_found integer, total_odds_fetched integer,
    changed_count integer, bookmaker_list text, fetch_duration_ms numeric,
    errors_count integer DEFAULT 0, created_at timestamptz DEFAULT now()
);
CREATE VIEW ra_odds_live_latest AS
    SELECT DISTINCT ON (race_id, horse_id) race_id, horse_id, odds_decimal
    FROM ra_odds_live ORDER BY race_id, horse_id, fetched_at DESC;
CREATE TABLE my_bets (bet_id serial PRIMARY KEY, bookmaker_id text REFERENCES ra_bookmakers);
ALTER TABLE ra_odds_live ENABLE ROW LEVEL SECURITY;
CREATE POLICY anyone_reads ON ra_odds_live FOR SELECT USING (true);
"""

BOOKMAKERS = """
INSERT INTO ra_bookmakers VALUES
    ('bet365', 'Bet365', 'fixed', true, '2024-01-01'),
    ('betfair', 'Betfair', 'exchange', true, '2024-01-01'),
    ('SkyBet', 'Sky Bet', 'bookie', false, '2024-01-02'),
    ('skybet', 'SKYBET', NULL, true, NULL),
    ('x', NULL, 'fixed', true, '2024-01-01'),
    ('9', '***', 'fixed', true, '2024-01-01');
INSERT INTO my_bets (bookmaker_id) VALUES ('bet365'), ('betfair');
"""

LIVE = """
INSERT INTO ra_odds_live (
    race_id, race_date, race_time, off_dt, course, race_name, horse_id, horse_name, bookmaker_id,
    bookmaker_name, bookmaker_type, odds_decimal, odds_fractional, commission, fetched_at
)
SELECT
    'rac_' || race, $1::date, time '14:00' + race * interval '30 minutes',
    $1::date + time '13:00' + race * interval '30 minutes', 'Kempton (AW)', 'Race ' || race,
    'hrs_' || race * 10 + horse, 'Horse ' || race || chr(64 + horse), b.id, b.name, b.kind,
    2 + horse, 1 + horse || '/1', CASE WHEN b.kind = 'exchange' THEN 0.05 END,
    $1::date + time '12:00'
FROM generate_series(1, 3) AS race, generate_series(1, 8) AS horse,
    (VALUES ('bet365', 'Bet365', 'fixed'), ('betfair', 'Betfair', 'exchange'),
        (NULL, 'Nobody Knows Bet', NULL), (NULL, NULL, NULL)) AS b (id, name, kind);
INSERT INTO ra_odds_live (
    race_id, race_date, course, horse_id, horse_name, bookmaker_name, odds_decimal, market_status
) VALUES
    ('rac_1', $1, 'Kempton (AW)', 'hrs_11', 'Horse 1A', 'Bet365', 0, 'OPEN'),
    ('17', $1, 'Epsom', '18', 'Old Id', 'Bet365', 'NaN', 'CLOSED'),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""

STATISTICS = """
INSERT INTO ra_odds_statistics (
    fetch_timestamp, race_id, races_count, horses_count, bookmakers_found, total_odds_fetched,
    changed_count, bookmaker_list, fetch_duration_ms
) VALUES
    ('2024-06-12 10:00+00', NULL, 46, 430, 2, 12000, 17, '["Bet365", "Betfair"]', 812.4),
    ('2024-06-12 10:05+00', NULL, 46, 430, 2, 12000, 3, '{Bet365,Betfair}', 900),
    ('2024-06-12 10:05+00', NULL, 46, 430, 2, 12000, 3, NULL, 900),
    ('2024-06-12 10:10+00', NULL, 46, 430, 2, 12000, NULL, NULL, 900),
    ('2024-06-12 10:10+00', 'rac_1', 1, 8, 2, 16, 0, NULL, 10),
    (NULL, NULL, 1, 1, 1, 1, 1, NULL, 1);
"""

# A day that the live prices know, with ids to be found; and days that only these rows know.
PAST = """
INSERT INTO ra_odds_historical (
    date_of_race, country, track, race_time, race_name, race_class, runners_count, horse_name, age,
    weight, jockey, industry_sp, finishing_position, ip_min, ip_max, pre_race_min, sp_win_return
)
SELECT
    $1::timestamptz, 'GB', 'KEMPTON', (1 + race) || ':30', 'Race ' || race, '4', '8.0',
    'HORSE ' || race || chr(64 + horse) || ' (IRE)', '5.0', '9-' || horse, 'J Smith',
    (2 + horse)::text, horse::text, 1.5, 20, 3.2, CASE horse WHEN 1 THEN 3 ELSE -1 END
FROM generate_series(1, 3) AS race, generate_series(1, 8) AS horse;
INSERT INTO ra_odds_historical (
    date_of_race, country, track, race_time, runners_count, horse_name, weight, industry_sp,
    finishing_position, sp_win_return
)
SELECT
    ($2::date + day)::timestamptz, CASE WHEN race = 5 THEN 'Ireland' ELSE 'UK' END,
    'Course ' || race, '13:' || 10 + race, '10', 'Past ' || day || '-' || race || '-' || horse,
    '130', '9/4F', horse || '.0', CASE horse WHEN 1 THEN 3.25 ELSE 0 END
FROM generate_series(0, $3 - 1) AS day, generate_series(1, 5) AS race,
    generate_series(1, 10) AS horse;
"""

DIRT = """
INSERT INTO ra_odds_historical (
    date_of_race, country, track, race_time, runners_count, horse_name, age, weight, industry_sp,
    finishing_position, winning_distance
) VALUES
    (NULL, 'GB', 'Ascot', '14:00', '8', 'No Day', '4', NULL, NULL, NULL, NULL),
    ('2016-01-02', 'GB', NULL, '14:00', '8', 'No Course', '4', NULL, NULL, NULL, NULL),
    ('2016-01-02', 'GB', 'Ascot', 'soon', '8', 'No Time', '4', NULL, NULL, NULL, NULL),
    ('2016-01-02', '?', 'Ascot', '14:00', '8', 'No Country', '4', NULL, NULL, NULL, NULL),
    ('2016-01-02', 'GB', 'Ascot', '14:00', '8', ' - ', '4', NULL, NULL, NULL, NULL),
    ('2016-01-02', 'GB', 'Ascot', '14:00', NULL, 'No Runners', '4', NULL, NULL, NULL, NULL),
    ('2016-01-02', 'GB', 'Ascot', '2:00', '8', 'Twice Told', '4', '9-0', '3.5', '1', 'nk'),
    ('2016-01-02', 'GB', 'ASCOT', '14:00:00', '8', 'TWICE TOLD', '4', '9-0', '3.5', '1', NULL),
    ('2016-01-02', 'GB', 'Ascot', '14:00', '8', 'Odd Facts', 'old', '9-99', '0.5', '-3', '1.25'),
    ('2016-01-02', 'IRE', 'Cork', '14:00', '8', 'Never Ran', '3.0', '123', '0', 'NR', NULL);
"""


async def make_earlier_system(url: str, *, past_days: int = 3) -> dict[str, int]:
    """Make it in an empty database; how many rows each table has."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SCHEMA)
        await connection.execute(BOOKMAKERS)
        await _fill(connection, LIVE, DAY)
        await connection.execute(STATISTICS)
        await _fill(connection, PAST, DAY, FIRST_PAST_DAY, past_days)
        await connection.execute(DIRT)
        return {name: await _count(connection, f"public.{name}") for name in TABLES}
    finally:
        await connection.close()


TABLES = ("ra_bookmakers", "ra_odds_statistics", "ra_odds_live", "ra_odds_historical")


async def _fill(connection: Any, statements: str, *values: Any) -> None:
    for number, value in reversed(list(enumerate(values, 1))):
        literal = f"'{value}'" if isinstance(value, date) else str(value)
        statements = statements.replace(f"${number}", literal)
    await connection.execute(statements)


async def _count(connection: Any, table: str) -> int:
    rows: int = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608  # our own names
    return rows


async def contents(url: str, schema: str) -> dict[str, list[str]]:
    """Every row of the earlier system's tables, as text."""
    connection = await asyncpg.connect(url)
    try:
        return {
            name: sorted(
                row[0]
                for row in await connection.fetch(f"SELECT t::text FROM {schema}.{name} AS t")  # noqa: S608  # our own names
            )
            for name in TABLES
        }
    finally:
        await connection.close()


def day_after(days: int) -> date:
    return FIRST_PAST_DAY + timedelta(days=days)
