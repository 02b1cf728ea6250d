-- name: newest_change_id(first_day)$
-- The newest change of the log for races from a day on; 0 when there is none.
SELECT coalesce(max(change_id), 0)
FROM (
    SELECT change_id FROM ra_odds_changes
    WHERE race_date >= :first_day
    ORDER BY change_id / 128 DESC FETCH FIRST ROW WITH TIES
) AS newest_block;

-- name: changes_of_races(race_ids, first_day, last_day, after, until)
-- The changes of some races within a part of the log, in its order.
SELECT race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional,
    coalesce(changed_at, seen_at) AS effective_at
FROM ra_odds_changes
WHERE race_id = ANY(:race_ids::text[]) AND race_date BETWEEN :first_day AND :last_day
    AND change_id / 128 BETWEEN :after::bigint / 128 AND :until::bigint / 128
    AND change_id > :after AND change_id <= :until
ORDER BY change_id;
