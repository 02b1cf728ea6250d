-- What a worker counts, beside what it says of its jobs and the feed.
-- depends: 0008_api_keys
--
-- Why it looks like this:
-- * A worker has no HTTP server. What it counted since it began stands in its heartbeat, and the
--   API tells it to those who watch.

-- migrate: apply

ALTER TABLE worker_heartbeats ADD COLUMN figures jsonb NOT NULL DEFAULT '{}';

COMMENT ON COLUMN worker_heartbeats.figures IS 'counted since the worker began; they only grow';

-- migrate: rollback

ALTER TABLE worker_heartbeats DROP COLUMN figures;
