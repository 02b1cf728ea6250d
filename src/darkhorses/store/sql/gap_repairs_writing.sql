-- name: want_repairs(race_ids, race_dates, regions, since, until)!
-- Note that races are to be repaired after an outage; one that has had its final repair is not.
INSERT INTO ra_gap_repairs AS repair (
    race_id, race_date, region, occasion, state, outage_from, outage_to
)
SELECT o.race_id, o.race_date, o.region, 'outage', 'wanted', o.since, o.until
FROM unnest(
    :race_ids::text[], :race_dates::date[], :regions::text[], :since::timestamptz[],
    :until::timestamptz[]
) AS o (race_id, race_date, region, since, until)
ON CONFLICT (race_id) DO UPDATE
SET state = 'wanted',
    outage_from = CASE
        WHEN repair.state = 'repaired' THEN excluded.outage_from
        ELSE least(repair.outage_from, excluded.outage_from)
    END,
    outage_to = excluded.outage_to
WHERE repair.occasion = 'outage';

-- name: repair_begin(race_id, race_date, region, occasion, started_at)$
-- Begin to ask about a race; no row when that was begun before and may go on.
INSERT INTO ra_gap_repairs AS repair (race_id, race_date, region, occasion, state, started_at)
VALUES (:race_id, :race_date, :region, :occasion, 'asking', :started_at)
ON CONFLICT (race_id) DO UPDATE
SET occasion = excluded.occasion, state = 'asking', started_at = excluded.started_at
WHERE repair.state = 'wanted' OR repair.occasion <> excluded.occasion
RETURNING race_id;

-- name: repair_forget_answers(race_id)!
-- Let go what was answered for an earlier repair of a race.
DELETE FROM ra_gap_repair_runners WHERE race_id = :race_id;

-- name: repair_note_answer(race_id, horse_id, outcome, asked_at, error, history)!
-- Keep what the feed answered about a runner; asked_at stays when it was first asked.
INSERT INTO ra_gap_repair_runners AS runner (race_id, horse_id, outcome, asked_at, error, history)
VALUES (:race_id, :horse_id, :outcome, :asked_at, :error, :history)
ON CONFLICT (race_id, horse_id) DO UPDATE
SET outcome = excluded.outcome,
    attempts = runner.attempts + 1,
    error = excluded.error,
    history = excluded.history;

-- name: repair_lock(race_id)^
-- How far the repair of a race is; nobody else changes that before this transaction ends.
SELECT occasion, state FROM ra_gap_repairs WHERE race_id = :race_id FOR UPDATE;

-- name: let_bookmakers_in(bookmaker_ids, bookmaker_names, bookmaker_types, quoted_at)!
-- Let bookmakers in that only histories know; what polls note of the others stands.
INSERT INTO ra_bookmakers (bookmaker_id, bookmaker_name, bookmaker_type, last_quoted_at)
SELECT b.bookmaker_id, b.bookmaker_name, b.bookmaker_type, b.quoted_at
FROM unnest(
    :bookmaker_ids::text[], :bookmaker_names::text[], :bookmaker_types::text[],
    :quoted_at::timestamptz[]
) AS b (bookmaker_id, bookmaker_name, bookmaker_type, quoted_at)
ON CONFLICT (bookmaker_id) DO NOTHING;

-- name: repair_finish(race_id, state, runners_asked, runners_not_found, runners_failed, points, seen, added, unplaced, lag_count, lag_median_seconds, lag_p90_seconds, lag_max_seconds, reason, repaired_at)!
-- Note what the repair of a race brought.
UPDATE ra_gap_repairs
SET state = :state,
    runners_asked = :runners_asked,
    runners_not_found = :runners_not_found,
    runners_failed = :runners_failed,
    points = :points,
    seen = :seen,
    added = added + :added,
    unplaced = :unplaced,
    lag_count = :lag_count,
    lag_median_seconds = :lag_median_seconds,
    lag_p90_seconds = :lag_p90_seconds,
    lag_max_seconds = :lag_max_seconds,
    reason = :reason,
    repaired_at = :repaired_at
WHERE race_id = :race_id;

-- name: repair_drop_histories(race_id)!
-- Let the answers go that are in the log now.
UPDATE ra_gap_repair_runners SET history = NULL WHERE race_id = :race_id;

-- name: touch_repaired_race(race_id, revision)!
-- Let readers learn that the log of a race has more in it.
UPDATE ra_races SET revision = :revision WHERE race_id = :race_id;
