-- name: heartbeats_all()
-- What the workers last said, the leader first; their age by the database's clock.
SELECT
    worker_id, hostname, pid, version, role, started_at, beat_at, jobs, feed, figures, regions,
    clock_timestamp() - beat_at AS age
FROM worker_heartbeats
ORDER BY role, beat_at DESC, worker_id;

-- name: heartbeat_write(worker_id, hostname, pid, version, role, started_at, jobs, feed, figures, regions)!
-- Put down what a worker says now.
INSERT INTO worker_heartbeats (
    worker_id, hostname, pid, version, role, started_at, beat_at, jobs, feed, figures, regions
)
VALUES (
    :worker_id, :hostname, :pid, :version, :role, :started_at, clock_timestamp(),
    :jobs::jsonb, :feed::jsonb, :figures::jsonb, :regions::text[]
)
ON CONFLICT (worker_id) DO UPDATE SET
    hostname = excluded.hostname,
    pid = excluded.pid,
    version = excluded.version,
    role = excluded.role,
    started_at = excluded.started_at,
    beat_at = clock_timestamp(),
    jobs = excluded.jobs,
    feed = excluded.feed,
    figures = excluded.figures,
    regions = excluded.regions;

-- name: heartbeat_forget(worker_id)!
-- Forget a worker that has stopped.
DELETE FROM worker_heartbeats
WHERE worker_id = :worker_id;

-- name: heartbeats_forget_silent(silence)!
-- Forget workers that went away without a word.
DELETE FROM worker_heartbeats
WHERE beat_at < clock_timestamp() - :silence::interval;
