-- name: logged_race(race_id, horse_id, at)^
-- A race with its log as numbers, runner by runner as the prices took effect; with :at only what stood then.
-- In one statement, so of one state of the database.
WITH log AS MATERIALIZED (
    SELECT change_id, race_no, runner_no, bookmaker_no, price_no,
        coalesce(changed_at, seen_at) AS at, seen_at, is_repair
    FROM odds_log_of_race(:race_id::text)
),
number AS MATERIALIZED (SELECT race_no FROM log FETCH FIRST ROW ONLY),
runners AS MATERIALIZED (
    SELECT runners.runner_no, runners.horse_id
    FROM odds_log_runners AS runners WHERE runners.race_no = (SELECT race_no FROM number)
),
told AS MATERIALIZED (
    (
        SELECT runner_no, bookmaker_no, price_no, at, seen_at
        FROM log
        WHERE :at::timestamptz IS NULL
            AND (
                :horse_id::text IS NULL
                OR runner_no = (
                    SELECT runners.runner_no FROM runners WHERE runners.horse_id = :horse_id
                )
            )
        ORDER BY runner_no, at, change_id
    )
    UNION ALL
    (
        SELECT DISTINCT ON (runner_no, bookmaker_no)
            runner_no, bookmaker_no, price_no, at, seen_at
        FROM log
        WHERE at <= :at
        ORDER BY runner_no, bookmaker_no, at DESC, change_id DESC
    )
)
SELECT race.race_id, race.race_date, race.off_dt, race.off_time, race.course_id, race.course,
    race.region, race.race_name, race.race_class, race.race_type, race.pattern, race.distance,
    race.distance_f, race.going, race.surface, race.age_band, race.rating_band, race.prize,
    race.field_size, race.race_status, race.is_abandoned, race.odds_refreshed_at,
    race.odds_changed_at, race.checked_at, race.revision,
    ARRAY(
        SELECT ROW(
            race_id, horse_id, horse_name, horse_number, draw, jockey, jockey_id, jockey_claim_lbs,
            trainer, trainer_id, age, weight_lbs, headgear, form, official_rating, silk_url,
            is_non_runner, non_runner_at, is_reserve, removed_at, updated_at, revision
        )
        FROM ra_runners AS runner WHERE runner.race_id = race.race_id
    ) AS runners,
    ARRAY(
        SELECT ROW(bookmaker_id, bookmaker_name, bookmaker_type)
        FROM ra_bookmakers ORDER BY bookmaker_name, bookmaker_id
    ) AS bookmakers,
    (
        SELECT md5(string_agg(
            concat_ws('|', bookmaker_id, bookmaker_name, bookmaker_type), '|' ORDER BY bookmaker_id
        ))
        FROM ra_bookmakers
    ) AS bookmakers_digest,
    (
        SELECT ROW(
            race_id, race_date, region, occasion, state, outage_from, outage_to, runners_asked,
            runners_not_found, runners_failed, points, seen, added, unplaced, lag_count,
            lag_median_seconds, lag_p90_seconds, lag_max_seconds, reason, started_at, repaired_at
        )
        FROM ra_gap_repairs AS repair WHERE repair.race_id = race.race_id
    ) AS repair,
    (SELECT repair::text FROM ra_gap_repairs AS repair WHERE repair.race_id = race.race_id)
        AS repair_text,
    ARRAY(
        SELECT ROW(horse_id, bookmaker_id, ew_places, ew_denom)
        FROM ra_odds_live AS live
        WHERE live.race_id = race.race_id AND :at IS NOT NULL
            AND (ew_places IS NOT NULL OR ew_denom IS NOT NULL)
    ) AS terms,
    ARRAY(
        SELECT DISTINCT live.bookmaker_id FROM ra_odds_live AS live
        WHERE live.race_id = race.race_id AND :at IS NULL
    ) AS quoting,
    ARRAY(SELECT ROW(runner_no, horse_id) FROM runners) AS runner_numbers,
    ARRAY(SELECT ROW(bookmaker_no, bookmaker_id) FROM odds_log_bookmakers) AS bookmaker_numbers,
    ARRAY(
        SELECT ROW(price_no, odds_decimal, odds_fractional) FROM odds_log_prices
        WHERE price_no IN (SELECT told.price_no FROM told)
    ) AS price_numbers,
    marks.*, columns.*
FROM ra_races AS race,
    (
        SELECT max(change_id) AS newest_change, count(*) AS changes, min(at) AS known_from,
            max(seen_at) FILTER (WHERE NOT is_repair AND at <= :at AND seen_at <= :at) AS last_look
        FROM log
    ) AS marks,
    (
        SELECT array_agg(runner_no) AS runner_nos, array_agg(bookmaker_no) AS bookmaker_nos,
            array_agg(price_no) AS price_nos, array_agg(at) AS ats,
            CASE WHEN :at IS NOT NULL THEN array_agg(seen_at) END AS seen_ats
        FROM told
    ) AS columns
WHERE race.race_id = :race_id;
