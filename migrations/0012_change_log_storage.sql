-- The change log in a third of the room: ids are numbers in it, and its indexes share keys.
-- depends: 0011_lease_regions
--
-- Why it looks like this:
-- * An entry told by texts took 115 bytes, two thirds of them the same ids over and over. In odds_log
--   it takes 68: the ids stand once, in tables of their own, and every column is as wide as it must
--   be, the widest first, so that nothing is lost between them. Eight columns are the most whose
--   nulls cost nothing.
-- * ra_odds_changes is a view of odds_log now, with the columns that it always had: whoever reads it
--   reads the same, and a row that is inserted or deleted there is so in odds_log.
-- * A race's number begins with its day, so that the months can be told by it and race_date needs no
--   room: 10,000 numbers a day from 1900-01-01 on.
-- * Runners are numbered within their race, so that who reads one race meets only them.
-- * An index whose keys are all different costs 28 bytes and more an entry. A key that many entries
--   share is kept once, with 6 bytes for each of them. So entries are found by their block, 128
--   numbers in a row, and within it by looking: who asks by number asks for the block, too. A
--   race's entries are found by the race alone; its few thousand are sorted when they are read.
-- * change_id is unique because nobody but the sequence gives it (GENERATED ALWAYS) and one fenced
--   worker writes. The primary key did not see to that: it took a number twice when the race days
--   differed.
-- * The months keep their tables' names. One that is detached is given the columns of texts again by
--   a view: its entries are nothing without the numbers' meanings, which stay as long as it does.
-- * It takes some seconds for a million entries, and others wait for as long.

-- migrate: apply

LOCK TABLE ra_odds_changes IN ACCESS EXCLUSIVE MODE;
SELECT set_config('work_mem', '128MB', true), set_config('maintenance_work_mem', '256MB', true);

CREATE FUNCTION first_race_no(race_day date) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (least(greatest(race_day, date '1900-01-01'), date '2447-08-01') - date '1900-01-01') * 10000;

CREATE FUNCTION race_day_of(race_no integer) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN date '1900-01-01' + race_no / 10000;

CREATE TABLE odds_log_races (
    race_no integer PRIMARY KEY,
    race_id text NOT NULL
);
CREATE UNIQUE INDEX odds_log_races_by_id ON odds_log_races (race_id, (race_no / 10000));

CREATE TABLE odds_log_runners (
    race_no integer NOT NULL,
    runner_no smallint NOT NULL,
    horse_id text NOT NULL,
    PRIMARY KEY (race_no, runner_no),
    UNIQUE (race_no, horse_id)
);

CREATE TABLE odds_log_bookmakers (
    bookmaker_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bookmaker_id text NOT NULL UNIQUE
);

CREATE TABLE odds_log_prices (
    price_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    odds_decimal numeric(10, 3) CHECK (odds_decimal > 1),
    odds_fractional text,
    UNIQUE NULLS NOT DISTINCT (odds_decimal, odds_fractional)
);

COMMENT ON TABLE odds_log_prices IS 'every price that was ever quoted, once; a pulled one has no number';

ALTER TABLE ra_odds_changes RENAME TO odds_changes_before;

CREATE TABLE odds_log (
    change_id bigint GENERATED ALWAYS AS IDENTITY,
    changed_at timestamptz,
    seen_at timestamptz NOT NULL,
    race_no integer NOT NULL,
    bookmaker_no integer NOT NULL,
    price_no integer,
    runner_no smallint NOT NULL,
    is_repair boolean NOT NULL
) PARTITION BY RANGE (race_no);

COMMENT ON TABLE odds_log IS 'the change log as it is stored; read it as ra_odds_changes';
COMMENT ON COLUMN odds_log.price_no IS 'NULL: the price was pulled';
COMMENT ON COLUMN odds_log.changed_at IS 'when the source says that it changed; for polls its refresh stamp';

INSERT INTO odds_log_races (race_no, race_id)
SELECT first_race_no(race_date) - 1 + row_number() OVER (PARTITION BY race_date ORDER BY race_id),
    race_id
FROM (SELECT DISTINCT race_date, race_id FROM odds_changes_before) AS known;

