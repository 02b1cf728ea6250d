-- name: price_changes_of_race(race_id, race_date, horse_id, until)
-- A race's price changes up to a moment, of one runner or (NULL) of all, as they took effect.
SELECT change_id, horse_id, bookmaker_id, odds_decimal, odds_fractional,
    coalesce(changed_at, seen_at) AS effective_at, seen_at, source
FROM odds_log_entries
WHERE race_no = (
    SELECT races.race_no FROM odds_log_races AS races
    WHERE races.race_id = :race_id
        AND races.race_no / 10000 = first_race_no(:race_date::date) / 10000
)
    AND race_no >= first_race_no(:race_date::date)
    AND race_no < first_race_no(:race_date::date + 1)
    AND (:horse_id::text IS NULL OR horse_id = :horse_id)
    AND (:until::timestamptz IS NULL OR coalesce(changed_at, seen_at) <= :until)
ORDER BY coalesce(changed_at, seen_at), change_id;
