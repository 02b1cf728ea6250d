-- name: mark_of_race(race_id)^
-- What moves whenever something that is told of a race does, but for its log; nothing for an unknown
-- race. Writes of races, runners and quotes stamp the race.
SELECT race.race_date, race.revision, race.checked_at,
    (SELECT repair::text FROM ra_gap_repairs AS repair WHERE repair.race_id = race.race_id) AS repair,
    (
        SELECT md5(string_agg(
            concat_ws('|', bookmaker_id, bookmaker_name, bookmaker_type), '|' ORDER BY bookmaker_id
        ))
        FROM ra_bookmakers
    ) AS bookmakers
FROM ra_races AS race
WHERE race.race_id = :race_id;

-- name: mark_of_log(race_id, race_date)^
-- How much the log has about a race. Repairs add to it; a month that is detached takes it away.
SELECT max(change_id) AS newest_change, count(*) AS changes
FROM odds_log
WHERE race_no = (
    SELECT races.race_no FROM odds_log_races AS races
    WHERE races.race_id = :race_id
        AND races.race_no / 10000 = first_race_no(:race_date::date) / 10000
)
    AND race_no >= first_race_no(:race_date::date)
    AND race_no < first_race_no(:race_date::date + 1);