INSERT INTO odds_log_runners (race_no, runner_no, horse_id)
SELECT race_no, row_number() OVER (PARTITION BY race_no ORDER BY horse_id), horse_id
FROM (SELECT DISTINCT race_date, race_id, horse_id FROM odds_changes_before) AS known
JOIN odds_log_races AS races
    ON races.race_id = known.race_id AND races.race_no / 10000 = known.race_date - date '1900-01-01';

INSERT INTO odds_log_bookmakers (bookmaker_id)
SELECT DISTINCT bookmaker_id FROM odds_changes_before ORDER BY bookmaker_id;

INSERT INTO odds_log_prices (odds_decimal, odds_fractional)
SELECT DISTINCT odds_decimal, odds_fractional FROM odds_changes_before
WHERE odds_decimal IS NOT NULL OR odds_fractional IS NOT NULL
ORDER BY odds_decimal, odds_fractional;

ANALYZE odds_log_races, odds_log_runners, odds_log_bookmakers, odds_log_prices;

DO $$
DECLARE
    month name;
    first_day date;
BEGIN
    FOR month IN
        SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = 'odds_changes_before'::regclass ORDER BY child.relname
    LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO %I', month, month || '_before');
        IF month = 'ra_odds_changes_default' THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF odds_log DEFAULT', month);
        ELSE
            first_day := to_date(right(month, 7), 'YYYY_MM');
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF odds_log FOR VALUES FROM (%L) TO (%L)', month,
                first_race_no(first_day), first_race_no((first_day + interval '1 month')::date)
            );
        END IF;
    END LOOP;
END
$$;

INSERT INTO odds_log OVERRIDING SYSTEM VALUE
SELECT known.change_id, known.changed_at, known.seen_at, races.race_no, bookmakers.bookmaker_no,
    prices.price_no, runners.runner_no, known.source = 'history'
FROM odds_changes_before AS known
JOIN odds_log_races AS races
    ON races.race_id = known.race_id AND races.race_no / 10000 = known.race_date - date '1900-01-01'
JOIN odds_log_runners AS runners
    ON runners.race_no = races.race_no AND runners.horse_id = known.horse_id
JOIN odds_log_bookmakers AS bookmakers ON bookmakers.bookmaker_id = known.bookmaker_id
LEFT JOIN odds_log_prices AS prices
    -- As equalities, which can be hashed.
    ON coalesce(prices.odds_decimal, 0) = coalesce(known.odds_decimal, 0)
    AND coalesce('=' || prices.odds_fractional, '') = coalesce('=' || known.odds_fractional, '');

CREATE INDEX odds_log_by_block ON odds_log ((change_id / 128)) WITH (fillfactor = 100);
CREATE INDEX odds_log_by_race ON odds_log (race_no);

SELECT setval('odds_log_change_id_seq', last_value, is_called) FROM ra_odds_changes_change_id_seq;

DROP TABLE odds_changes_before;

CREATE VIEW odds_log_entries AS
SELECT log.change_id, race_day_of(log.race_no) AS race_date, races.race_id, runners.horse_id,
    bookmakers.bookmaker_id, prices.odds_decimal, prices.odds_fractional, log.changed_at,
    log.seen_at, CASE WHEN log.is_repair THEN 'history' ELSE 'poll' END AS source, log.race_no
FROM odds_log AS log
LEFT JOIN odds_log_races AS races USING (race_no)
LEFT JOIN odds_log_runners AS runners USING (race_no, runner_no)
LEFT JOIN odds_log_bookmakers AS bookmakers USING (bookmaker_no)
LEFT JOIN odds_log_prices AS prices USING (price_no);

CREATE VIEW ra_odds_changes AS
SELECT change_id, race_date, race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional,
    changed_at, seen_at, source
FROM odds_log_entries;

COMMENT ON VIEW odds_log_entries IS 'ra_odds_changes with race_no, by which the months of a day are told';
COMMENT ON VIEW ra_odds_changes IS 'every price change; append-only';
COMMENT ON COLUMN ra_odds_changes.odds_decimal IS 'NULL: the price was pulled';
COMMENT ON COLUMN ra_odds_changes.changed_at IS 'when the source says that it changed; for polls its refresh stamp';

