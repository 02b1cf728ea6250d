-- name: outbox_audience^
-- The active webhooks, and where the change log ends when one of them is told of prices.
SELECT
    (
        SELECT jsonb_agg(
            jsonb_build_object('webhook_id', webhook_id, 'events', events, 'filter', filter)
            ORDER BY webhook_id
        )
        FROM webhooks WHERE state = 'active'
    ) AS recipients,
    CASE
        WHEN EXISTS (SELECT FROM webhooks WHERE state = 'active' AND 'price' = ANY (events))
        THEN (SELECT coalesce(max(newest_change_id), 0) FROM odds_log_months)
    END AS change_id;

-- name: outbox_logged_prices(change_id)
-- What this transaction has added to the change log, with the terms and names that belong to it.
SELECT log.change_id, race_id, horse_id, bookmaker_id, prices.odds_decimal, prices.odds_fractional,
    coalesce(log.changed_at, log.seen_at) AS changed_at, log.seen_at,
    CASE WHEN log.is_repair THEN 'history' ELSE 'poll' END AS source,
    live.ew_places, live.ew_denom, runners.horse_name, races.course, races.off_dt, races.course_id,
    races.region
FROM odds_log_between(:change_id, NULL, NULL) AS log
JOIN odds_log_races AS numbered USING (race_no)
JOIN odds_log_runners AS numbered_runners USING (race_no, runner_no)
JOIN odds_log_bookmakers AS bookmakers USING (bookmaker_no)
LEFT JOIN odds_log_prices AS prices USING (price_no)
JOIN ra_races AS races USING (race_id)
LEFT JOIN ra_runners AS runners USING (race_id, horse_id)
LEFT JOIN ra_odds_live AS live USING (race_id, horse_id, bookmaker_id)
ORDER BY log.change_id;

-- name: outbox_take_numbers(webhook_ids, counts)
-- Give each webhook that is still active as many numbers as it has messages; the last of them.
WITH taken AS (
    -- In order, as everyone locks them, so that no two wait for each other.
    SELECT webhooks.webhook_id, wanted.messages
    FROM webhooks
    JOIN unnest(:webhook_ids::text[], :counts::int[]) AS wanted (webhook_id, messages)
        USING (webhook_id)
    WHERE webhooks.state = 'active'
    ORDER BY webhooks.webhook_id
    FOR NO KEY UPDATE OF webhooks
)
UPDATE webhooks
SET last_sequence = last_sequence + taken.messages
FROM taken
WHERE webhooks.webhook_id = taken.webhook_id
RETURNING webhooks.webhook_id, webhooks.last_sequence;

-- name: outbox_insert(message_ids, webhook_ids, events, sequences, payloads, created_at)!
-- Put messages into the outbox, due at once.
INSERT INTO webhook_outbox (
    message_id, webhook_id, event, sequence, payload, created_at, next_attempt_at
)
SELECT m.message_id, m.webhook_id, m.event, m.sequence, m.payload, :created_at::timestamptz,
    :created_at::timestamptz
FROM unnest(
    :message_ids::text[], :webhook_ids::text[], :events::text[], :sequences::bigint[],
    :payloads::text[]
) WITH ORDINALITY AS m (message_id, webhook_id, event, sequence, payload, position)
ORDER BY m.position;

