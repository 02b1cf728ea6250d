-- name: backlogs(first_day, most)^
-- What is left to do, for those who watch; counts of messages end at a limit.
SELECT
    (SELECT max(fetch_timestamp) FROM ra_odds_statistics) AS last_card_at,
    (
        SELECT count(*) FROM race_days
        WHERE race_date >= :first_day AND (cards = 'missing' OR results = 'missing')
    ) AS race_days_missing,
    (
        SELECT count(*) FROM ra_gap_repairs
        WHERE race_date >= :first_day AND state IN ('wanted', 'asking')
    ) AS gap_repairs_pending,
    (
        SELECT count(*) FROM (
            SELECT FROM webhook_outbox WHERE state = 'pending' LIMIT :most
        ) AS counted
    ) AS messages_pending,
    (
        SELECT count(*) FROM (
            SELECT FROM webhook_outbox WHERE state = 'dead' LIMIT :most
        ) AS counted
    ) AS messages_dead,
    (SELECT count(*) FROM webhooks WHERE state = 'dead') AS webhooks_dead;