CREATE FUNCTION odds_log_race(race_day date, id text) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    number integer;
BEGIN
    SELECT race_no INTO number FROM odds_log_races
    WHERE race_id = id AND race_no / 10000 = race_day - date '1900-01-01';
    IF NOT FOUND THEN
        INSERT INTO odds_log_races (race_no, race_id)
        SELECT coalesce(max(race_no) + 1, first_race_no(race_day)), id FROM odds_log_races
        WHERE race_no >= first_race_no(race_day) AND race_no < first_race_no(race_day + 1)
        RETURNING race_no INTO number;
        IF race_day_of(number) <> race_day THEN
            RAISE numeric_value_out_of_range
                USING MESSAGE = race_day || ' has more races than the change log can number';
        END IF;
    END IF;
    RETURN number;
END
$$;

CREATE FUNCTION odds_log_runner(race integer, id text) RETURNS smallint
LANGUAGE plpgsql AS $$
DECLARE
    number smallint;
BEGIN
    SELECT runner_no INTO number FROM odds_log_runners WHERE race_no = race AND horse_id = id;
    IF NOT FOUND THEN
        INSERT INTO odds_log_runners (race_no, runner_no, horse_id)
        SELECT race, coalesce(max(runner_no), 0) + 1, id FROM odds_log_runners WHERE race_no = race
        RETURNING runner_no INTO number;
    END IF;
    RETURN number;
END
$$;

CREATE FUNCTION odds_log_bookmaker(id text) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    number integer;
BEGIN
    SELECT bookmaker_no INTO number FROM odds_log_bookmakers WHERE bookmaker_id = id;
    IF NOT FOUND THEN
        INSERT INTO odds_log_bookmakers (bookmaker_id) VALUES (id)
        RETURNING bookmaker_no INTO number;
    END IF;
    RETURN number;
END
$$;

CREATE FUNCTION odds_log_price(price numeric(10, 3), fraction text) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    number integer;
BEGIN
    IF price IS NULL AND fraction IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT price_no INTO number FROM odds_log_prices
    WHERE odds_decimal IS NOT DISTINCT FROM price::numeric(10, 3)
        AND odds_fractional IS NOT DISTINCT FROM fraction;
    IF NOT FOUND THEN
        INSERT INTO odds_log_prices (odds_decimal, odds_fractional) VALUES (price, fraction)
        RETURNING price_no INTO number;
    END IF;
    RETURN number;
END
$$;

COMMENT ON FUNCTION odds_log_race IS 'the number of a race of a day; given to it when it has none';

CREATE FUNCTION log_odds_change() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    race integer := odds_log_race(NEW.race_date, NEW.race_id);
BEGIN
    IF NEW.source NOT IN ('poll', 'history') THEN
        RAISE check_violation USING MESSAGE = 'source is poll or history, not ' || NEW.source;
    END IF;
    INSERT INTO odds_log (
        changed_at, seen_at, race_no, bookmaker_no, price_no, runner_no, is_repair
    )
    VALUES (
        NEW.changed_at, NEW.seen_at, race, odds_log_bookmaker(NEW.bookmaker_id),
        odds_log_price(NEW.odds_decimal, NEW.odds_fractional), odds_log_runner(race, NEW.horse_id),
        NEW.source = 'history'
    )
    RETURNING change_id INTO NEW.change_id;
    RETURN NEW;
END
$$;

CREATE FUNCTION unlog_odds_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM odds_log
    WHERE change_id / 128 = OLD.change_id / 128 AND change_id = OLD.change_id;
    RETURN OLD;
END
$$;

CREATE TRIGGER logged INSTEAD OF INSERT ON ra_odds_changes
    FOR EACH ROW EXECUTE FUNCTION log_odds_change();
CREATE TRIGGER unlogged INSTEAD OF DELETE ON ra_odds_changes
    FOR EACH ROW EXECUTE FUNCTION unlog_odds_change();

