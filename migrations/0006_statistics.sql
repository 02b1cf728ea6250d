-- Statistics: small sums kept beside the big tables, so that a figure never scans one of them.
-- depends: 0005_partitions
--
-- Why it looks like this:
-- * The change log is folded in by change_id, whose order is that of commits (there is one writer).
--   The cursor moves in the transaction that adds to the sums: a crash counts nothing twice and
--   skips nothing.
-- * What one race's prices say together is worked out once, when the race is over, and again when
--   its log has grown since: measured_change_id trails newest_change_id then.
-- * Past days have no such order, because a backfill writes beside the worker. A day is counted
--   anew when its row of the ledger differs from the one that it was counted by: the ledger is
--   written in the transaction of the day's rows.
-- * Sets of ids are kept to count them; a set only grows, so that it says "ever seen".

-- migrate: apply

CREATE TABLE statistics_progress (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    change_id bigint NOT NULL DEFAULT 0,
    past_days_counted bigint NOT NULL DEFAULT 0
);

INSERT INTO statistics_progress DEFAULT VALUES;

COMMENT ON COLUMN statistics_progress.change_id IS 'changes up to this one are in the sums';
COMMENT ON COLUMN statistics_progress.past_days_counted IS 'how often a past day was counted, so that figures are told apart from older ones';

CREATE TABLE statistics_counts (
    scope text NOT NULL CHECK (scope IN ('live', 'historical')),
    kind text NOT NULL,
    counted bigint NOT NULL,
    PRIMARY KEY (scope, kind)
);

COMMENT ON TABLE statistics_counts IS 'how many of a kind there are: log entries, and ids in statistics_entities';

CREATE TABLE statistics_entities (
    scope text NOT NULL CHECK (scope IN ('live', 'historical')),
    kind text NOT NULL,
    id text NOT NULL,
    PRIMARY KEY (scope, kind, id)
);

CREATE TABLE statistics_hours (
    hour timestamptz NOT NULL,
    bookmaker_id text NOT NULL,
    changes integer NOT NULL,
    PRIMARY KEY (hour, bookmaker_id)
);

COMMENT ON COLUMN statistics_hours.hour IS 'the hour in which the prices took effect';

CREATE TABLE statistics_races (
    race_id text PRIMARY KEY,
    race_date date NOT NULL,
    changes integer NOT NULL,
    newest_change_id bigint NOT NULL,
    measured_change_id bigint,
    runners smallint,
    priced_runners smallint,
    best_book double precision,
    market_moves integer
);

CREATE INDEX statistics_races_by_date ON statistics_races (race_date);
CREATE INDEX statistics_races_to_measure ON statistics_races (race_id)
    WHERE measured_change_id IS DISTINCT FROM newest_change_id;

COMMENT ON COLUMN statistics_races.measured_change_id IS 'the newest change that the measures hold';

CREATE TABLE statistics_race_bookmakers (
    race_id text NOT NULL REFERENCES statistics_races ON DELETE CASCADE,
    bookmaker_id text NOT NULL,
    race_date date NOT NULL,
    runners_priced smallint NOT NULL,
    best smallint NOT NULL,
    overround double precision,
    shortened integer NOT NULL,
    drifted integer NOT NULL,
    market_moves integer NOT NULL,
    led integer NOT NULL,
    led_alone integer NOT NULL,
    joined integer NOT NULL,
    lag_seconds double precision NOT NULL,
    PRIMARY KEY (race_id, bookmaker_id)
);

CREATE INDEX statistics_race_bookmakers_by_date ON statistics_race_bookmakers (race_date);

CREATE TABLE statistics_past_days (
    race_date date NOT NULL,
    region text NOT NULL,
    attempts integer NOT NULL,
    checked_at timestamptz,
    PRIMARY KEY (race_date, region)
);

COMMENT ON TABLE statistics_past_days IS 'what the ledger said of each day when its races were counted';

CREATE TABLE statistics_past_races (
    race_id text PRIMARY KEY,
    race_date date NOT NULL,
    region text NOT NULL,
    course text NOT NULL,
    race_class text,
    runners smallint NOT NULL,
    non_runners smallint NOT NULL,
    without_result smallint NOT NULL,
    without_prices smallint NOT NULL,
    with_sp smallint NOT NULL,
    with_bsp smallint NOT NULL,
    with_opening smallint NOT NULL,
    with_closing smallint NOT NULL,
    with_range smallint NOT NULL,
    with_forecast smallint NOT NULL,
    from_change_log smallint NOT NULL,
    was_run boolean NOT NULL,
    favourites smallint NOT NULL,
    favourite_wins numeric,
    favourite_return numeric
);

CREATE INDEX statistics_past_races_by_day ON statistics_past_races (race_date, region);

COMMENT ON COLUMN statistics_past_races.favourite_wins IS '1, or the share of a dead heat or of joint favourites; NULL where nobody won, or nobody was favourite';
COMMENT ON COLUMN statistics_past_races.favourite_return IS 'what 1 staked on the favourites in equal parts returned at SP';

CREATE INDEX quarantine_by_last_seen ON quarantine (last_seen_at);

CREATE TABLE statistics_current (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    computed_at timestamptz NOT NULL,
    change_id bigint NOT NULL,
    past_days_counted bigint NOT NULL,
    live jsonb NOT NULL,
    historical jsonb NOT NULL
);

COMMENT ON TABLE statistics_current IS 'the newest figures, as the API gives them';

CREATE TABLE statistics_snapshots (
    computed_at timestamptz PRIMARY KEY,
    figures jsonb NOT NULL
);

COMMENT ON TABLE statistics_snapshots IS 'headline figures of each run: all of two days, hourly ones of sixty, then daily ones';

-- migrate: rollback

DROP TABLE statistics_snapshots, statistics_current, statistics_past_races, statistics_past_days,
    statistics_race_bookmakers, statistics_races, statistics_hours, statistics_entities,
    statistics_counts, statistics_progress;
DROP INDEX quarantine_by_last_seen;
