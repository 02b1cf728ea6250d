-- Webhooks: who is told of what happens, and the outbox from which they are told.
-- depends: 0006_statistics
--
-- Why it looks like this:
-- * A message is written in the transaction that writes what it tells of, so nothing is told that
--   was rolled back and nothing is forgotten that was committed.
-- * last_sequence numbers a webhook's messages without holes. Taking numbers locks the webhook's
--   row, which also leaves out one that was switched off meanwhile.
-- * Secrets stand as they are: the worker must sign with them.
-- * A claim is a time until which a message is somebody's. Nobody has to take it back when that
--   somebody was killed, and no connection is held while a message is on its way.

-- migrate: apply

CREATE TABLE webhooks (
    webhook_id text PRIMARY KEY,
    url text NOT NULL,
    events text[] NOT NULL CHECK (
        cardinality(events) > 0
        AND events <@ ARRAY['price', 'race', 'non_runner', 'result', 'status']
    ),
    filter jsonb NOT NULL DEFAULT '{}',
    secret text NOT NULL,
    previous_secret text,
    previous_secret_until timestamptz,
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled', 'dead')),
    reason text,
    last_sequence bigint NOT NULL DEFAULT 0,
    delivered_count bigint NOT NULL DEFAULT 0,
    failed_count bigint NOT NULL DEFAULT 0,
    last_attempt_at timestamptz,
    last_success_at timestamptz,
    failing_since timestamptz,
    created_at timestamptz NOT NULL
) WITH (fillfactor = 50);

COMMENT ON COLUMN webhooks.state IS 'disabled: by the operator, or by the receiver''s 410; dead: given up, nothing could be delivered for days';
COMMENT ON COLUMN webhooks.failed_count IS 'attempts that failed, not messages';
COMMENT ON COLUMN webhooks.failing_since IS 'the first failed attempt since the last one that succeeded';

CREATE TABLE webhook_outbox (
    message_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id text NOT NULL UNIQUE,
    webhook_id text NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    event text NOT NULL,
    sequence bigint NOT NULL,
    payload text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    created_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    claimed_until timestamptz,
    attempts smallint NOT NULL DEFAULT 0,
    last_attempt_at timestamptz,
    last_status smallint,
    last_error text,
    attempt_log jsonb NOT NULL DEFAULT '[]',
    UNIQUE (webhook_id, sequence)
) WITH (fillfactor = 80);

CREATE INDEX webhook_outbox_due
    ON webhook_outbox (webhook_id, next_attempt_at, message_no) WHERE state = 'pending';
CREATE INDEX webhook_outbox_dead
    ON webhook_outbox (webhook_id, message_no) WHERE state = 'dead';
CREATE INDEX webhook_outbox_by_age ON webhook_outbox (created_at);

COMMENT ON COLUMN webhook_outbox.attempts IS 'attempts that ended; one whose worker was killed is not counted';
COMMENT ON COLUMN webhook_outbox.attempt_log IS 'the last 20 attempts: at, status, error, ms';

-- migrate: rollback

DROP TABLE webhook_outbox, webhooks;
