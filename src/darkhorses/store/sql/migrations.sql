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
