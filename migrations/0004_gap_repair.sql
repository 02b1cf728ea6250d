-- The ledger of gap repairs: per race, what polling missed and how late it saw the rest.
-- depends: 0003_history_reading
--
-- Why it looks like this:
-- * The feed is asked runner by runner and within what live odds leave of its budget, so a race may
--   take several passes and several workers. Each answer is kept until the race is written: nobody
--   is asked twice, whoever goes on.
-- * A race is written as a whole, with its figures, in the transaction that adds to the change log.
--   So a race is repaired or it is not, and the row says which.
-- * A race is repaired when its market has ended. One that stands after an outage is repaired at
--   once up to that look, and once more, for good, at its end: then occasion is 'end'.

-- migrate: apply

CREATE TABLE ra_gap_repairs (
    race_id text PRIMARY KEY,
    race_date date NOT NULL,
    region text NOT NULL,
    occasion text NOT NULL CHECK (occasion IN ('outage', 'end')),
    state text NOT NULL CHECK (state IN ('wanted', 'asking', 'repaired', 'impossible')),
    outage_from timestamptz,
    outage_to timestamptz,
    runners_asked smallint NOT NULL DEFAULT 0,
    runners_not_found smallint NOT NULL DEFAULT 0,
    runners_failed smallint NOT NULL DEFAULT 0,
    points integer NOT NULL DEFAULT 0,
    seen integer NOT NULL DEFAULT 0,
    added integer NOT NULL DEFAULT 0,
    unplaced integer NOT NULL DEFAULT 0,
    lag_count integer NOT NULL DEFAULT 0,
    lag_median_seconds integer,
    lag_p90_seconds integer,
    lag_max_seconds integer,
    reason text,
    started_at timestamptz,
    repaired_at timestamptz
);

CREATE INDEX ra_gap_repairs_by_date ON ra_gap_repairs (race_date, region);

COMMENT ON COLUMN ra_gap_repairs.region IS 'the feed''s region code, lower case, as in race_days';
COMMENT ON COLUMN ra_gap_repairs.outage_to IS 'the first look after the outage: prices up to it are repaired before the end';
COMMENT ON COLUMN ra_gap_repairs.points IS 'price changes in the feed''s history, over all quotes';
COMMENT ON COLUMN ra_gap_repairs.seen IS 'points that polls saw in time';
COMMENT ON COLUMN ra_gap_repairs.added IS 'entries of the change log that repairs of this race have added in all';
COMMENT ON COLUMN ra_gap_repairs.unplaced IS 'points that are not in the log: polls leave no room for them or, before the end, are still to come';
COMMENT ON COLUMN ra_gap_repairs.lag_count IS 'lags measured: from a change''s whole minute to when a poll saw it';

CREATE TABLE ra_gap_repair_runners (
    race_id text NOT NULL REFERENCES ra_gap_repairs ON DELETE CASCADE,
    horse_id text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('answered', 'not_found', 'failed')),
    attempts smallint NOT NULL DEFAULT 1,
    asked_at timestamptz NOT NULL,
    error text,
    history text,
    PRIMARY KEY (race_id, horse_id)
);

COMMENT ON COLUMN ra_gap_repair_runners.asked_at IS 'when it was first asked about for this repair';
COMMENT ON COLUMN ra_gap_repair_runners.history IS 'what the feed answered, as JSON, until the race is written';

-- migrate: rollback

DROP TABLE ra_gap_repair_runners, ra_gap_repairs;
