-- What each month of the change log spans, so that nobody looks for what is new in all of them.
-- depends: 0012_change_log_storage
--
-- Why it looks like this:
-- * "What is the newest change?" is asked once a second by every reader and at every write. Numbers
--   say nothing of the month (a repair of the 31st comes after the first prices of the 1st), so each
--   month's index had to be asked, and the answer cost more with every month that went by.
-- * A trigger keeps the spans, in the transaction that logs: so they are as new as the entries that a
--   reader sees, whichever version of DarkHorses wrote them. One row a month and not one in all, so
--   that the months which hold a stretch of the log are known, too.
-- * It works by statement: a look's entries are one. The view's entries come one by one, so the
--   months are measured once after them; so they are after anything is taken away. That is rare.
-- * Who asks for a stretch of the log asks odds_log_between: it looks at the months that may hold it
--   alone, in the snapshot of whoever asks, so that no entry falls between two looks. Whoever joins
--   the entries with their names plans without the months.
-- * No index but the key, so that an update stays on its page (HOT).
-- * Nothing is written anew: the spans are found by the months' own indexes.

-- migrate: apply

LOCK TABLE odds_log IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE odds_log_months (
    first_day date PRIMARY KEY,
    oldest_change_id bigint NOT NULL,
    newest_change_id bigint NOT NULL
);

COMMENT ON TABLE odds_log_months IS 'from which change to which each month of the change log goes; months without changes have no row';

CREATE FUNCTION measure_odds_log_months() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    month name;
BEGIN
    -- Whoever logs meanwhile has committed before the months are read.
    LOCK TABLE odds_log_months IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM odds_log_months;
    FOR month IN
        SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = 'odds_log'::regclass AND child.relname <> 'ra_odds_changes_default'
    LOOP
        EXECUTE format(
            'INSERT INTO odds_log_months (first_day, oldest_change_id, newest_change_id)
            SELECT to_date(%L, ''YYYY_MM''), oldest, newest
            FROM (
                SELECT min(change_id) AS oldest FROM (
                    SELECT change_id FROM %I ORDER BY change_id / 128 FETCH FIRST ROW WITH TIES
                ) AS oldest_block
            ) AS first, (
                SELECT max(change_id) AS newest FROM (
                    SELECT change_id FROM %I ORDER BY change_id / 128 DESC FETCH FIRST ROW WITH TIES
                ) AS newest_block
            ) AS last
            WHERE newest IS NOT NULL',
            right(month, 7), month, month
        );
    END LOOP;
    INSERT INTO odds_log_months (first_day, oldest_change_id, newest_change_id)
    SELECT date_trunc('month', race_day_of(race_no))::date AS first_day, min(change_id), max(change_id)
    FROM ra_odds_changes_default
    GROUP BY 1;
END
$$;

COMMENT ON FUNCTION measure_odds_log_months IS 'find the months'' spans anew; needed only after a month''s own table was written to or detached by hand';

CREATE FUNCTION odds_log_between(after bigint, until bigint, most integer) RETURNS SETOF odds_log
LANGUAGE plpgsql STABLE ROWS 20 AS $$
DECLARE
    first_month date;
    last_month date;
BEGIN
    SELECT min(first_day), max(first_day) INTO first_month, last_month
    FROM odds_log_months
    WHERE newest_change_id > after AND (until IS NULL OR oldest_change_id <= until);
    IF first_month IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT * FROM odds_log
    WHERE change_id / 128 >= after / 128 AND change_id > after
        AND change_id / 128 <= coalesce(until, 9223372036854775807) / 128
        AND change_id <= coalesce(until, 9223372036854775807)
        AND race_no >= first_race_no(first_month)
        AND race_no < first_race_no((last_month + interval '1 month')::date)
    ORDER BY change_id / 128, change_id
    LIMIT most;
END
$$;

COMMENT ON FUNCTION odds_log_between IS 'at most so many entries above one number, up to and with another, in their order; NULL: no limit';

CREATE FUNCTION note_odds_logged() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO odds_log_months AS known (first_day, oldest_change_id, newest_change_id)
    SELECT date_trunc('month', race_day_of(race_no))::date AS month, min(oldest), max(newest)
    FROM (
        SELECT race_no, min(change_id) AS oldest, max(change_id) AS newest
        FROM logged
        GROUP BY race_no
    ) AS races
    GROUP BY month
    ORDER BY month
    ON CONFLICT (first_day) DO UPDATE
    SET oldest_change_id = least(known.oldest_change_id, excluded.oldest_change_id),
        newest_change_id = greatest(known.newest_change_id, excluded.newest_change_id);
    RETURN NULL;
