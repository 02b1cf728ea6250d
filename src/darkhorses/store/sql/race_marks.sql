-- name: mark_of_race(race_id)^
-- What moves whenever something that is told of a race's past does; nothing for an unknown race.
-- Writes of races, runners and quotes stamp the race. A month that is detached takes its changes away.
SELECT race.revision, race.checked_at, log.newest_change, log.changes,
    (SELECT repair::text FROM ra_gap_repairs AS repair WHERE repair.race_id = race.race_id) AS repair,
    (
        SELECT md5(string_agg(
            concat_ws('|', bookmaker_id, bookmaker_name, bookmaker_type), '|' ORDER BY bookmaker_id
        ))
        FROM ra_bookmakers
    ) AS bookmakers
FROM ra_races AS race
CROSS JOIN LATERAL (
    SELECT max(change_id) AS newest_change, count(*) AS changes
    FROM odds_log
    WHERE race_no = (
        SELECT races.race_no FROM odds_log_races AS races
        WHERE races.race_id = race.race_id
            AND races.race_no / 10000 = first_race_no(race.race_date) / 10000
    )
        AND race_no >= first_race_no(race.race_date)
        AND race_no < first_race_no(race.race_date + 1)
) AS log
WHERE race.race_id = :race_id;