-- name: outbox_claim(busy_ids, busy_counts, at_once, now, claim)
-- Claim the messages that are due, so many at a time of each webhook, with what signing needs.
WITH due AS (
    SELECT next.message_no
    FROM webhooks
    LEFT JOIN unnest(:busy_ids::text[], :busy_counts::int[]) AS busy (webhook_id, messages)
        USING (webhook_id)
    CROSS JOIN LATERAL (
        SELECT outbox.message_no
        FROM webhook_outbox AS outbox
        WHERE outbox.webhook_id = webhooks.webhook_id
            AND outbox.state = 'pending'
            AND outbox.next_attempt_at <= :now::timestamptz
            AND (outbox.claimed_until IS NULL OR outbox.claimed_until <= :now::timestamptz)
        ORDER BY outbox.next_attempt_at, outbox.message_no
        LIMIT greatest(:at_once::int - coalesce(busy.messages, 0), 0)
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS next
    WHERE webhooks.state = 'active'
), claimed AS (
    UPDATE webhook_outbox
    SET claimed_until = :claim::timestamptz
    FROM due
    WHERE webhook_outbox.message_no = due.message_no
    RETURNING webhook_outbox.*
)
SELECT claimed.message_no, claimed.message_id, claimed.webhook_id, claimed.payload,
    claimed.attempts, claimed.claimed_until, webhooks.url, webhooks.secret,
    CASE WHEN webhooks.previous_secret_until > :now::timestamptz
        THEN webhooks.previous_secret END AS previous_secret
FROM claimed
JOIN webhooks USING (webhook_id)
ORDER BY claimed.message_no;

-- name: outbox_release_claims!
-- Let go of what another worker had claimed: whoever leads delivers, and the other leads no more.
UPDATE webhook_outbox
SET claimed_until = NULL
WHERE state = 'pending' AND claimed_until IS NOT NULL;

-- name: outbox_record(outcomes, give_up_after)
-- Note how attempts ended, on messages and webhooks; the webhooks that were stopped by it.
WITH outcome AS (
    SELECT *
    FROM jsonb_to_recordset(:outcomes::jsonb) AS o (
        message_no bigint, webhook_id text, claimed_until timestamptz, delivered boolean,
        status smallint, error text, attempted_at timestamptz, retry_at timestamptz, ms integer
    )
), told AS (
    SELECT webhook_id,
        count(*) FILTER (WHERE delivered) AS delivered,
        count(*) FILTER (WHERE NOT delivered) AS failed,
        max(attempted_at) AS attempted_at,
        max(attempted_at) FILTER (WHERE delivered) AS success_at,
        min(attempted_at) FILTER (WHERE NOT delivered) AS failure_at,
        bool_or(status = 410) AS gone
    FROM outcome
    GROUP BY webhook_id
), locked AS (
    SELECT webhook_id, state AS state_before
    FROM webhooks
    WHERE webhook_id IN (SELECT webhook_id FROM told)
    ORDER BY webhook_id
    FOR NO KEY UPDATE
), noted AS (
    UPDATE webhooks
    SET delivered_count = delivered_count + told.delivered,
        failed_count = failed_count + told.failed,
        last_attempt_at = greatest(last_attempt_at, told.attempted_at),
        last_success_at = greatest(last_success_at, told.success_at),
        failing_since = CASE
            WHEN told.delivered = 0 THEN coalesce(failing_since, told.failure_at)
        END,
        state = CASE
            WHEN state <> 'active' THEN state
            WHEN told.gone THEN 'disabled'
            WHEN told.delivered = 0
                AND failing_since <= told.attempted_at - :give_up_after::interval THEN 'dead'
            ELSE state
        END,
        reason = CASE
            WHEN state <> 'active' THEN reason
            WHEN told.gone THEN 'the receiver answered 410 Gone'
            WHEN told.delivered = 0
                AND failing_since <= told.attempted_at - :give_up_after::interval
            THEN 'nothing could be delivered since '
                || to_char(failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
        END
    FROM told
    JOIN locked USING (webhook_id)
    WHERE webhooks.webhook_id = told.webhook_id
    RETURNING webhooks.webhook_id, webhooks.state, webhooks.reason, locked.state_before
), settled AS (
    -- After the rows of the webhooks, as whoever removes one locks them.
    UPDATE webhook_outbox AS message
    SET state = CASE
            WHEN outcome.delivered THEN 'delivered'
            WHEN outcome.retry_at IS NULL THEN 'dead'
            ELSE 'pending'
        END,
        next_attempt_at = coalesce(outcome.retry_at, next_attempt_at),
        claimed_until = NULL,
        attempts = attempts + 1,
        last_attempt_at = outcome.attempted_at,
        last_status = outcome.status,
        last_error = outcome.error,
        attempt_log = jsonb_path_query_array(
            attempt_log || jsonb_build_object(
                'at', outcome.attempted_at, 'status', outcome.status, 'error', outcome.error,
                'ms', outcome.ms
            ),
            '$[last - 19 to last]'
        )
    FROM outcome
    JOIN noted USING (webhook_id)
    WHERE message.message_no = outcome.message_no
        AND message.state = 'pending'
        -- A failure says nothing of a message that somebody else has claimed since.
        AND (outcome.delivered OR message.claimed_until = outcome.claimed_until)
)
SELECT webhook_id, state, reason
FROM noted
WHERE state <> state_before;

-- name: outbox_prune(delivered_before, created_before, most)!
-- Forget messages that were delivered, and much later all others, so many at a time.
DELETE FROM webhook_outbox
WHERE message_no IN (
    SELECT message_no FROM webhook_outbox
    WHERE created_at < :created_before::timestamptz
        OR (state = 'delivered' AND created_at < :delivered_before::timestamptz)
    ORDER BY created_at
    LIMIT :most
);
