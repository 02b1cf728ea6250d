-- What a lease is for: the regions that its holder collects, and what is done once for all of them.
-- depends: 0010_adoption
--
-- Why it looks like this:
-- * Regions may be split over several workers and feed accounts, each under a lease of its own.
--   Two leases that share a duty are never live at once, or a price would be logged twice; so the
--   row says what its holder alone may do. The word 'once' stands for statistics, webhooks and
--   months of the change log, whichever worker does them.
-- * A worker of the version before does not write these columns: by their defaults it does
--   everything, and nothing is known of when it began. A lease that ended is missed for a day if
--   it has a taken_at, so that one region of a version before leaves no other region missed.

-- migrate: apply

ALTER TABLE worker_lease
    ADD COLUMN duties text[] NOT NULL DEFAULT '{gb,ire,once}',
    ADD COLUMN taken_at timestamptz;

COMMENT ON COLUMN worker_lease.duties IS 'what the holder alone does: collecting regions, and once for what is done once for all';
COMMENT ON COLUMN worker_lease.taken_at IS 'when the holder took it; NULL when a version before this column did';

ALTER TABLE worker_heartbeats ADD COLUMN regions text[] NOT NULL DEFAULT '{gb,ire}';

COMMENT ON COLUMN worker_heartbeats.regions IS 'regions that the worker collects while it leads';

-- migrate: rollback

ALTER TABLE worker_heartbeats DROP COLUMN regions;
ALTER TABLE worker_lease DROP COLUMN duties, DROP COLUMN taken_at;
