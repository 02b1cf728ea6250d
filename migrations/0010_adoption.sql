-- What became of an earlier system's tables that stood in this database.
-- depends: 0009_worker_figures
--
-- Why it looks like this:
-- * The tables themselves are moved, whole, into the schema darkhorses_legacy before the first
--   migration. They are read from there block by block, in transactions that move next_block
--   together with what they wrote, so that whoever is killed loses and doubles nothing.
-- * What was said of each row is counted beside it: a second run reports what the first one did.
-- * Historical rows of the earlier system have no race and horse ids. Its live prices have them:
--   adoption_runners holds those, so that a row of the same day and horse gets the feed's ids.
-- * A historical row that stands as the earlier system told it says so in data_source.

-- migrate: apply

CREATE TABLE adopted_tables (
    table_name text PRIMARY KEY,
    step smallint NOT NULL,
    rows_kept bigint NOT NULL,
    next_block bigint NOT NULL DEFAULT 0,
    adopted_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);

COMMENT ON COLUMN adopted_tables.rows_kept IS 'how many rows it had when it was moved';

CREATE TABLE adoption_outcomes (
    table_name text NOT NULL REFERENCES adopted_tables ON DELETE CASCADE,
    outcome text NOT NULL CHECK (outcome IN ('brought', 'left', 'fact_left_out')),
    reason text NOT NULL,
    counted bigint NOT NULL,
    PRIMARY KEY (table_name, outcome, reason)
);

COMMENT ON COLUMN adoption_outcomes.outcome IS 'brought and left count rows; fact_left_out counts values of rows that were brought without them';

CREATE TABLE adoption_runners (
    race_date date NOT NULL,
    horse_key text NOT NULL,
    race_id text NOT NULL,
    horse_id text NOT NULL,
    course_key text NOT NULL,
    PRIMARY KEY (race_date, horse_key, race_id)
);

ALTER TABLE ra_odds_historical
    DROP CONSTRAINT ra_odds_historical_data_source_check,
    ADD CONSTRAINT ra_odds_historical_data_source_check
        CHECK (data_source IN ('change_log', 'card', 'result', 'earlier'));

COMMENT ON COLUMN ra_odds_historical.data_source IS 'where opening, closing, minimum and maximum come from: our change log, the card, or the result alone; earlier: the whole row is as an earlier system told it';

-- migrate: rollback

DELETE FROM ra_odds_historical WHERE data_source = 'earlier';
ALTER TABLE ra_odds_historical
    DROP CONSTRAINT ra_odds_historical_data_source_check,
    ADD CONSTRAINT ra_odds_historical_data_source_check
        CHECK (data_source IN ('change_log', 'card', 'result'));
DROP TABLE adoption_runners, adoption_outcomes, adopted_tables;
