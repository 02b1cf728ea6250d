-- name: server_facts()^
-- What the server is and what time it has; whether this connection is encrypted where it ends.
SELECT
    current_setting('server_version') AS version,
    current_setting('server_version_num')::int AS version_number,
    clock_timestamp() AS clock,
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted;

-- name: server_backend()$
-- The server process that answers this very statement.
SELECT pg_backend_pid();

-- name: database_bytes()$
-- What the database takes on disk.
SELECT pg_database_size(current_database());
