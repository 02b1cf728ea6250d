-- What the summary of historical odds needs.
-- depends: 0002_history
--
-- Why it looks like this:
-- * Everything else in the summary comes from the ledger, a row per day and region. Where the prices
--   of a row come from stands in the rows alone: this index is a hundredth of the table, and is read
--   instead of it.

-- migrate: apply

CREATE INDEX ra_odds_historical_by_source ON ra_odds_historical (data_source);

-- migrate: rollback

DROP INDEX ra_odds_historical_by_source;