END
$$;

CREATE FUNCTION note_odds_log_rewritten() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM measure_odds_log_months();
    RETURN NULL;
END
$$;

CREATE TRIGGER months_grow AFTER INSERT ON odds_log
    REFERENCING NEW TABLE AS logged
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION note_odds_logged();
CREATE TRIGGER months_change AFTER UPDATE OR DELETE OR TRUNCATE ON odds_log
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION note_odds_log_rewritten();
CREATE TRIGGER months_change AFTER INSERT OR DELETE ON ra_odds_changes
    FOR EACH STATEMENT EXECUTE FUNCTION note_odds_log_rewritten();

SELECT measure_odds_log_months();

CREATE OR REPLACE FUNCTION detach_odds_changes_partition(first_day date) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    partition_name text := 'ra_odds_changes_' || to_char(first_day, 'YYYY_MM');
    table_name text := 'odds_log_' || to_char(first_day, 'YYYY_MM');
    newest bigint;
BEGIN
    EXECUTE format('ALTER TABLE odds_log DETACH PARTITION %I', partition_name);
    EXECUTE format('ALTER TABLE %I RENAME TO %I', partition_name, table_name);
    DELETE FROM odds_log_months AS months
    WHERE months.first_day = detach_odds_changes_partition.first_day;
    EXECUTE format(
        'CREATE VIEW %I AS
        SELECT log.change_id, race_day_of(log.race_no) AS race_date, races.race_id,
            runners.horse_id, bookmakers.bookmaker_id, prices.odds_decimal, prices.odds_fractional,
            log.changed_at, log.seen_at,
            CASE WHEN log.is_repair THEN ''history'' ELSE ''poll'' END AS source
        FROM %I AS log
        LEFT JOIN odds_log_races AS races USING (race_no)
        LEFT JOIN odds_log_runners AS runners USING (race_no, runner_no)
        LEFT JOIN odds_log_bookmakers AS bookmakers USING (bookmaker_no)
        LEFT JOIN odds_log_prices AS prices USING (price_no)',
        partition_name, table_name
    );
    EXECUTE format(
        'SELECT coalesce(max(change_id), 0) FROM (
            SELECT change_id FROM %I ORDER BY change_id / 128 DESC FETCH FIRST ROW WITH TIES
        ) AS newest_block',
        table_name
    ) INTO newest;
    RETURN newest;
END
$$;

-- migrate: rollback

DROP TRIGGER months_change ON ra_odds_changes;
DROP TRIGGER months_change ON odds_log;
DROP TRIGGER months_grow ON odds_log;
DROP FUNCTION note_odds_log_rewritten, note_odds_logged, odds_log_between, measure_odds_log_months;
DROP TABLE odds_log_months;

CREATE OR REPLACE FUNCTION detach_odds_changes_partition(first_day date) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    partition_name text := 'ra_odds_changes_' || to_char(first_day, 'YYYY_MM');
    table_name text := 'odds_log_' || to_char(first_day, 'YYYY_MM');
    newest bigint;
BEGIN
    EXECUTE format('ALTER TABLE odds_log DETACH PARTITION %I', partition_name);
    EXECUTE format('ALTER TABLE %I RENAME TO %I', partition_name, table_name);
    EXECUTE format(
        'CREATE VIEW %I AS
        SELECT log.change_id, race_day_of(log.race_no) AS race_date, races.race_id,
            runners.horse_id, bookmakers.bookmaker_id, prices.odds_decimal, prices.odds_fractional,
            log.changed_at, log.seen_at,
            CASE WHEN log.is_repair THEN ''history'' ELSE ''poll'' END AS source
        FROM %I AS log
        LEFT JOIN odds_log_races AS races USING (race_no)
        LEFT JOIN odds_log_runners AS runners USING (race_no, runner_no)
        LEFT JOIN odds_log_bookmakers AS bookmakers USING (bookmaker_no)
        LEFT JOIN odds_log_prices AS prices USING (price_no)',
        partition_name, table_name
    );
    EXECUTE format(
        'SELECT coalesce(max(change_id), 0) FROM (
            SELECT change_id FROM %I ORDER BY change_id / 128 DESC FETCH FIRST ROW WITH TIES
        ) AS newest_block',
        table_name
    ) INTO newest;
    RETURN newest;
END
$$;
