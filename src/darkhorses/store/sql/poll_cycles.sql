-- name: latest_poll_cycle()^
-- The poll cycle that was written last.
SELECT fetch_timestamp, races_count, horses_count, bookmakers_found, total_odds_fetched,
    changed_count, bookmaker_list, fetch_duration_ms, errors_count
FROM ra_odds_statistics
ORDER BY fetch_timestamp DESC, id DESC
LIMIT 1;
