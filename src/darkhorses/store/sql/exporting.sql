-- name: export_limits(statement_timeout, idle_timeout)
-- Limit this transaction alone: a reader that stands still is not to hold a snapshot for ever.
SELECT
    set_config('statement_timeout', :statement_timeout, true),
    set_config('idle_in_transaction_session_timeout', :idle_timeout, true);

-- name: export_columns(relation)
-- The columns of a table, in its order, with what their types can hold.
SELECT column_name::text AS name, data_type::text AS data_type,
    numeric_precision::integer AS digits, numeric_scale::integer AS scale
FROM information_schema.columns
WHERE table_schema = ANY(current_schemas(false)) AND table_name = :relation
ORDER BY ordinal_position;

-- name: export_fetch!
-- The next rows of the export of this transaction; taken by its text, since aiosql knows no FETCH.
FETCH FORWARD 5000 FROM export;

-- name: export_historical_odds(from_day, to_day, course, horse, trainer, jockey)!
-- Begin an export of historical odds, day by day.
DECLARE export NO SCROLL CURSOR FOR
SELECT * FROM ra_odds_historical
WHERE date_of_race BETWEEN :from_day::date AND :to_day::date
    AND (:course::text IS NULL OR lower(track) = lower(:course::text))
    AND (:horse::text IS NULL OR lower(horse_name) = lower(:horse::text))
    AND (:trainer::text IS NULL OR lower(trainer) = lower(:trainer::text))
    AND (:jockey::text IS NULL OR lower(jockey) = lower(:jockey::text))
ORDER BY date_of_race, race_id, horse_id;

-- name: export_historical_odds_count(from_day, to_day, course, horse, trainer, jockey)$
-- How many rows such an export has.
SELECT count(*) FROM ra_odds_historical
WHERE date_of_race BETWEEN :from_day::date AND :to_day::date
    AND (:course::text IS NULL OR lower(track) = lower(:course::text))
    AND (:horse::text IS NULL OR lower(horse_name) = lower(:horse::text))
    AND (:trainer::text IS NULL OR lower(trainer) = lower(:trainer::text))
    AND (:jockey::text IS NULL OR lower(jockey) = lower(:jockey::text));

-- name: export_results(from_day, to_day, course, region)!
-- Begin an export of the results' race facts, by off time.
DECLARE export NO SCROLL CURSOR FOR
SELECT * FROM ra_results
WHERE race_date BETWEEN :from_day::date AND :to_day::date
    AND (:course::text IS NULL OR lower(course) = lower(:course::text))
    AND (:region::text IS NULL OR lower(region) = lower(:region::text))
ORDER BY race_date, off_dt, race_id;

-- name: export_results_count(from_day, to_day, course, region)$
-- How many rows such an export has.
SELECT count(*) FROM ra_results
WHERE race_date BETWEEN :from_day::date AND :to_day::date
    AND (:course::text IS NULL OR lower(course) = lower(:course::text))
    AND (:region::text IS NULL OR lower(region) = lower(:region::text));

-- name: export_race_days(from_day, to_day, region)!
-- Begin an export of the ledger of race days.
DECLARE export NO SCROLL CURSOR FOR
SELECT * FROM race_days
WHERE race_date BETWEEN :from_day::date AND :to_day::date
    AND (:region::text IS NULL OR lower(region) = lower(:region::text))
ORDER BY race_date, region;

-- name: export_race_days_count(from_day, to_day, region)$
-- How many rows such an export has.
SELECT count(*) FROM race_days
WHERE race_date BETWEEN :from_day::date AND :to_day::date
    AND (:region::text IS NULL OR lower(region) = lower(:region::text));

-- name: export_odds_changes(from_day, to_day, bookmaker, race_id)!
-- Begin an export of the log of price changes, in the order of the log.
DECLARE export NO SCROLL CURSOR FOR
SELECT change_id, race_date, race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional,
    changed_at, seen_at, source
FROM odds_log_entries
WHERE race_no >= first_race_no(:from_day::date) AND race_no < first_race_no(:to_day::date + 1)
    AND (:bookmaker::text IS NULL OR bookmaker_id = :bookmaker::text)
    AND (:race_id::text IS NULL OR race_id = :race_id::text)
ORDER BY change_id / 128, change_id;

-- name: export_odds_changes_count(from_day, to_day, bookmaker, race_id)$
-- How many rows such an export has.
SELECT count(*) FROM odds_log_entries
WHERE race_no >= first_race_no(:from_day::date) AND race_no < first_race_no(:to_day::date + 1)
    AND (:bookmaker::text IS NULL OR bookmaker_id = :bookmaker::text)
    AND (:race_id::text IS NULL OR race_id = :race_id::text);
