-- name: race_days_between(first_day, last_day, regions)
-- What the ledger says of the days of some regions; days that it does not know are not there.
SELECT race_date, region, cards, results, races_count, results_count, rows_count, attempts, reason,
    checked_at, completed_at,
    (
        SELECT max(repair.repaired_at) FROM ra_gap_repairs AS repair
        WHERE repair.race_date = race_days.race_date AND repair.region = race_days.region
            AND repair.added > 0
    ) AS repaired_at
FROM race_days
WHERE race_date BETWEEN :first_day AND :last_day AND region = ANY(:regions::text[])
ORDER BY race_date, region;

-- name: race_days_newest_first(first_day, last_day, region)
-- What the ledger says of the days of one region or of all, the newest first.
SELECT race_date, region, cards, results, races_count, results_count, rows_count, attempts, reason,
    checked_at, completed_at,
    (
        SELECT max(repair.repaired_at) FROM ra_gap_repairs AS repair
        WHERE repair.race_date = race_days.race_date AND repair.region = race_days.region
            AND repair.added > 0
    ) AS repaired_at
FROM race_days
WHERE race_date BETWEEN :first_day::date AND :last_day::date
    AND (:region::text IS NULL OR region = lower(:region::text))
ORDER BY race_date DESC, region;

-- name: race_day_serialize(race_date, region)^
-- One writer at a time for a day of a region; the lock ends with the transaction.
SELECT pg_advisory_xact_lock((:race_date::date - date '2000-01-01'), hashtext('race_days ' || :region));

-- name: race_day_checked_at(race_date, region)$
-- When a day of a region was last read.
SELECT checked_at FROM race_days WHERE race_date = :race_date AND region = :region;

-- name: race_day_write(race_date, region, cards, results, races_count, results_count, rows_count, reason, checked_at, is_complete)!
-- Note what a reading of a day brought; completed_at is the first time that it was complete.
INSERT INTO race_days AS day (
    race_date, region, cards, results, races_count, results_count, rows_count, attempts, reason,
    checked_at, completed_at
)
VALUES (
    :race_date, :region, :cards, :results, :races_count, :results_count, :rows_count, 1, :reason,
    :checked_at, CASE WHEN :is_complete::boolean THEN :checked_at::timestamptz END
)
ON CONFLICT (race_date, region) DO UPDATE
SET cards = excluded.cards,
    results = excluded.results,
    races_count = excluded.races_count,
    results_count = excluded.results_count,
    rows_count = excluded.rows_count,
    attempts = day.attempts + 1,
    reason = excluded.reason,
    checked_at = excluded.checked_at,
    completed_at = CASE
        WHEN :is_complete::boolean THEN coalesce(day.completed_at, excluded.completed_at)
    END;

-- name: race_day_failed(race_date, region, reason)!
-- Note that a day could not be read; a day that was read before keeps what it had.
INSERT INTO race_days AS day (race_date, region, attempts, reason)
VALUES (:race_date, :region, 1, :reason)
ON CONFLICT (race_date, region) DO UPDATE
SET attempts = day.attempts + 1, reason = excluded.reason;
