-- name: quotes_after_revision(race_ids, revision)
-- Live quotes of some races that changed since a revision, pulled prices included.
SELECT race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional, ew_places, ew_denom,
    market_status, in_play, odds_timestamp, fetched_at, updated_at, revision
FROM ra_odds_live
WHERE race_id = ANY(:race_ids::text[]) AND revision > :revision;
