-- name: adoption_limits(statement_timeout)^
-- Limit the statements of this transaction; fail rather than leave out rows that a policy hides.
SELECT
    set_config('statement_timeout', :statement_timeout, true),
    set_config('row_security', 'off', true);

-- name: adoption_next()^
-- The table to read from and where; nobody else reads on before this transaction ends.
SELECT table_name, next_block,
    pg_relation_size('darkhorses_legacy.' || table_name) / current_setting('block_size')::bigint
        AS blocks
FROM adopted_tables
WHERE finished_at IS NULL
ORDER BY step
LIMIT 1
FOR UPDATE;

-- name: adoption_move_on(table_name, next_block, finished)!
-- Note how far a table has been read.
UPDATE adopted_tables
SET next_block = :next_block,
    finished_at = CASE WHEN :finished::boolean THEN clock_timestamp() END
WHERE table_name = :table_name;

-- name: adoption_count(table_name, outcomes, reasons, counts)!
-- Add to what became of a table's rows.
INSERT INTO adoption_outcomes AS stored (table_name, outcome, reason, counted)
SELECT :table_name::text, o.outcome, o.reason, o.counted
FROM unnest(:outcomes::text[], :reasons::text[], :counts::bigint[]) AS o (outcome, reason, counted)
ON CONFLICT (table_name, outcome, reason)
DO UPDATE SET counted = stored.counted + excluded.counted;

-- name: legacy_bookmakers(first_block, end_block)
-- Rows of the earlier system's bookmakers.
SELECT to_jsonb(legacy)::text AS row
FROM darkhorses_legacy.ra_bookmakers AS legacy
WHERE ctid >= format('(%s,0)', :first_block::bigint)::tid
    AND ctid < format('(%s,0)', :end_block::bigint)::tid;

-- name: legacy_statistics(first_block, end_block)
-- Rows of the earlier system's poll cycles.
SELECT to_jsonb(legacy)::text AS row
FROM darkhorses_legacy.ra_odds_statistics AS legacy
WHERE ctid >= format('(%s,0)', :first_block::bigint)::tid
    AND ctid < format('(%s,0)', :end_block::bigint)::tid;

-- name: legacy_historical(first_block, end_block)
-- Rows of the earlier system's past races.
SELECT to_jsonb(legacy)::text AS row
FROM darkhorses_legacy.ra_odds_historical AS legacy
WHERE ctid >= format('(%s,0)', :first_block::bigint)::tid
    AND ctid < format('(%s,0)', :end_block::bigint)::tid;

-- name: legacy_live_bookmakers(first_block, end_block)
-- Who quotes in the earlier system's live prices, how often and until when.
SELECT
    said.row ->> 'bookmaker_id' AS bookmaker_id,
    said.row ->> 'bookmaker_name' AS bookmaker_name,
    said.row ->> 'bookmaker_type' AS bookmaker_type,
    max(said.row ->> 'fetched_at') AS fetched_at,
    count(*) AS prices
FROM (
    SELECT to_jsonb(legacy) AS row
    FROM darkhorses_legacy.ra_odds_live AS legacy
    WHERE ctid >= format('(%s,0)', :first_block::bigint)::tid
        AND ctid < format('(%s,0)', :end_block::bigint)::tid
) AS said
GROUP BY 1, 2, 3;

-- name: legacy_live_runners(first_block, end_block)
-- The runners of the earlier system's live prices, which have the feed's ids.
SELECT DISTINCT
    said.row ->> 'race_date' AS race_date,
    said.row ->> 'race_id' AS race_id,
    said.row ->> 'horse_id' AS horse_id,
    said.row ->> 'course' AS course,
    said.row ->> 'horse_name' AS horse_name
FROM (
    SELECT to_jsonb(legacy) AS row
    FROM darkhorses_legacy.ra_odds_live AS legacy
    WHERE ctid >= format('(%s,0)', :first_block::bigint)::tid
        AND ctid < format('(%s,0)', :end_block::bigint)::tid
) AS said;

-- name: adopt_bookmakers(bookmaker_ids, bookmaker_names, bookmaker_types, last_quoted, created)
-- Let bookmakers in that are not known, as active when they are known to quote; those that came in.
INSERT INTO ra_bookmakers (
    bookmaker_id, bookmaker_name, bookmaker_type, active, last_quoted_at, created_at
)
SELECT DISTINCT ON (b.bookmaker_id)
    b.bookmaker_id, b.bookmaker_name, b.bookmaker_type, b.last_quoted IS NOT NULL, b.last_quoted,
    b.created
