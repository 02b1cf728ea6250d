-- name: api_keys_revision()$
-- How often keys have changed.
SELECT revision FROM api_key_state;

-- name: api_keys_all()
-- Every key, the oldest first.
SELECT key_id, name, scopes, digest, previous_digest, previous_until, requests_per_minute,
    created_at, expires_at, revoked_at, last_used_at
FROM api_keys
ORDER BY created_at, key_id;

-- name: api_keys_used(key_ids, used_at)!
-- Note when keys were last used, in one order so that two APIs never wait for each other.
WITH used AS (
    SELECT k.key_id, u.used_at
    FROM unnest(:key_ids::text[], :used_at::timestamptz[]) AS u (key_id, used_at)
    JOIN api_keys AS k USING (key_id)
    WHERE k.last_used_at IS NULL OR k.last_used_at < u.used_at
    ORDER BY k.key_id
    FOR NO KEY UPDATE OF k
)
UPDATE api_keys AS k SET last_used_at = used.used_at FROM used WHERE k.key_id = used.key_id;

-- name: api_keys_create(key_id, name, scopes, digest, requests_per_minute, now, expires_at, most)!
-- Add a key unless there are too many.
INSERT INTO api_keys (
    key_id, name, scopes, digest, requests_per_minute, created_at, expires_at
)
SELECT :key_id, :name, :scopes::text[], :digest, :requests_per_minute, :now, :expires_at
WHERE (SELECT count(*) FROM api_keys) < :most;

-- name: api_keys_rotate(key_id, digest, until)!
-- Replace a key; the one before is good until a time.
UPDATE api_keys
SET previous_digest = digest, digest = :digest, previous_until = :until
WHERE key_id = :key_id AND revoked_at IS NULL;

-- name: api_keys_revoke(key_id, now)!
-- Make a key worthless.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, :now) WHERE key_id = :key_id;