CREATE OR REPLACE FUNCTION ensure_odds_changes_partition(race_day date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    first_day date := date_trunc('month', race_day);
    next_month date := first_day + interval '1 month';
    partition_name text := 'ra_odds_changes_' || to_char(race_day, 'YYYY_MM');
BEGIN
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN;
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtext('ra_odds_changes'), first_day - date '2000-01-01') THEN
        RETURN;
    END IF;
    IF EXISTS (
        SELECT FROM ra_odds_changes_default
        WHERE race_no >= first_race_no(first_day) AND race_no < first_race_no(next_month)
    ) THEN
        RETURN;
    END IF;
    -- Asked again: whoever held the lock a moment ago may have made it.
    IF to_regclass(partition_name) IS NULL THEN
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF odds_log FOR VALUES FROM (%L) TO (%L)',
            partition_name, first_race_no(first_day), first_race_no(next_month)
        );
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION begin_odds_changes_partition(first_day date) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    next_month date := first_day + interval '1 month';
    partition_name text := 'ra_odds_changes_' || to_char(first_day, 'YYYY_MM');
    moved bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ra_odds_changes'), first_day - date '2000-01-01');
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    -- The check spares the attaching a look at every row.
    EXECUTE format(
        'CREATE TABLE %I (
            LIKE odds_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES,
            CONSTRAINT of_month CHECK (race_no >= %L AND race_no < %L)
        )',
        partition_name, first_race_no(first_day), first_race_no(next_month)
    );
    EXECUTE format(
        'WITH moved AS (
            DELETE FROM ra_odds_changes_default
            WHERE race_no >= %L AND race_no < %L
            RETURNING *
        )
        INSERT INTO %I SELECT * FROM moved ORDER BY change_id',
        first_race_no(first_day), first_race_no(next_month), partition_name
    );
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END
$$;

CREATE OR REPLACE FUNCTION attach_odds_changes_partition(first_day date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    next_month date := first_day + interval '1 month';
    partition_name text := 'ra_odds_changes_' || to_char(first_day, 'YYYY_MM');
BEGIN
    EXECUTE format(
        'ALTER TABLE odds_log ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition_name, first_race_no(first_day), first_race_no(next_month)
    );
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT of_month', partition_name);
END
$$;

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

CREATE OR REPLACE FUNCTION drop_detached_odds_changes(first_day date) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP VIEW %I', 'ra_odds_changes_' || to_char(first_day, 'YYYY_MM'));
    EXECUTE format('DROP TABLE %I', 'odds_log_' || to_char(first_day, 'YYYY_MM'));
END
$$;

-- migrate: rollback

SELECT set_config('work_mem', '128MB', true), set_config('maintenance_work_mem', '256MB', true);
LOCK TABLE odds_log IN ACCESS EXCLUSIVE MODE;
ALTER VIEW ra_odds_changes RENAME TO odds_changes_before;

CREATE TABLE ra_odds_changes (
    change_id bigint GENERATED ALWAYS AS IDENTITY,
    race_date date NOT NULL,
    race_id text NOT NULL,
    horse_id text NOT NULL,
    bookmaker_id text NOT NULL,
    odds_decimal numeric(10, 3) CHECK (odds_decimal > 1),
    odds_fractional text,
    changed_at timestamptz,
    seen_at timestamptz NOT NULL,
    source text NOT NULL CHECK (source IN ('poll', 'history'))
) PARTITION BY RANGE (race_date);

COMMENT ON COLUMN ra_odds_changes.odds_decimal IS 'NULL: the price was pulled';
COMMENT ON COLUMN ra_odds_changes.changed_at IS 'when the source says that it changed; for polls its refresh stamp';

DO $$
DECLARE
    month name;
    first_day date;
BEGIN
    FOR month IN
        SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = 'odds_log'::regclass ORDER BY child.relname
    LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO %I', month, month || '_before');
        IF month = 'ra_odds_changes_default' THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF ra_odds_changes DEFAULT', month);
        ELSE
            first_day := to_date(right(month, 7), 'YYYY_MM');
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF ra_odds_changes FOR VALUES FROM (%L) TO (%L)', month,
                first_day, (first_day + interval '1 month')::date
            );
        END IF;
    END LOOP;
    -- A month that is detached becomes the table that it says it is.
    FOR month IN
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'
            AND relname ~ '^ra_odds_changes_[0-9]{4}_[0-9]{2}$'
    LOOP
        EXECUTE format('ALTER VIEW %I RENAME TO %I', month, month || '_before');
        EXECUTE format(
            'CREATE TABLE %I (LIKE ra_odds_changes INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', month
        );
        EXECUTE format('INSERT INTO %I SELECT * FROM %I ORDER BY 1', month, month || '_before');
        EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (change_id, race_date)', month);
        EXECUTE format('CREATE INDEX ON %I (race_id, change_id)', month);
        EXECUTE format('DROP VIEW %I', month || '_before');
        EXECUTE format('DROP TABLE %I', 'odds_log_' || right(month, 7));
    END LOOP;
