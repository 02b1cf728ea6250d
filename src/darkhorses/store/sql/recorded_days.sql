-- name: races_last_written(race_ids)
-- When what is said of these races themselves was last changed: for a race that is over, its end.
SELECT race_id, updated_at FROM ra_races WHERE race_id = ANY(:race_ids::text[]);
