-- name: statistics_limits(statement_timeout)^
-- Limit the statements of this transaction further than the fence does.
SELECT set_config('statement_timeout', :statement_timeout, true);

-- name: statistics_cursor$
-- The change up to which the log is counted; locked until this transaction ends.
SELECT change_id FROM statistics_progress FOR UPDATE;

-- name: statistics_newest_change$
-- The newest change of the log; its numbers follow the order of commits.
SELECT coalesce(max(newest_change_id), 0) FROM odds_log_months;

-- name: statistics_months(after, up_to)^
-- The months of races' days that a stretch of the log is about; NULL when nothing of it is there.
SELECT min(first_day) AS first_day, (max(first_day) + interval '1 month')::date AS end_day
FROM odds_log_months
WHERE newest_change_id > :after AND oldest_change_id <= :up_to;

-- name: statistics_count_changes(after, up_to, first_day, end_day)$
-- Add the changes of a stretch of the log, which are of races from a day to before another, to the
-- sums and move the cursor; how many there were.
WITH batch AS MATERIALIZED (
    SELECT change_id, race_date, race_id, horse_id, bookmaker_id, source,
        odds_decimal IS NULL AS is_pulled,
        date_trunc('hour', coalesce(changed_at, seen_at), 'UTC') AS hour
    FROM odds_log_entries
    WHERE change_id / 128 BETWEEN :after::bigint / 128 AND :up_to::bigint / 128
        AND change_id > :after AND change_id <= :up_to
        AND race_no >= first_race_no(:first_day::date) AND race_no < first_race_no(:end_day::date)
), by_race AS MATERIALIZED (
    SELECT race_id, max(race_date) AS race_date, count(*) AS changes, max(change_id) AS newest
    FROM batch
    GROUP BY race_id
), counted_races AS (
    INSERT INTO statistics_races AS stored (race_id, race_date, changes, newest_change_id)
    SELECT race_id, race_date, changes, newest FROM by_race
    ON CONFLICT (race_id) DO UPDATE
    SET race_date = excluded.race_date,
        changes = stored.changes + excluded.changes,
        newest_change_id = excluded.newest_change_id
), counted_hours AS (
    INSERT INTO statistics_hours AS stored (hour, bookmaker_id, changes)
    SELECT hour, bookmaker_id, count(*) FROM batch GROUP BY hour, bookmaker_id
    ON CONFLICT (hour, bookmaker_id) DO UPDATE SET changes = stored.changes + excluded.changes
), first_seen AS (
    INSERT INTO statistics_entities (scope, kind, id)
    SELECT 'live', 'races', race_id FROM by_race
    UNION ALL
    SELECT 'live', 'courses', race.course_id
    FROM by_race JOIN ra_races AS race USING (race_id)
    GROUP BY race.course_id
    UNION ALL
    SELECT 'live', 'horses', horse_id FROM batch GROUP BY horse_id
    UNION ALL
    SELECT 'live', 'bookmakers', bookmaker_id FROM batch GROUP BY bookmaker_id
    ON CONFLICT DO NOTHING
    RETURNING kind
), counted AS (
    INSERT INTO statistics_counts AS stored (scope, kind, counted)
    SELECT 'live', kind, count(*) FROM first_seen GROUP BY kind
    UNION ALL
    SELECT 'live', kind, number
    FROM (
        SELECT count(*) AS changes,
            count(*) FILTER (WHERE is_pulled) AS pulled,
            count(*) FILTER (WHERE source = 'history') AS repaired
        FROM batch
    ) AS total
    CROSS JOIN LATERAL (
        VALUES ('changes', changes), ('pulled', pulled), ('repaired', repaired)
    ) AS named (kind, number)
    ON CONFLICT (scope, kind) DO UPDATE SET counted = stored.counted + excluded.counted
), moved AS (
    UPDATE statistics_progress SET change_id = :up_to
)
SELECT count(*) FROM batch;

