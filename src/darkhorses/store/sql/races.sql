-- name: races_after_revision(revision, from_day)
-- Races from a day on that were looked at, or changed, since a revision.
SELECT race_id, race_date, off_dt, off_time, course_id, course, region, race_name, race_class,
    race_type, pattern, distance, distance_f, going, surface, age_band, rating_band, prize,
    field_size, race_status, is_abandoned, odds_refreshed_at, odds_changed_at, checked_at, revision
FROM ra_races
WHERE race_date >= :from_day AND revision > :revision
ORDER BY off_dt, race_id;

-- name: races_of_day(race_day)
-- Every race of one race day.
SELECT race_id, race_date, off_dt, off_time, course_id, course, region, race_name, race_class,
    race_type, pattern, distance, distance_f, going, surface, age_band, rating_band, prize,
    field_size, race_status, is_abandoned, odds_refreshed_at, odds_changed_at, checked_at, revision
FROM ra_races
WHERE race_date = :race_day
ORDER BY off_dt, race_id;

-- name: race_with_id(race_id)
-- One race.
SELECT race_id, race_date, off_dt, off_time, course_id, course, region, race_name, race_class,
    race_type, pattern, distance, distance_f, going, surface, age_band, rating_band, prize,
    field_size, race_status, is_abandoned, odds_refreshed_at, odds_changed_at, checked_at, revision
FROM ra_races
WHERE race_id = :race_id;

-- name: runners_after_revision(race_ids, revision)
-- Runners of some races that changed since a revision, those taken off the card included.
SELECT race_id, horse_id, horse_name, horse_number, draw, jockey, jockey_id, jockey_claim_lbs,
    trainer, trainer_id, age, weight_lbs, headgear, form, official_rating, silk_url,
    is_non_runner, non_runner_at, is_reserve, removed_at, updated_at, revision
FROM ra_runners
WHERE race_id = ANY(:race_ids::text[]) AND revision > :revision;
