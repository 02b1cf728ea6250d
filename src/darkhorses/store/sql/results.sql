-- name: results_page(from_day, to_day, course, region, row_limit, row_offset)
-- Race facts of results, the newest first.
SELECT *
FROM ra_results
WHERE race_date BETWEEN :from_day::date AND :to_day::date
    AND (:course::text IS NULL OR lower(course) = lower(:course::text))
    AND (:region::text IS NULL OR lower(region) = lower(:region::text))
ORDER BY race_date DESC, off_dt DESC, race_id
LIMIT :row_limit OFFSET :row_offset;

-- name: winners_of_races(race_ids)
-- The horses that won some races, dead heats included.
SELECT race_id, horse_id, horse_name, horse_number, jockey, trainer, industry_sp,
    industry_sp_fractional, sp_favorite_mark
FROM ra_odds_historical
WHERE race_id = ANY(:race_ids::text[]) AND position_no = 1
ORDER BY race_id, horse_number NULLS LAST, horse_id;

-- name: result_of_race(race_id)^
-- The race facts of one result.
SELECT * FROM ra_results WHERE race_id = :race_id;

-- name: revisions_of_race(race_id)
-- What the rows of a race said before they were corrected, the newest correction first.
SELECT horse_id, superseded_at, said
FROM ra_odds_historical_revisions
WHERE race_id = :race_id
ORDER BY revision_id DESC;

-- name: race_without_result(race_id)^
-- Whether a race is known at all, and whether its bets were given back.
SELECT
    coalesce(bool_or(known), false) AS is_known,
    coalesce(bool_or(is_void), false) AS is_void
FROM (
    SELECT true, is_abandoned FROM ra_races WHERE race_id = :race_id
    UNION ALL
    SELECT count(*) > 0, coalesce(bool_and(sp_win_return IS NOT DISTINCT FROM 1), false)
    FROM ra_odds_historical WHERE race_id = :race_id
) AS told (known, is_void);
