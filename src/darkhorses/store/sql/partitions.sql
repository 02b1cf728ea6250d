-- name: odds_changes_partitions()
-- The months of the change log that have a partition of their own, by name; the default is none.
SELECT child.relname::text AS name
FROM pg_inherits
JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'odds_log'::regclass AND child.relname ~ '^ra_odds_changes_\d{4}_\d{2}$'
ORDER BY child.relname;

-- name: odds_changes_in_default()
-- The months of which rows lie in the default partition.
SELECT DISTINCT date_trunc('month', race_day_of(race_no))::date AS first_day
FROM ra_odds_changes_default
ORDER BY first_day;

-- name: odds_changes_of_month(first_day, last_day)^
-- How many changes a month has, and the number of the newest.
SELECT count(*) AS rows, coalesce(max(change_id), 0) AS newest
FROM odds_log
WHERE race_no >= first_race_no(:first_day::date) AND race_no < first_race_no(:last_day::date + 1);

-- name: partition_limits(lock_timeout, statement_timeout)^
-- Limit this transaction: live odds wait behind it for a lock no longer than that.
SELECT
    set_config('lock_timeout', :lock_timeout, true),
    set_config('statement_timeout', :statement_timeout, true);

-- name: partition_begin(first_day)$
-- Make the table of a month and move its rows there; how many, NULL when it has a table.
SELECT begin_odds_changes_partition(:first_day::date);

-- name: partition_attach(first_day)^
-- Make the table of a month a partition.
SELECT attach_odds_changes_partition(:first_day::date);

-- name: partition_detach(first_day)$
-- Leave a month as a table of its own; the number of its newest change.
SELECT detach_odds_changes_partition(:first_day::date);

-- name: partition_drop(first_day)^
-- Remove the table of a month that is detached.
SELECT drop_detached_odds_changes(:first_day::date);
