-- name: webhooks_add(webhook_id, url, events, filter, secret, now, most)!
-- Register a webhook, unless there are too many.
INSERT INTO webhooks (webhook_id, url, events, filter, secret, created_at)
SELECT :webhook_id, :url, :events::text[], :filter::jsonb, :secret, :now::timestamptz
WHERE (SELECT count(*) FROM webhooks) < :most;

-- name: webhooks_rotate(webhook_id, secret, until)!
-- Sign with a new secret, and until some time with the one before as well.
UPDATE webhooks
SET previous_secret = secret, previous_secret_until = :until::timestamptz, secret = :secret
WHERE webhook_id = :webhook_id;

-- name: webhooks_enable(webhook_id)!
-- Tell it again; what waits in the outbox goes out.
UPDATE webhooks
SET state = 'active', reason = NULL, failing_since = NULL
WHERE webhook_id = :webhook_id;

-- name: webhooks_disable(webhook_id)!
-- Tell it nothing more; what waits in the outbox goes on waiting.
UPDATE webhooks
SET state = 'disabled', reason = 'disabled by the operator'
WHERE webhook_id = :webhook_id;

-- name: webhooks_remove(webhook_id)!
-- Forget a webhook with all its messages.
DELETE FROM webhooks WHERE webhook_id = :webhook_id;

-- name: webhooks_replay(webhook_id, now)!
-- Let its dead messages be tried again from the beginning.
UPDATE webhook_outbox
SET state = 'pending', attempts = 0, next_attempt_at = :now::timestamptz, claimed_until = NULL
WHERE webhook_id = :webhook_id AND state = 'dead';
