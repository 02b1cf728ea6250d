-- name: newest_change_id(first_day)$
-- The newest change of the log for races from a day on; 0 when there is none.
SELECT coalesce(max(change_id), 0)
FROM (
    SELECT change_id FROM odds_log
    WHERE race_no >= first_race_no(:first_day::date)
    ORDER BY change_id / 128 DESC FETCH FIRST ROW WITH TIES
) AS newest_block;

-- name: changes_of_races(race_ids, first_day, last_day, after, until, most)
-- The first changes of some races within a part of the log, in its order.
SELECT change_id, race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional,
    coalesce(changed_at, seen_at) AS effective_at
FROM odds_log_entries
WHERE race_no = ANY(ARRAY(
    SELECT races.race_no FROM odds_log_races AS races
    WHERE races.race_id = ANY(:race_ids::text[])
        AND races.race_no >= first_race_no(:first_day::date)
        AND races.race_no < first_race_no(:last_day::date + 1)
))
    AND race_no >= first_race_no(:first_day::date) AND race_no < first_race_no(:last_day::date + 1)
    AND change_id / 128 BETWEEN :after::bigint / 128 AND :until::bigint / 128
    AND change_id > :after AND change_id <= :until
ORDER BY change_id
LIMIT :most;