-- name: statistics_races_to_measure(now, up_to)
-- Races past their off whose log has grown since they were measured, the oldest first.
SELECT counted.race_id, counted.race_date, counted.newest_change_id, race.off_dt,
    race.race_status, race.is_abandoned, race.odds_changed_at
FROM statistics_races AS counted
CROSS JOIN LATERAL (
    -- Race by race: the planner takes the few that wait for all that there are.
    SELECT off_dt, race_status, is_abandoned, odds_changed_at FROM ra_races
    WHERE ra_races.race_id = counted.race_id AND off_dt < :now::timestamptz
    OFFSET 0
) AS race
WHERE counted.measured_change_id IS DISTINCT FROM counted.newest_change_id
ORDER BY race.off_dt, counted.race_id
LIMIT :up_to;

-- name: statistics_note_measures(races)!
-- Note what the races' prices said, and up to which change of theirs.
UPDATE statistics_races AS stored
SET measured_change_id = told.measured_change_id,
    runners = told.runners,
    priced_runners = told.priced_runners,
    best_book = told.best_book,
    market_moves = told.market_moves
FROM jsonb_populate_recordset(NULL::statistics_races, :races::jsonb) AS told
WHERE stored.race_id = told.race_id;

-- name: statistics_forget_measures(race_ids)!
-- Remove the bookmakers' measures of races that are measured anew.
DELETE FROM statistics_race_bookmakers WHERE race_id = ANY(:race_ids::text[]);

-- name: statistics_write_measures(measures)!
-- Write the bookmakers' measures of races.
INSERT INTO statistics_race_bookmakers (
    race_id, bookmaker_id, race_date, runners_priced, best, overround, shortened, drifted,
    market_moves, led, led_alone, joined, lag_seconds
)
SELECT
    m.race_id, m.bookmaker_id, m.race_date, m.runners_priced, m.best, m.overround, m.shortened,
    m.drifted, m.market_moves, m.led, m.led_alone, m.joined, m.lag_seconds
FROM jsonb_populate_recordset(NULL::statistics_race_bookmakers, :measures::jsonb) AS m;

-- name: statistics_days_to_count(up_to)
-- Days of which the ledger says something else than when they were counted, the newest first.
SELECT race_date, region, attempts, checked_at FROM race_days
EXCEPT
SELECT race_date, region, attempts, checked_at FROM statistics_past_days
ORDER BY race_date DESC, region
LIMIT :up_to;

-- name: statistics_races_of_past_day(race_date, region)
-- The races that have rows on a day, or were counted on it.
SELECT race_id FROM ra_odds_historical
WHERE date_of_race = :race_date AND lower(country) = :region
UNION
SELECT race_id FROM statistics_past_races WHERE race_date = :race_date AND region = :region;

-- name: statistics_forget_past_races(race_ids)!
-- Remove what was counted of past races.
DELETE FROM statistics_past_races WHERE race_id = ANY(:race_ids::text[]);

