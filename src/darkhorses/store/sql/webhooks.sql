-- name: webhooks_all(webhook_id)
-- The webhooks, or one, with how many messages wait, are dead and have been delivered of late.
SELECT w.webhook_id, w.url, w.events, w.filter, w.state, w.reason, w.last_sequence,
    w.delivered_count, w.failed_count, w.last_attempt_at, w.last_success_at, w.failing_since,
    w.created_at, w.previous_secret_until,
    (
        SELECT count(*) FROM webhook_outbox
        WHERE webhook_id = w.webhook_id AND state = 'pending'
    ) AS pending,
    (
        SELECT count(*) FROM webhook_outbox
        WHERE webhook_id = w.webhook_id AND state = 'dead'
    ) AS dead
FROM webhooks AS w
WHERE :webhook_id::text IS NULL OR w.webhook_id = :webhook_id
ORDER BY w.created_at, w.webhook_id;

-- name: webhooks_target(webhook_id, now)^
-- Where a webhook's messages go and what they are signed with.
SELECT url, secret,
    CASE WHEN previous_secret_until > :now::timestamptz THEN previous_secret END AS previous_secret
FROM webhooks
WHERE webhook_id = :webhook_id;

-- name: webhooks_messages(webhook_id, dead, most)
-- Messages that are dead, or that failed and are tried again; the newest first.
SELECT message_id, webhook_id, event, sequence, state, created_at, next_attempt_at, attempts,
    last_attempt_at, last_status, last_error, attempt_log
FROM webhook_outbox
WHERE (:webhook_id::text IS NULL OR webhook_id = :webhook_id)
    AND CASE WHEN :dead THEN state = 'dead' ELSE state = 'pending' AND attempts > 0 END
ORDER BY message_no DESC
LIMIT :most;