FROM unnest(
    :bookmaker_ids::text[], :bookmaker_names::text[], :bookmaker_types::text[],
    :last_quoted::timestamptz[], :created::timestamptz[]
) AS b (bookmaker_id, bookmaker_name, bookmaker_type, last_quoted, created)
ORDER BY b.bookmaker_id, b.created
ON CONFLICT (bookmaker_id) DO NOTHING
RETURNING bookmaker_id;

-- name: adopt_last_quotes(bookmaker_ids, last_quoted)!
-- Note when bookmakers last quoted, where nothing later is known.
UPDATE ra_bookmakers
SET active = true, last_quoted_at = told.last_quoted
FROM (
    SELECT bookmaker_id, max(last_quoted) AS last_quoted
    FROM unnest(:bookmaker_ids::text[], :last_quoted::timestamptz[])
        AS t (bookmaker_id, last_quoted)
    GROUP BY bookmaker_id
) AS told
WHERE ra_bookmakers.bookmaker_id = told.bookmaker_id
    AND told.last_quoted > coalesce(ra_bookmakers.last_quoted_at, '-infinity');

-- name: adopt_cycles(cycles)
-- Bring poll cycles over, one for each time; the times of those that were.
INSERT INTO ra_odds_statistics (
    fetch_timestamp, races_count, horses_count, bookmakers_found, total_odds_fetched,
    changed_count, bookmaker_list, fetch_duration_ms, errors_count
)
SELECT DISTINCT ON (c.fetch_timestamp)
    c.fetch_timestamp, c.races_count, c.horses_count, c.bookmakers_found, c.total_odds_fetched,
    c.changed_count, c.bookmaker_list, c.fetch_duration_ms, c.errors_count
FROM jsonb_populate_recordset(NULL::ra_odds_statistics, :cycles::jsonb) AS c
WHERE NOT EXISTS (
    SELECT FROM ra_odds_statistics AS known WHERE known.fetch_timestamp = c.fetch_timestamp
)
ORDER BY c.fetch_timestamp
RETURNING fetch_timestamp;

-- name: adopt_runners(race_dates, horse_keys, race_ids, horse_ids, course_keys)!
-- Keep the feed's ids of runners for the historical rows.
INSERT INTO adoption_runners (race_date, horse_key, race_id, horse_id, course_key)
SELECT r.race_date, r.horse_key, r.race_id, r.horse_id, r.course_key
FROM unnest(
    :race_dates::date[], :horse_keys::text[], :race_ids::text[], :horse_ids::text[],
    :course_keys::text[]
) AS r (race_date, horse_key, race_id, horse_id, course_key)
ON CONFLICT DO NOTHING;

-- name: adoption_runners_of(race_dates, horse_keys)
-- The runners with the feed's ids that historical rows may mean.
SELECT r.race_date, r.horse_key, r.race_id, r.horse_id, r.course_key
FROM adoption_runners AS r
JOIN (
    SELECT DISTINCT race_date, horse_key
    FROM unnest(:race_dates::date[], :horse_keys::text[]) AS a (race_date, horse_key)
) AS asked USING (race_date, horse_key);

-- name: adoption_days_told(race_dates)
-- Those of the days that the feed has told, by region.
SELECT race_date, region FROM race_days
WHERE race_date = ANY(:race_dates::date[]) AND checked_at IS NOT NULL AND rows_count > 0;

-- name: adopt_historical(rows)
-- Bring historical rows over where nobody has told of that runner; those that were.
INSERT INTO ra_odds_historical
SELECT told.*
FROM jsonb_populate_recordset(NULL::ra_odds_historical, :rows::jsonb) AS told
ON CONFLICT (race_id, horse_id) DO NOTHING
RETURNING race_id, horse_id;

-- name: adopt_race_days(reason)!
-- Let the ledger know of days that only the earlier system told: they are missing, and have rows.
INSERT INTO race_days AS day (race_date, region, reason, races_count, rows_count)
SELECT date_of_race, lower(country), :reason::text, count(DISTINCT race_id), count(*)
FROM ra_odds_historical
WHERE data_source = 'earlier'
GROUP BY 1, 2
ON CONFLICT (race_date, region) DO UPDATE
SET reason = excluded.reason,
    races_count = excluded.races_count,
    rows_count = excluded.rows_count
WHERE day.checked_at IS NULL;

-- name: analyze_historical#
-- Let the planner know of what came in.
ANALYZE ra_odds_historical;