-- name: statistics_count_past_races(race_ids)!
-- Count past races by all their rows, and the horses and people that were seen for the first time.
WITH ran AS MATERIALIZED (
    SELECT * FROM ra_odds_historical WHERE race_id = ANY(:race_ids::text[])
), races AS (
    INSERT INTO statistics_past_races (
        race_id, race_date, region, course, race_class, runners, non_runners, without_result,
        without_prices, with_sp, with_bsp, with_opening, with_closing, with_range, with_forecast,
        from_change_log, was_run, favourites, favourite_wins, favourite_return
    )
    SELECT
        race_id, max(date_of_race), max(lower(country)), max(track), max(race_class),
        count(*) FILTER (WHERE NOT is_non_runner),
        count(*) FILTER (WHERE is_non_runner),
        count(*) FILTER (WHERE NOT is_non_runner AND finishing_position IS NULL),
        count(*) FILTER (WHERE NOT is_non_runner AND opening_price IS NULL AND closing_price IS NULL),
        count(industry_sp) FILTER (WHERE NOT is_non_runner),
        count(bsp) FILTER (WHERE NOT is_non_runner),
        count(opening_price) FILTER (WHERE NOT is_non_runner),
        count(closing_price) FILTER (WHERE NOT is_non_runner),
        count(pre_race_min + pre_race_max) FILTER (WHERE NOT is_non_runner),
        count(forecasted_odds) FILTER (WHERE NOT is_non_runner),
        count(*) FILTER (WHERE NOT is_non_runner AND data_source = 'change_log'),
        coalesce(bool_or(position_no = 1), false),
        count(*) FILTER (WHERE sp_favorite_position = 1),
        CASE WHEN bool_or(position_no = 1) THEN
            avg(CASE WHEN position_no = 1 THEN 1.0 / coalesce(dead_heat_count, 1) ELSE 0 END)
                FILTER (WHERE sp_favorite_position = 1)
        END,
        CASE WHEN bool_or(position_no = 1) THEN
            avg(sp_win_return) FILTER (WHERE sp_favorite_position = 1)
        END
    FROM ran
    GROUP BY race_id
), first_seen AS (
    INSERT INTO statistics_entities (scope, kind, id)
    SELECT 'historical', kind, id
    FROM ran
    CROSS JOIN LATERAL (
        VALUES ('horses', horse_id), ('jockeys', jockey_id), ('trainers', trainer_id),
            ('courses', course_id)
    ) AS named (kind, id)
    WHERE id IS NOT NULL
    GROUP BY kind, id
    ON CONFLICT DO NOTHING
    RETURNING kind
)
INSERT INTO statistics_counts AS stored (scope, kind, counted)
SELECT 'historical', kind, count(*) FROM first_seen GROUP BY kind
ON CONFLICT (scope, kind) DO UPDATE SET counted = stored.counted + excluded.counted;

-- name: statistics_note_past_day(race_date, region, attempts, checked_at)!
-- Note by which words of the ledger a day was counted, and that the figures are to follow.
WITH noted AS (
    UPDATE statistics_progress SET past_days_counted = past_days_counted + 1
)
INSERT INTO statistics_past_days (race_date, region, attempts, checked_at)
VALUES (:race_date, :region, :attempts, :checked_at)
ON CONFLICT (race_date, region) DO UPDATE
SET attempts = excluded.attempts, checked_at = excluded.checked_at;

-- name: statistics_store(computed_at, change_id, past_days_counted, live, historical)!
-- Put the newest figures in the place of the last ones.
INSERT INTO statistics_current (computed_at, change_id, past_days_counted, live, historical)
VALUES (:computed_at, :change_id, :past_days_counted, :live::jsonb, :historical::jsonb)
ON CONFLICT (only_row) DO UPDATE
SET computed_at = excluded.computed_at,
    change_id = excluded.change_id,
    past_days_counted = excluded.past_days_counted,
    live = excluded.live,
    historical = excluded.historical;

-- name: statistics_keep_snapshot(computed_at, figures)!
-- Keep a run's headline figures.
INSERT INTO statistics_snapshots (computed_at, figures)
VALUES (:computed_at, :figures::jsonb)
ON CONFLICT (computed_at) DO UPDATE SET figures = excluded.figures;

-- name: statistics_thin_snapshots(hourly_before, daily_before)!
-- Of old snapshots keep the last of each hour, and of very old ones the last of each London day.
DELETE FROM statistics_snapshots AS old
WHERE (
    old.computed_at < :hourly_before::timestamptz
    AND EXISTS (
        SELECT FROM statistics_snapshots AS later
        WHERE later.computed_at > old.computed_at
            AND later.computed_at < date_trunc('hour', old.computed_at, 'UTC') + interval '1 hour'
    )
) OR (
    old.computed_at < :daily_before::timestamptz
    AND EXISTS (
        SELECT FROM statistics_snapshots AS later
        WHERE later.computed_at > old.computed_at
            AND later.computed_at < old.computed_at + interval '25 hours'
            AND (later.computed_at AT TIME ZONE 'Europe/London')::date
                = (old.computed_at AT TIME ZONE 'Europe/London')::date
    )
);
