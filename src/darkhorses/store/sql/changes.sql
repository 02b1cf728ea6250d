-- name: newest_marks(from_day)^
-- How far the market (races from a day on) and the change log have come: both move with commits.
SELECT
    (SELECT coalesce(max(revision), 0) FROM ra_races WHERE race_date >= :from_day) AS revision,
    (SELECT coalesce(max(newest_change_id), 0) FROM odds_log_months) AS change_id;

-- name: changes_after(change_id, until, most)
-- The next changes of the log in the order of their commits, each with where its race is run.
SELECT log.change_id, numbered.race_id, runners.horse_id, bookmakers.bookmaker_id,
    prices.odds_decimal, prices.odds_fractional,
    coalesce(log.changed_at, log.seen_at) AS effective_at, log.seen_at,
    CASE WHEN log.is_repair THEN 'history' ELSE 'poll' END AS source,
    races.course, races.region, races.off_dt
FROM odds_log_between(:change_id, :until, :most) AS log
LEFT JOIN odds_log_races AS numbered USING (race_no)
LEFT JOIN odds_log_runners AS runners USING (race_no, runner_no)
LEFT JOIN odds_log_bookmakers AS bookmakers USING (bookmaker_no)
LEFT JOIN odds_log_prices AS prices USING (price_no)
LEFT JOIN ra_races AS races USING (race_id)
ORDER BY log.change_id;

-- name: change_is_known(change_id)$
-- Whether the log has this change, or is kept from a later one on only.
SELECT
    EXISTS (SELECT FROM odds_log_between(:change_id::bigint - 1, :change_id, 1))
    OR :change_id < (SELECT min(oldest_change_id) FROM odds_log_months);

-- name: oldest_change_id$
-- The first change that is still kept; nothing when the log is empty.
SELECT min(oldest_change_id) FROM odds_log_months;
