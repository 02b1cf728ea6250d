-- name: next_revision$
-- The number of this write; taken by whoever has the turn to write, so it follows commit order.
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(6548197))
SELECT nextval('market_revision') FROM turn;

-- name: upsert_bookmakers(bookmaker_ids, bookmaker_names, bookmaker_types, seen_at)!
-- Let new bookmakers in, and note that known ones are quoting.
INSERT INTO ra_bookmakers (bookmaker_id, bookmaker_name, bookmaker_type, last_quoted_at)
SELECT b.bookmaker_id, b.bookmaker_name, b.bookmaker_type, :seen_at::timestamptz
FROM unnest(:bookmaker_ids::text[], :bookmaker_names::text[], :bookmaker_types::text[])
    AS b (bookmaker_id, bookmaker_name, bookmaker_type)
ON CONFLICT (bookmaker_id) DO UPDATE
SET active = true, last_quoted_at = excluded.last_quoted_at;

-- name: upsert_races(races, seen_at, revision)!
-- Write the facts of new and changed races.
INSERT INTO ra_races (
    race_id, race_date, off_dt, off_time, course_id, course, region, race_name, race_class,
    race_type, pattern, distance, distance_f, going, surface, age_band, rating_band, prize,
    field_size, race_status, is_abandoned, checked_at, created_at, updated_at, revision
)
SELECT
    r.race_id, r.race_date, r.off_dt, r.off_time, r.course_id, r.course, r.region, r.race_name,
    r.race_class, r.race_type, r.pattern, r.distance, r.distance_f, r.going, r.surface,
    r.age_band, r.rating_band, r.prize, r.field_size, r.race_status, r.is_abandoned,
    :seen_at::timestamptz, :seen_at::timestamptz, :seen_at::timestamptz, :revision::bigint
FROM jsonb_populate_recordset(NULL::ra_races, :races::jsonb) AS r
ON CONFLICT (race_id) DO UPDATE
SET race_date = excluded.race_date,
    off_dt = excluded.off_dt,
    off_time = excluded.off_time,
    course_id = excluded.course_id,
    course = excluded.course,
    region = excluded.region,
    race_name = excluded.race_name,
    race_class = excluded.race_class,
    race_type = excluded.race_type,
    pattern = excluded.pattern,
    distance = excluded.distance,
    distance_f = excluded.distance_f,
    going = excluded.going,
    surface = excluded.surface,
    age_band = excluded.age_band,
    rating_band = excluded.rating_band,
    prize = excluded.prize,
    field_size = excluded.field_size,
    race_status = excluded.race_status,
    is_abandoned = excluded.is_abandoned,
    updated_at = excluded.updated_at,
    revision = excluded.revision;

-- name: upsert_runners(runners, seen_at, revision)!
-- Write new and changed runners; a non-runner keeps the time at which it was first seen as one.
INSERT INTO ra_runners (
    race_id, horse_id, horse_name, horse_number, draw, jockey, jockey_id, jockey_claim_lbs,
    trainer, trainer_id, age, weight_lbs, headgear, form, official_rating, silk_url,
    is_non_runner, non_runner_at, is_reserve, updated_at, revision
)
SELECT
    r.race_id, r.horse_id, r.horse_name, r.horse_number, r.draw, r.jockey, r.jockey_id,
    r.jockey_claim_lbs, r.trainer, r.trainer_id, r.age, r.weight_lbs, r.headgear, r.form,
    r.official_rating, r.silk_url, r.is_non_runner,
    CASE WHEN r.is_non_runner THEN :seen_at::timestamptz END,
    r.is_reserve, :seen_at::timestamptz, :revision::bigint
FROM jsonb_populate_recordset(NULL::ra_runners, :runners::jsonb) AS r
ON CONFLICT (race_id, horse_id) DO UPDATE
SET horse_name = excluded.horse_name,
    horse_number = excluded.horse_number,
    draw = excluded.draw,
    jockey = excluded.jockey,
    jockey_id = excluded.jockey_id,
    jockey_claim_lbs = excluded.jockey_claim_lbs,
    trainer = excluded.trainer,
    trainer_id = excluded.trainer_id,
    age = excluded.age,
    weight_lbs = excluded.weight_lbs,
    headgear = excluded.headgear,
    form = excluded.form,
    official_rating = excluded.official_rating,
    silk_url = excluded.silk_url,
    is_non_runner = excluded.is_non_runner,
    non_runner_at = CASE
        WHEN excluded.is_non_runner THEN coalesce(ra_runners.non_runner_at, excluded.non_runner_at)
    END,
    is_reserve = excluded.is_reserve,
    removed_at = NULL,
    updated_at = excluded.updated_at,
    revision = excluded.revision;

-- name: remove_runners(race_ids, horse_ids, seen_at, revision)!
-- Mark runners that are no longer on their card; they are kept.
UPDATE ra_runners
SET removed_at = :seen_at::timestamptz,
    updated_at = :seen_at::timestamptz,
    revision = :revision::bigint
