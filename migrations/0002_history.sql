-- The nightly half: results, historical odds with what they said before, and the ledger of days.
-- depends: 0001_live_odds
--
-- Why it looks like this:
-- * ra_odds_historical keeps the earlier system's column names and gains race and horse ids as its
--   key: without them a second run doubled rows and no two sources could be joined.
-- * Prices and returns are numeric; a fraction is kept beside a price that has one.
-- * What a corrected row said before goes to ra_odds_historical_revisions: results are amended days
--   later, and a bet settled on the first version must stay explainable.
-- * race_days is what the jobs are driven by: a day of a region is done when the ledger says so,
--   not when a clock has struck.

-- migrate: apply

CREATE TABLE race_days (
    race_date date NOT NULL,
    region text NOT NULL,
    cards text NOT NULL DEFAULT 'missing' CHECK (cards IN ('missing', 'provisional', 'complete')),
    results text NOT NULL DEFAULT 'missing' CHECK (results IN ('missing', 'provisional', 'complete')),
    races_count integer NOT NULL DEFAULT 0,
    results_count integer NOT NULL DEFAULT 0,
    rows_count integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    reason text,
    checked_at timestamptz,
    completed_at timestamptz,
    PRIMARY KEY (race_date, region)
);

COMMENT ON COLUMN race_days.region IS 'the feed''s region code, lower case: gb, ire';
COMMENT ON COLUMN race_days.reason IS 'why the day is not complete, or what was lost of it, in a sentence';

CREATE TABLE ra_results (
    race_id text PRIMARY KEY,
    race_date date NOT NULL,
    off_dt timestamptz NOT NULL,
    region text NOT NULL,
    course_id text NOT NULL,
    course text NOT NULL,
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
    is_handicap boolean NOT NULL,
    runners_count smallint NOT NULL,
    winning_time text,
    comments text,
    non_runners text,
    tote jsonb NOT NULL DEFAULT '{}',
    is_provisional boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ra_results_by_date ON ra_results (race_date, off_dt);

COMMENT ON COLUMN ra_results.runners_count IS 'horses that actually ran';

CREATE TABLE ra_odds_historical (
    race_id text NOT NULL,
    horse_id text NOT NULL,
    date_of_race date NOT NULL,
    off_dt timestamptz NOT NULL,
    country text NOT NULL,
    course_id text NOT NULL,
    track text NOT NULL,
    race_time text NOT NULL,
    race_name text NOT NULL,
    going text,
    race_type text,
    distance text,
    race_class text,
    runners_count smallint NOT NULL,
    horse_name text NOT NULL,
    horse_number smallint,
    official_rating smallint,
    age smallint,
    weight text,
    jockey text,
    jockey_id text,
    trainer text,
    trainer_id text,
    headgear text,
    stall_number smallint,
    is_non_runner boolean NOT NULL DEFAULT false,
    non_runner_reason text,
    industry_sp numeric(10, 3),
    industry_sp_fractional text,
    sp_favorite_position smallint,
    sp_favorite_mark text,
    bsp numeric(10, 3),
    finishing_position text,
    position_no smallint,
    dead_heat_count smallint,
    winning_distance numeric(8, 2),
    prize numeric(12, 2),
    prize_currency text CHECK (prize_currency IN ('GBP', 'EUR')),
    opening_price numeric(10, 3),
    closing_price numeric(10, 3),
    pre_race_min numeric(10, 3),
    pre_race_max numeric(10, 3),
    ip_min numeric(10, 3),
    ip_max numeric(10, 3),
    forecasted_odds numeric(10, 3),
    sp_win_return numeric(12, 4),
    ew_return numeric(12, 4),
    place_return numeric(12, 4),
    rule_4_pence smallint,
    data_source text NOT NULL CHECK (data_source IN ('change_log', 'card', 'result')),
    match_timestamp timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (race_id, horse_id)
);

CREATE INDEX ra_odds_historical_by_date ON ra_odds_historical (date_of_race, race_id, horse_id);
CREATE INDEX ra_odds_historical_by_track ON ra_odds_historical (lower(track), date_of_race);
CREATE INDEX ra_odds_historical_by_horse ON ra_odds_historical (lower(horse_name), date_of_race);
CREATE INDEX ra_odds_historical_by_jockey ON ra_odds_historical (lower(jockey), date_of_race);
CREATE INDEX ra_odds_historical_by_trainer ON ra_odds_historical (lower(trainer), date_of_race);

COMMENT ON COLUMN ra_odds_historical.winning_distance IS 'lengths behind the winner; for the winner, ahead of the second';
COMMENT ON COLUMN ra_odds_historical.prize IS 'money won, in prize_currency: pounds in Britain, euros in Ireland';
COMMENT ON COLUMN ra_odds_historical.data_source IS 'where opening, closing, minimum and maximum come from: our change log, the card, or the result alone';
COMMENT ON COLUMN ra_odds_historical.sp_win_return IS 'returned for 1 staked to win at SP, stake included; 0 for a loser, 1 for a void bet';
COMMENT ON COLUMN ra_odds_historical.place_return IS 'returned for 1 staked on the place at SP, stake included; NULL where there is no place betting';
COMMENT ON COLUMN ra_odds_historical.ew_return IS 'returned for 1 each way (2 staked) at SP; NULL where there is no place betting';
COMMENT ON COLUMN ra_odds_historical.ip_min IS 'in running; the feed does not say';
COMMENT ON COLUMN ra_odds_historical.rule_4_pence IS 'pence in the pound that bets at the opening price lose by later withdrawals; NULL when not known';
COMMENT ON COLUMN ra_odds_historical.match_timestamp IS 'when card and result were joined';

CREATE TABLE ra_odds_historical_revisions (
    revision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    race_id text NOT NULL,
    horse_id text NOT NULL,
    superseded_at timestamptz NOT NULL,
    said jsonb NOT NULL
);

CREATE INDEX ra_odds_historical_revisions_by_runner
    ON ra_odds_historical_revisions (race_id, horse_id, revision_id);

COMMENT ON COLUMN ra_odds_historical_revisions.said IS 'the columns that changed, with what they said before';

-- migrate: rollback

DROP TABLE ra_odds_historical_revisions, ra_odds_historical, ra_results, race_days;
