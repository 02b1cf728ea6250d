-- name: quarantine_latest(most)
-- The pieces of the feed that could not be understood, those seen last first.
SELECT kind, race_id, horse_id, reason, seen_count, first_seen_at, last_seen_at
FROM quarantine
ORDER BY last_seen_at DESC, quarantine_id DESC
LIMIT :most;

-- name: quarantine_count()$
-- How many different pieces were set aside.
SELECT count(*) FROM quarantine;
