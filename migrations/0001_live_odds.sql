-- The live odds path: races, runners, bookmakers, the live quotes and the log of every change.
-- depends:
--
-- Why it looks like this:
-- * Race facts stand once, in ra_races; the earlier system repeated them on every price row.
-- * text + CHECK instead of enum types, and no session state, so that it works through poolers.
-- * market_revision numbers every committed write. One fenced worker writes at a time, so its
--   order is the order of commits, and a reader that asks "revision > mine" misses nothing:
--   not a price, not a non-runner, not a look that found nothing new.
-- * ra_odds_changes is append-only and partitioned by month of race_date, so that old months
--   cost nothing to the days that are played. Rows without a partition land in the default one:
--   a price is never refused because a partition is late.
-- * The live quotes have no foreign keys: they are written thousands at a time by the one writer
--   that writes the races and runners in the same transaction.

-- migrate: apply

CREATE SEQUENCE market_revision;

CREATE TABLE ra_courses (
    course_id text PRIMARY KEY,
    course text NOT NULL,
    region_code text NOT NULL,
    region text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ra_bookmakers (
    bookmaker_id text PRIMARY KEY,
    bookmaker_name text NOT NULL,
    bookmaker_type text NOT NULL CHECK (bookmaker_type IN ('fixed', 'exchange')),
    active boolean NOT NULL DEFAULT true,
    last_quoted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ra_races (
    race_id text PRIMARY KEY,
    race_date date NOT NULL,
    off_dt timestamptz NOT NULL,
    off_time text NOT NULL,
    course_id text NOT NULL,
    course text NOT NULL,
    region text NOT NULL,
    race_name text NOT NULL,
    race_class text,
    race_type text,
    pattern text,
    distance text,
    distance_f numeric(5, 1),
    going text,
    surface text,
    age_band text,
    rating_band text,
    prize text,
    field_size smallint,
    race_status text,
    is_abandoned boolean NOT NULL DEFAULT false,
    odds_refreshed_at timestamptz,
    odds_changed_at timestamptz,
    checked_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX ra_races_by_date ON ra_races (race_date, off_dt);

COMMENT ON COLUMN ra_races.checked_at IS 'when the feed was last asked about this race and answered';
COMMENT ON COLUMN ra_races.odds_refreshed_at IS 'the refresh stamp that the feed itself put on the odds';
COMMENT ON COLUMN ra_races.odds_changed_at IS 'when we last saw any price of the race change';

CREATE TABLE ra_runners (
    race_id text NOT NULL REFERENCES ra_races ON DELETE CASCADE,
    horse_id text NOT NULL,
    horse_name text NOT NULL,
    horse_number smallint,
    draw smallint,
    jockey text,
    jockey_id text,
    jockey_claim_lbs smallint,
    trainer text,
    trainer_id text,
    age smallint,
    weight_lbs smallint,
    headgear text,
    form text,
    official_rating smallint,
    silk_url text,
    is_non_runner boolean NOT NULL DEFAULT false,
    non_runner_at timestamptz,
    is_reserve boolean NOT NULL DEFAULT false,
    removed_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL,
    PRIMARY KEY (race_id, horse_id)
);

COMMENT ON COLUMN ra_runners.non_runner_at IS 'when we first saw the runner marked as a non-runner';
COMMENT ON COLUMN ra_runners.removed_at IS 'when the runner was found to be no longer on the card';

CREATE TABLE ra_odds_live (
    race_id text NOT NULL,
    horse_id text NOT NULL,
    bookmaker_id text NOT NULL,
    odds_decimal numeric(10, 3) CHECK (odds_decimal > 1),
    odds_fractional text,
    ew_places smallint,
    ew_denom smallint,
    market_status text NOT NULL CHECK (market_status IN ('OPEN', 'SUSPENDED')),
    in_play boolean NOT NULL DEFAULT false,
    odds_timestamp timestamptz,
    fetched_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (race_id, horse_id, bookmaker_id)
) WITH (fillfactor = 80);

COMMENT ON COLUMN ra_odds_live.fetched_at IS 'when we first saw this price; ra_races.checked_at says when we last looked';
COMMENT ON COLUMN ra_odds_live.odds_timestamp IS 'the refresh stamp of the feed that first carried this price';

CREATE TABLE ra_odds_changes (
    change_id bigint GENERATED ALWAYS AS IDENTITY,
    race_date date NOT NULL,
    race_id text NOT NULL,
    horse_id text NOT NULL,
    bookmaker_id text NOT NULL,
    odds_decimal numeric(10, 3) CHECK (odds_decimal > 1),
    odds_fractional text,
    changed_at timestamptz,
    seen_at timestamptz NOT NULL,
    source text NOT NULL CHECK (source IN ('poll', 'history')),
    PRIMARY KEY (change_id, race_date)
) PARTITION BY RANGE (race_date);

CREATE INDEX ra_odds_changes_by_race ON ra_odds_changes (race_id, change_id);

COMMENT ON COLUMN ra_odds_changes.odds_decimal IS 'NULL: the price was pulled';
COMMENT ON COLUMN ra_odds_changes.changed_at IS 'when the source says that it changed; for polls its refresh stamp';

CREATE TABLE ra_odds_changes_default PARTITION OF ra_odds_changes DEFAULT;

CREATE FUNCTION ensure_odds_changes_partition(race_day date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    first_day date := date_trunc('month', race_day);
    partition_name text := 'ra_odds_changes_' || to_char(race_day, 'YYYY_MM');
BEGIN
    IF to_regclass(partition_name) IS NULL AND NOT EXISTS (
        SELECT FROM ra_odds_changes_default
        WHERE race_date >= first_day AND race_date < first_day + interval '1 month'
    ) THEN
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF ra_odds_changes FOR VALUES FROM (%L) TO (%L)',
            partition_name, first_day, (first_day + interval '1 month')::date
        );
    END IF;
END
$$;

COMMENT ON FUNCTION ensure_odds_changes_partition IS 'make the month of a race day a partition of its own, unless rows of it lie in the default one already';

CREATE TABLE ra_odds_statistics (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fetch_timestamp timestamptz NOT NULL,
    races_count integer NOT NULL,
    horses_count integer NOT NULL,
    bookmakers_found integer NOT NULL,
    total_odds_fetched integer NOT NULL,
    changed_count integer NOT NULL,
    bookmaker_list text[] NOT NULL,
    fetch_duration_ms integer NOT NULL,
    errors_count integer NOT NULL
);

CREATE INDEX ra_odds_statistics_by_time ON ra_odds_statistics (fetch_timestamp);

CREATE TABLE quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('race', 'runner', 'quote')),
    race_id text,
    horse_id text,
    reason text NOT NULL,
    payload text NOT NULL,
    payload_digest text NOT NULL,
    seen_count integer NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (kind, race_id, horse_id, payload_digest)
);

COMMENT ON TABLE quarantine IS 'pieces of the feed that could not be understood, each once, with how often it came';

CREATE TABLE worker_lease (
    name text PRIMARY KEY,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    UNIQUE (name, epoch)
);

COMMENT ON TABLE worker_lease IS 'who may write; epoch grows with every takeover and fences off the worker before';

CREATE TABLE worker_heartbeats (
    worker_id text PRIMARY KEY,
    hostname text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    role text NOT NULL CHECK (role IN ('leader', 'standby')),
    started_at timestamptz NOT NULL,
    beat_at timestamptz NOT NULL,
    jobs jsonb NOT NULL DEFAULT '{}',
    feed jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);

CREATE TABLE job_runs (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    race_day date,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    status text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed')),
    detail jsonb NOT NULL DEFAULT '{}',
    error text
);

CREATE INDEX job_runs_by_job ON job_runs (job, started_at DESC);

-- migrate: rollback

DROP TABLE job_runs, worker_heartbeats, worker_lease, quarantine, ra_odds_statistics,
    ra_odds_changes, ra_odds_live, ra_runners, ra_races, ra_bookmakers, ra_courses;
DROP FUNCTION ensure_odds_changes_partition;
DROP SEQUENCE market_revision;
