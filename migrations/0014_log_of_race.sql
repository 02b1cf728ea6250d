-- One race's entries of the log for whoever knows its id alone, in one question.
-- depends: 0013_log_months
--
-- Why it looks like this:
-- * A statement that finds the race's number itself is planned for every month of the log, because
--   the month is known only when it runs. The function finds the number first, and what it asks then
--   is planned for one month, once in a connection, also where statements are not prepared.
-- * STABLE: it reads the state of the database that the statement around it reads.
-- * A race has its number by its day: whatever the log has of other days is not its own.

-- migrate: apply

CREATE FUNCTION odds_log_of_race(id text) RETURNS TABLE (
    change_id bigint, changed_at timestamptz, seen_at timestamptz, race_no integer,
    bookmaker_no integer, price_no integer, runner_no smallint, is_repair boolean
)
LANGUAGE plpgsql STABLE ROWS 1000 AS $$
DECLARE
    number integer;
BEGIN
    SELECT races.race_no INTO number
    FROM ra_races AS race
    JOIN odds_log_races AS races
        ON races.race_id = race.race_id
        AND races.race_no / 10000 = first_race_no(race.race_date) / 10000
    WHERE race.race_id = id;
    RETURN QUERY
        SELECT log.change_id, log.changed_at, log.seen_at, log.race_no, log.bookmaker_no,
            log.price_no, log.runner_no, log.is_repair
        FROM odds_log AS log
        WHERE log.race_no = number;
END
$$;

COMMENT ON FUNCTION odds_log_of_race IS 'the log of a race on its day; nothing for a race that is not stored';

-- migrate: rollback

DROP FUNCTION odds_log_of_race;
