-- name: newest_marks(from_day)^
-- How far the market (races from a day on) and the change log have come: both move with commits.
SELECT
    (SELECT coalesce(max(revision), 0) FROM ra_races WHERE race_date >= :from_day) AS revision,
    (SELECT coalesce(max(newest_change_id), 0) FROM odds_log_months) AS change_id;

-- name: months_with_changes(after, until)^
-- Of which races' days the changes of a stretch of the log are, by whole months, and the newest change
-- of these months; nothing when there are no changes.
SELECT min(first_day) AS first_day, (max(first_day) + interval '1 month')::date AS end_day,
    max(newest_change_id) AS newest
FROM odds_log_months
WHERE newest_change_id > :after AND oldest_change_id <= :until
HAVING count(*) > 0;

-- name: changes_after(change_id, until, first_day, end_day, most)
-- The next changes of the log in the order of their commits, each with where its race is run; they
-- are of races from a day to before another.
SELECT log.change_id, log.race_id, log.horse_id, log.bookmaker_id, log.odds_decimal,
    log.odds_fractional, coalesce(log.changed_at, log.seen_at) AS effective_at, log.seen_at,
    log.source, races.course, races.region, races.off_dt
FROM (
    SELECT * FROM odds_log_entries
    WHERE change_id / 128 BETWEEN :change_id::bigint / 128 AND :until::bigint / 128
        AND change_id > :change_id AND change_id <= :until
        AND race_no >= first_race_no(:first_day::date) AND race_no < first_race_no(:end_day::date)
    ORDER BY change_id / 128, change_id
    LIMIT :most
) AS log
LEFT JOIN ra_races AS races USING (race_id)
ORDER BY log.change_id;

-- name: change_is_logged(change_id, first_day, end_day)$
-- Whether the log of races from a day to before another has this change.
SELECT EXISTS (
    SELECT FROM odds_log
    WHERE change_id / 128 = :change_id::bigint / 128 AND change_id = :change_id
        AND race_no >= first_race_no(:first_day::date) AND race_no < first_race_no(:end_day::date)
);

-- name: oldest_change_id$
-- The first change that is still kept; nothing when the log is empty.
SELECT min(oldest_change_id) FROM odds_log_months;
