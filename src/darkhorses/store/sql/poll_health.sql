-- name: poll_health(since, step)
-- How the looks at the whole card went since an instant, in steps of time that had any.
SELECT
    date_bin(:step::interval, fetch_timestamp, :since::timestamptz) AS begins_at,
    count(*) AS looks,
    count(*) FILTER (WHERE errors_count > 0) AS looks_with_errors,
    sum(changed_count)::bigint AS changes,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY fetch_duration_ms)::integer AS median_ms,
    max(fetch_duration_ms) AS longest_ms
FROM ra_odds_statistics
WHERE fetch_timestamp >= :since
GROUP BY 1
ORDER BY 1;
