-- name: earlier_tables_found()
-- The tables of the earlier system's names in the public schema, with their columns.
SELECT relation.relname AS name,
    array_agg(attribute.attname::text ORDER BY attribute.attnum) AS columns,
    greatest(relation.reltuples, 0)::bigint AS about_rows
FROM pg_class AS relation
JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid
WHERE relation.relnamespace = 'public'::regnamespace
    AND relation.relkind = 'r'
    AND relation.relname IN ('ra_bookmakers', 'ra_odds_statistics', 'ra_odds_live', 'ra_odds_historical')
    AND attribute.attnum > 0 AND NOT attribute.attisdropped
GROUP BY relation.oid, relation.relname, relation.reltuples
ORDER BY relation.relname;

-- name: relations_present(names)
-- Those of the names that something in the public schema has.
SELECT relname AS name FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relname = ANY(:names::text[])
ORDER BY relname;

-- name: see_all_rows()^
-- Fail rather than leave out rows that a policy hides.
SELECT set_config('row_security', 'off', true);

-- name: moving_tables(names, home, away)
-- The statements that move tables, views and sequences, with all that belongs to them, between schemas.
SELECT format(
    'ALTER %s %I.%I SET SCHEMA %I',
    CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, :home::text, relname, :away::text
) AS statement
FROM pg_class
WHERE relnamespace = to_regnamespace(:home::text)
    AND relkind IN ('r', 'p', 'S', 'v')
    AND relname = ANY(:names::text[])
ORDER BY relname;

-- name: moving_functions(names, home, away)
-- The statements that move functions between schemas.
SELECT format('ALTER FUNCTION %s SET SCHEMA %I', oid::regprocedure, :away::text) AS statement
FROM pg_proc
WHERE pronamespace = to_regnamespace(:home::text) AND proname = ANY(:names::text[])
ORDER BY proname;

-- name: months_of_changes()
-- The tables of the change log's months, attached or detached, and the views of detached ones.
SELECT relname AS name FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
    AND relname ~ '^(ra_odds_changes|odds_log)_(default|[0-9]{4}_[0-9]{2})$'
ORDER BY relname;

-- name: counting_tables(names, home)
-- The statements that count the rows of tables.
SELECT relname AS name, format('SELECT count(*) FROM %I.%I', :home::text, relname) AS statement
FROM pg_class
WHERE relnamespace = to_regnamespace(:home::text) AND relkind = 'r' AND relname = ANY(:names::text[])
ORDER BY relname;

-- name: schema_exists(name)$
-- Whether there is a schema of this name.
SELECT to_regnamespace(:name::text) IS NOT NULL;

-- name: make_legacy_schema#
-- A place for the earlier system's tables.
CREATE SCHEMA IF NOT EXISTS darkhorses_legacy;

-- name: make_set_aside_schema#
-- A place for our tables, for those who go back.
CREATE SCHEMA darkhorses_set_aside;

-- name: drop_legacy_schema#
-- It is empty now, or this fails.
DROP SCHEMA darkhorses_legacy;

-- name: legacy_dependents()
-- What refers to the earlier system's tables from outside: views, and tables by foreign keys.
SELECT DISTINCT what, kind, refers_to
FROM (
    SELECT rewrite.ev_class::regclass::text AS what, 'view' AS kind, used.relname::text AS refers_to
    FROM pg_depend AS depend
    JOIN pg_rewrite AS rewrite
        ON depend.classid = 'pg_rewrite'::regclass AND depend.objid = rewrite.oid
    JOIN pg_class AS used
        ON depend.refclassid = 'pg_class'::regclass AND depend.refobjid = used.oid
    WHERE used.relnamespace = to_regnamespace('darkhorses_legacy')
        AND rewrite.ev_class <> used.oid
    UNION ALL
    SELECT conrelid::regclass::text, 'foreign key', used.relname::text
    FROM pg_constraint
    JOIN pg_class AS used ON used.oid = confrelid
    JOIN pg_class AS referring ON referring.oid = conrelid
    WHERE contype = 'f'
        AND used.relnamespace = to_regnamespace('darkhorses_legacy')
        AND referring.relnamespace <> used.relnamespace
) AS found
ORDER BY what, refers_to;

-- name: note_adopted(table_names, steps, rows_kept)!
-- Note which tables were moved away and what is to be brought over from them, in which order.
INSERT INTO adopted_tables (table_name, step, rows_kept)
SELECT a.table_name, a.step, a.rows_kept
FROM unnest(:table_names::text[], :steps::smallint[], :rows_kept::bigint[])
    AS a (table_name, step, rows_kept);
