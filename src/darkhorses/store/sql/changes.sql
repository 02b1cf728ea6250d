-- name: newest_marks(from_day)^
-- How far the market (races from a day on) and the change log have come: both move with commits.
SELECT
    (SELECT coalesce(max(revision), 0) FROM ra_races WHERE race_date >= :from_day) AS revision,
    (
        SELECT coalesce(max(change_id), 0)
        FROM (
            SELECT change_id FROM odds_log
            ORDER BY change_id / 128 DESC FETCH FIRST ROW WITH TIES
        ) AS newest_block
    ) AS change_id;

-- name: changes_after(change_id, until, most)
-- The next changes of the log in the order of their commits, each with where its race is run.
SELECT log.change_id, log.race_id, log.horse_id, log.bookmaker_id, log.odds_decimal,
    log.odds_fractional, coalesce(log.changed_at, log.seen_at) AS effective_at, log.seen_at,
    log.source, races.course, races.region, races.off_dt
FROM (
    SELECT * FROM ra_odds_changes
    WHERE change_id / 128 BETWEEN :change_id::bigint / 128 AND :until::bigint / 128
        AND change_id > :change_id AND change_id <= :until
    ORDER BY change_id / 128, change_id
    LIMIT :most
) AS log
LEFT JOIN ra_races AS races USING (race_id)
ORDER BY log.change_id;

-- name: change_is_known(change_id)$
-- Whether the log has this change, or is kept from a later one on only.
SELECT
    EXISTS (
        SELECT FROM odds_log
        WHERE change_id / 128 = :change_id::bigint / 128 AND change_id = :change_id
    )
    OR :change_id < (
        SELECT min(change_id)
        FROM (
            SELECT change_id FROM odds_log
            ORDER BY change_id / 128 FETCH FIRST ROW WITH TIES
        ) AS oldest_block
    );

-- name: oldest_change_id$
-- The first change that is still kept; nothing when the log is empty.
SELECT min(change_id)
FROM (
    SELECT change_id FROM odds_log
    ORDER BY change_id / 128 FETCH FIRST ROW WITH TIES
) AS oldest_block;
