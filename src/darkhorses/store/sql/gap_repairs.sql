-- name: repairable_races(first_day, regions)
-- Races of some regions from a day on that have no final repair, with what decides whether it is time for one.
SELECT
    race.race_id, race.race_date, race.off_dt, lower(race.region) AS region, race.race_status,
    race.is_abandoned, race.odds_changed_at AS last_change_at,
    (
        SELECT count(*) FROM ra_runners AS runner
        WHERE runner.race_id = race.race_id AND runner.removed_at IS NULL
            AND NOT runner.is_non_runner AND NOT runner.is_reserve
    ) AS runners,
    repair.occasion, repair.state, repair.outage_to
FROM ra_races AS race
LEFT JOIN ra_gap_repairs AS repair USING (race_id)
WHERE race.race_date >= :first_day::date
    AND lower(race.region) = ANY (:regions::text[])
    AND NOT coalesce(
        repair.occasion = 'end' AND repair.state IN ('repaired', 'impossible'), false
    );

-- name: runners_to_repair(race_id)
-- The runners of a race that may have been quoted: not the reserves that never got a run.
SELECT horse_id FROM ra_runners
WHERE race_id = :race_id AND NOT is_reserve
ORDER BY horse_number NULLS LAST, horse_id;

-- name: runners_asked(race_id)
-- What the feed answered about the runners of a race so far.
SELECT horse_id, outcome, asked_at, error, history FROM ra_gap_repair_runners
WHERE race_id = :race_id;

-- name: newest_change_of_race(race_date, race_id)$
-- The number of the newest entry of the log about a race; 0 when there is none.
SELECT coalesce(max(change_id), 0) FROM odds_log_entries
WHERE race_no = (
    SELECT races.race_no FROM odds_log_races AS races
    WHERE races.race_id = :race_id
        AND races.race_no / 10000 = first_race_no(:race_date::date) / 10000
)
    AND race_no >= first_race_no(:race_date::date)
    AND race_no < first_race_no(:race_date::date + 1);

-- name: repairs_of_races(race_ids)
-- The ledger's rows of some races.
SELECT race_id, race_date, region, occasion, state, outage_from, outage_to, runners_asked,
    runners_not_found, runners_failed, points, seen, added, unplaced, lag_count,
    lag_median_seconds, lag_p90_seconds, lag_max_seconds, reason, started_at, repaired_at
FROM ra_gap_repairs
WHERE race_id = ANY(:race_ids::text[]);
