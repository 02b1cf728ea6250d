-- Months of the change log are made ahead, and a month that lies in the default partition can move.
-- depends: 0004_gap_repair
--
-- Why it looks like this:
-- * Moving a month takes long, so it takes no lock that a write of live odds would wait for: the
--   rows are moved first, and only then is the month attached, which is an instant.
-- * Meanwhile nobody else makes that month: who finds the lock taken leaves it, and its rows go to
--   the default partition, where they are found the next time.
-- * A write asks this function about every race day that it touches; mostly the month is there, and
--   then it looks at nothing else.

-- migrate: apply

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

CREATE FUNCTION begin_odds_changes_partition(first_day date) RETURNS bigint
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

CREATE FUNCTION attach_odds_changes_partition(first_day date) RETURNS void
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

CREATE FUNCTION detach_odds_changes_partition(first_day date) RETURNS bigint
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

CREATE FUNCTION drop_detached_odds_changes(first_day date) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP TABLE %I', 'ra_odds_changes_' || to_char(first_day, 'YYYY_MM'));
END
$$;

COMMENT ON FUNCTION begin_odds_changes_partition IS 'make the table of a month and move its rows there from the default partition; how many, or NULL when the month has a table';
COMMENT ON FUNCTION attach_odds_changes_partition IS 'the same transaction''s second step: make the table a partition; refused when rows of the month have come into the default one meanwhile';
COMMENT ON FUNCTION detach_odds_changes_partition IS 'leave a month as a table of its own; the number of its newest change, which none can follow now';

-- migrate: rollback

DROP FUNCTION drop_detached_odds_changes, detach_odds_changes_partition,
    attach_odds_changes_partition, begin_odds_changes_partition;
CREATE OR REPLACE FUNCTION ensure_odds_changes_partition(race_day date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    first_day date := date_trunc('month', race_day);
    partition_name text := 'ra_odds_changes_' || to_char(race_day, 'YYYY_MM');
BEGIN
    IF to_regclass(partition_name) IS NULL AND NOT EXISTS (
        SELECT FROM ra_odds_changes_default
        WHERE race_date >= first_day AND race_date < first_day + interval '1 month'
    ) THEN
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF ra_odds_changes FOR VALUES FROM (%L) TO (%L)',
            partition_name, first_day, (first_day + interval '1 month')::date
        );
    END IF;
END
$$;
