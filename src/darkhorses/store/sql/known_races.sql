-- name: races_known(race_ids)
-- The stored facts of some races, and when the newest entry of each one's price log took effect.
SELECT
    race_id, race_date, off_dt, off_time, course_id, course, region, race_name, race_class,
    race_type, pattern, distance, distance_f, going, surface, age_band, rating_band, prize,
    field_size, race_status, is_abandoned, odds_refreshed_at, odds_changed_at, checked_at,
    (
        SELECT max(coalesce(log.changed_at, log.seen_at)) FROM odds_log AS log
        WHERE log.race_no = (
            SELECT races.race_no FROM odds_log_races AS races
            WHERE races.race_id = ra_races.race_id
                AND races.race_no / 10000 = first_race_no(ra_races.race_date) / 10000
        )
    ) AS logged_until
FROM ra_races
WHERE race_id = ANY(:race_ids::text[]);

-- name: runners_known(race_ids)
-- The runners that were on the cards of some races when they were last looked at.
SELECT
    race_id, horse_id, horse_name, horse_number, draw, jockey, jockey_id, jockey_claim_lbs,
    trainer, trainer_id, age, weight_lbs, headgear, form, official_rating, silk_url,
    is_non_runner, is_reserve
FROM ra_runners
WHERE race_id = ANY(:race_ids::text[]) AND removed_at IS NULL;

-- name: quotes_known(race_ids)
-- The last quotes on some races.
SELECT race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional, ew_places, ew_denom
FROM ra_odds_live
WHERE race_id = ANY(:race_ids::text[]);
