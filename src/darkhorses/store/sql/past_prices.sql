-- name: races_in_change_log(race_date, race_ids)
-- Which of these races the change log has anything of.
SELECT asked.race_id
FROM unnest(:race_ids::text[]) AS asked (race_id)
WHERE EXISTS (
    SELECT FROM odds_log_races AS races
    JOIN odds_log USING (race_no)
    WHERE races.race_id = asked.race_id
        AND races.race_no / 10000 = first_race_no(:race_date::date) / 10000
        AND odds_log.race_no >= first_race_no(:race_date::date)
        AND odds_log.race_no < first_race_no(:race_date::date + 1)
);

-- name: change_log_of_race(race_date, race_id, horse_ids)
-- Every price change of a race, or of some of its runners, as they took effect, runner by runner.
SELECT horse_id, bookmaker_id, odds_decimal, odds_fractional,
    coalesce(changed_at, seen_at) AS effective_at
FROM odds_log_entries
WHERE race_no = (
    SELECT races.race_no FROM odds_log_races AS races
    WHERE races.race_id = :race_id
        AND races.race_no / 10000 = first_race_no(:race_date::date) / 10000
)
    AND race_no >= first_race_no(:race_date::date)
    AND race_no < first_race_no(:race_date::date + 1)
    AND (:horse_ids::text[] IS NULL OR horse_id = ANY(:horse_ids::text[]))
ORDER BY horse_id, coalesce(changed_at, seen_at), change_id;

-- name: last_price_of_race(race_date, race_id)$
-- When the last price of a race was put up; pulled ones are none.
SELECT max(coalesce(changed_at, seen_at))
FROM odds_log_entries
WHERE race_no = (
    SELECT races.race_no FROM odds_log_races AS races
    WHERE races.race_id = :race_id
        AND races.race_no / 10000 = first_race_no(:race_date::date) / 10000
)
    AND race_no >= first_race_no(:race_date::date)
    AND race_no < first_race_no(:race_date::date + 1)
    AND odds_decimal IS NOT NULL;

-- name: saddle_cloth_numbers(race_ids)
-- The numbers that the runners of some races had when we looked at them.
SELECT race_id, horse_id, horse_number
FROM ra_runners
WHERE race_id = ANY(:race_ids::text[]) AND horse_number IS NOT NULL;
