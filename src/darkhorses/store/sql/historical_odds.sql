-- name: historical_odds_page(from_day, to_day, course, horse, trainer, jockey, after_day, after_off_dt, after_race_id, after_number, after_horse_id, row_limit, row_offset)
-- Rows of historical odds, newest first; those after a place in this order when one is given.
SELECT *
FROM ra_odds_historical
WHERE date_of_race BETWEEN :from_day::date AND least(:to_day::date, :after_day::date)
    AND (:course::text IS NULL OR lower(track) = lower(:course::text))
    AND (:horse::text IS NULL OR lower(horse_name) = lower(:horse::text))
    AND (:trainer::text IS NULL OR lower(trainer) = lower(:trainer::text))
    AND (:jockey::text IS NULL OR lower(jockey) = lower(:jockey::text))
    AND (
        :after_day::date IS NULL
        OR date_of_race < :after_day::date
        OR off_dt < :after_off_dt::timestamptz
        OR (
            off_dt = :after_off_dt::timestamptz
            AND (race_id, coalesce(horse_number, 32767), horse_id)
                > (:after_race_id::text, :after_number::integer, :after_horse_id::text)
        )
    )
ORDER BY date_of_race DESC, off_dt DESC, race_id, coalesce(horse_number, 32767), horse_id
LIMIT :row_limit OFFSET :row_offset;

-- name: historical_odds_of_race(race_id)
-- The rows of a race in the order of its result; who has no place comes last, by number.
SELECT *
FROM ra_odds_historical
WHERE race_id = :race_id
ORDER BY position_no NULLS LAST, is_non_runner, horse_number NULLS LAST, horse_id;

-- name: historical_odds_by_year_and_region()
-- What the ledger says was collected, by year and region.
SELECT
    extract(year FROM race_date)::integer AS year,
    region,
    count(*) AS days,
    count(*) FILTER (WHERE 'missing' IN (cards, results)) AS days_missing,
    count(*) FILTER (WHERE cards = 'complete' AND results = 'complete') AS days_complete,
    sum(races_count)::bigint AS races,
    sum(results_count)::bigint AS results,
    sum(rows_count)::bigint AS records,
    min(race_date) FILTER (WHERE rows_count > 0) AS earliest_date,
    max(race_date) FILTER (WHERE rows_count > 0) AS latest_date
FROM race_days
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: historical_odds_by_source()
-- How many rows have their prices from where; an index says it.
SELECT data_source, count(*) AS records FROM ra_odds_historical GROUP BY data_source ORDER BY 1;

-- name: historical_odds_tracks()$
-- How many courses the rows are of: from name to name through the index, past all their rows.
WITH RECURSIVE tracks AS (
    (SELECT lower(track) AS track FROM ra_odds_historical ORDER BY lower(track) LIMIT 1)
    UNION ALL
    SELECT (
        SELECT lower(later.track)
        FROM ra_odds_historical AS later
        WHERE lower(later.track) > tracks.track
        ORDER BY lower(later.track)
        LIMIT 1
    )
    FROM tracks
    WHERE tracks.track IS NOT NULL
)
SELECT count(track) FROM tracks;