END
$$;

INSERT INTO ra_odds_changes OVERRIDING SYSTEM VALUE SELECT * FROM odds_changes_before;
CREATE INDEX ra_odds_changes_by_race ON ra_odds_changes (race_id, change_id);
ALTER TABLE ra_odds_changes ADD PRIMARY KEY (change_id, race_date);
SELECT setval('ra_odds_changes_change_id_seq', last_value, is_called) FROM odds_log_change_id_seq;

DROP VIEW odds_changes_before, odds_log_entries;
DROP TABLE odds_log, odds_log_prices, odds_log_bookmakers, odds_log_runners, odds_log_races;
DROP FUNCTION log_odds_change, unlog_odds_change, odds_log_race, odds_log_runner,
    odds_log_bookmaker, odds_log_price;

CREATE OR REPLACE FUNCTION ensure_odds_changes_partition(race_day date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    first_day date := date_trunc('month', race_day);
    next_month date := first_day + interval '1 month';
    partition_name text := 'ra_odds_changes_' || to_char(race_day, 'YYYY_MM');
BEGIN
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN;
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtext('ra_odds_changes'), first_day - date '2000-01-01') THEN
        RETURN;
    END IF;
    IF EXISTS (
        SELECT FROM ra_odds_changes_default
        WHERE race_date >= first_day AND race_date < next_month
    ) THEN
        RETURN;
    END IF;
    -- Asked again: whoever held the lock a moment ago may have made it.
    IF to_regclass(partition_name) IS NULL THEN
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF ra_odds_changes FOR VALUES FROM (%L) TO (%L)',
            partition_name, first_day, next_month
        );
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION begin_odds_changes_partition(first_day date) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    next_month date := first_day + interval '1 month';
    partition_name text := 'ra_odds_changes_' || to_char(first_day, 'YYYY_MM');
    moved bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ra_odds_changes'), first_day - date '2000-01-01');
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    -- The check spares the attaching a look at every row.
    EXECUTE format(
        'CREATE TABLE %I (
            LIKE ra_odds_changes INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES,
            CONSTRAINT of_month CHECK (race_date >= %L AND race_date < %L)
        )',
        partition_name, first_day, next_month
    );
    EXECUTE format(
        'WITH moved AS (
            DELETE FROM ra_odds_changes_default
            WHERE race_date >= %L AND race_date < %L
            RETURNING *
        )
        INSERT INTO %I SELECT * FROM moved',
        first_day, next_month, partition_name
    );
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END
$$;

CREATE OR REPLACE FUNCTION attach_odds_changes_partition(first_day date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    next_month date := first_day + interval '1 month';
    partition_name text := 'ra_odds_changes_' || to_char(first_day, 'YYYY_MM');
BEGIN
    EXECUTE format(
        'ALTER TABLE ra_odds_changes ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition_name, first_day, next_month
    );
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT of_month', partition_name);
END
$$;

CREATE OR REPLACE FUNCTION detach_odds_changes_partition(first_day date) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    partition_name text := 'ra_odds_changes_' || to_char(first_day, 'YYYY_MM');
    newest bigint;
BEGIN
    EXECUTE format('ALTER TABLE ra_odds_changes DETACH PARTITION %I', partition_name);
    EXECUTE format('SELECT coalesce(max(change_id), 0) FROM %I', partition_name) INTO newest;
    RETURN newest;
END
$$;

CREATE OR REPLACE FUNCTION drop_detached_odds_changes(first_day date) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP TABLE %I', 'ra_odds_changes_' || to_char(first_day, 'YYYY_MM'));
END
$$;

DROP FUNCTION first_race_no, race_day_of;
