-- name: primary_position()^
-- Who this server is, and how far it has written its log, in bytes; fails on a standby.
SELECT
    (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS position;

-- name: replica_position()^
-- Who this server follows, and how far it has replayed that one's log; no position on a primary.
SELECT
    (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
    pg_is_in_recovery() AS is_standby,
    pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint AS position;
