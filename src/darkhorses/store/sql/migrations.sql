-- name: migrations_prepare(lock_timeout, statement_timeout)
-- Limit this transaction alone, and let names mean the public schema.
SELECT
    set_config('lock_timeout', :lock_timeout, true),
    set_config('statement_timeout', :statement_timeout, true),
    set_config('search_path', 'public', true);

-- name: migrations_lock(key)^
-- One migration at a time; the lock ends with its transaction, so that no pooler can lose it.
SELECT pg_advisory_xact_lock(:key);

-- name: migrations_recorded()$
-- Whether any migration was ever applied here.
SELECT to_regclass('public._pogo_migration') IS NOT NULL;

-- name: migrations_applied()
-- The names of the migrations that were applied.
SELECT migration_id FROM public._pogo_migration
WHERE schema_name = 'public'
ORDER BY migration_id;

-- name: migrations_limit_wait(lock_timeout)
-- Limit how long this transaction waits for a lock from here on.
SELECT set_config('lock_timeout', :lock_timeout, true);

-- name: migrations_in_the_way()
-- The oldest transactions that hold a table of ours.
SELECT activity.pid, activity.application_name,
    round(extract(epoch FROM clock_timestamp() - activity.xact_start))::int AS seconds
FROM pg_stat_activity AS activity
WHERE activity.datname = current_database()
    AND activity.pid <> pg_backend_pid()
    AND activity.xact_start IS NOT NULL
    AND EXISTS (
        SELECT FROM pg_locks JOIN pg_class ON pg_class.oid = pg_locks.relation
        WHERE pg_locks.pid = activity.pid AND pg_locks.granted
            AND pg_class.relnamespace = 'public'::regnamespace
    )
ORDER BY activity.xact_start
LIMIT 3;
