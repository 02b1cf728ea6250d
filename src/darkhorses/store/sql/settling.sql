-- name: settling_race(race_id)^
-- A race's facts, how it ended as far as is known, and when that was last amended.
SELECT
    coalesce(race.race_date, result.race_date) AS race_date,
    coalesce(race.off_dt, result.off_dt) AS off_dt,
    coalesce(race.race_name, result.race_name) AS race_name,
    coalesce(race.is_abandoned, false) AS is_abandoned,
    result.runners_count AS ran,
    CASE WHEN result.race_id IS NOT NULL THEN result.is_provisional
        ELSE day.results IS DISTINCT FROM 'complete'
    END AS is_provisional,
    result.updated_at AS result_at,
    (
        SELECT max(superseded_at)
        FROM ra_odds_historical_revisions
        WHERE race_id = asked.race_id
            AND (said ->> 'finishing_position' IS NOT NULL
                OR said ->> 'is_non_runner' IS NOT NULL)
    ) AS amended_at
FROM (SELECT :race_id::text AS race_id) AS asked
LEFT JOIN ra_races AS race USING (race_id)
LEFT JOIN ra_results AS result USING (race_id)
LEFT JOIN race_days AS day
    ON day.race_date = coalesce(race.race_date, result.race_date)
    AND day.region = lower(coalesce(race.region, result.region))
WHERE race.race_id IS NOT NULL OR result.race_id IS NOT NULL;

-- name: settling_runners(race_id)
-- A race's runners: what their card said last, and how they ended; a result's word goes first.
SELECT
    coalesce(card.horse_id, past.horse_id) AS horse_id,
    coalesce(card.horse_name, past.horse_name) AS horse_name,
    coalesce(past.is_non_runner, card.is_non_runner) AS is_non_runner,
    coalesce(card.is_reserve, false) AS is_reserve,
    card.non_runner_at,
    card.horse_id IS NOT NULL AND card.removed_at IS NULL AS is_on_card,
    past.horse_id IS NOT NULL AS has_ended,
    past.position_no,
    past.finishing_position,
    coalesce(past.dead_heat_count, 1) AS tied,
    coalesce(past.position_no IS NULL AND past.sp_win_return = 1, false) AS is_void
FROM (SELECT * FROM ra_runners WHERE race_id = :race_id) AS card
FULL JOIN (SELECT * FROM ra_odds_historical WHERE race_id = :race_id) AS past USING (horse_id)
ORDER BY coalesce(card.horse_number, past.horse_number) NULLS LAST, horse_id;

-- name: settling_terms(race_id, horse_id, bookmaker_id)^
-- A bookmaker's latest each-way terms on a runner, or else on another of its race.
SELECT ew_places AS places, ew_denom AS denominator
FROM ra_odds_live
WHERE race_id = :race_id AND bookmaker_id = :bookmaker_id
    AND ew_places IS NOT NULL AND ew_denom IS NOT NULL
ORDER BY horse_id = :horse_id DESC, updated_at DESC, horse_id
LIMIT 1;