FROM unnest(:race_ids::text[], :horse_ids::text[]) AS gone (race_id, horse_id)
WHERE ra_runners.race_id = gone.race_id AND ra_runners.horse_id = gone.horse_id;

-- name: upsert_quotes(quotes, seen_at, revision)!
-- Write new and changed quotes; fetched_at and the source's stamp move only when the price does.
INSERT INTO ra_odds_live (
    race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional, ew_places, ew_denom,
    market_status, odds_timestamp, fetched_at, updated_at, revision
)
SELECT
    q.race_id, q.horse_id, q.bookmaker_id, q.odds_decimal, q.odds_fractional, q.ew_places,
    q.ew_denom, CASE WHEN q.odds_decimal IS NULL THEN 'SUSPENDED' ELSE 'OPEN' END,
    q.odds_timestamp, :seen_at::timestamptz, :seen_at::timestamptz, :revision::bigint
FROM json_to_recordset(:quotes::json) AS q (
    race_id text, horse_id text, bookmaker_id text, odds_decimal numeric, odds_fractional text,
    ew_places smallint, ew_denom smallint, odds_timestamp timestamptz
)
ON CONFLICT (race_id, horse_id, bookmaker_id) DO UPDATE
SET odds_decimal = excluded.odds_decimal,
    odds_fractional = excluded.odds_fractional,
    ew_places = excluded.ew_places,
    ew_denom = excluded.ew_denom,
    market_status = excluded.market_status,
    odds_timestamp = CASE
        WHEN (ra_odds_live.odds_decimal, ra_odds_live.odds_fractional)
            IS DISTINCT FROM (excluded.odds_decimal, excluded.odds_fractional)
        THEN excluded.odds_timestamp ELSE ra_odds_live.odds_timestamp
    END,
    fetched_at = CASE
        WHEN (ra_odds_live.odds_decimal, ra_odds_live.odds_fractional)
            IS DISTINCT FROM (excluded.odds_decimal, excluded.odds_fractional)
        THEN excluded.fetched_at ELSE ra_odds_live.fetched_at
    END,
    updated_at = excluded.updated_at,
    revision = excluded.revision;

-- name: touch_races(race_ids, refreshed, price_changed, checked, seen_at, revision)!
-- Note that these races were looked at, and whether any price of theirs moved; the commit wakes
-- the readers, who find by revision what is new.
WITH touched AS (
    UPDATE ra_races
    SET checked_at = CASE WHEN t.checked THEN :seen_at::timestamptz ELSE checked_at END,
        odds_refreshed_at = coalesce(t.refreshed, odds_refreshed_at),
        odds_changed_at = CASE
            WHEN t.price_changed THEN :seen_at::timestamptz ELSE odds_changed_at
        END,
        revision = :revision::bigint
    FROM unnest(
        :race_ids::text[], :refreshed::timestamptz[], :price_changed::boolean[],
        :checked::boolean[]
    ) AS t (race_id, refreshed, price_changed, checked)
    WHERE ra_races.race_id = t.race_id
)
SELECT pg_notify('market', '');

-- name: set_aside(kinds, race_ids, horse_ids, reasons, payloads, digests, seen_at)!
-- Keep what could not be understood, each piece once, with how often it came.
INSERT INTO quarantine (
    kind, race_id, horse_id, reason, payload, payload_digest, first_seen_at, last_seen_at
)
SELECT DISTINCT ON (u.kind, u.race_id, u.horse_id, u.payload_digest)
    u.kind, u.race_id, u.horse_id, u.reason, u.payload, u.payload_digest, :seen_at::timestamptz,
    :seen_at::timestamptz
FROM unnest(
    :kinds::text[], :race_ids::text[], :horse_ids::text[], :reasons::text[], :payloads::text[],
    :digests::text[]
) AS u (kind, race_id, horse_id, reason, payload, payload_digest)
ON CONFLICT (kind, race_id, horse_id, payload_digest) DO UPDATE
SET seen_count = quarantine.seen_count + 1, last_seen_at = excluded.last_seen_at;

-- name: insert_poll_cycle(fetch_timestamp, races, horses, bookmakers, quotes, changed, bookmaker_list, milliseconds, errors)!
-- Keep what one look at the whole card found.
INSERT INTO ra_odds_statistics (
    fetch_timestamp, races_count, horses_count, bookmakers_found, total_odds_fetched,
    changed_count, bookmaker_list, fetch_duration_ms, errors_count
)
VALUES (
    :fetch_timestamp, :races, :horses, :bookmakers, :quotes, :changed, :bookmaker_list,
    :milliseconds, :errors
);

-- name: notify_market!
-- Wake the readers; what is new they find by revision.
SELECT pg_notify('market', '');
