-- API keys: who may ask the API, for what, and until when.
-- depends: 0007_webhooks
--
-- Why it looks like this:
-- * Only a digest of each key stands here. Keys are 32 random bytes, so a plain SHA-256 is enough:
--   there is nothing to guess that salt or slowness would protect.
-- * A key that was revoked stays, so that its use can still be told; and once there was a key, an
--   API does not open up because the last one was revoked.
-- * api_key_state counts what changed. Its row is locked by whoever changes a key, so numbers follow
--   commits, and an API that asks for the number alone misses nothing. A trigger counts, so that a
--   change by hand counts too. Last use is no change.

-- migrate: apply

CREATE TABLE api_keys (
    key_id text PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    scopes text[] NOT NULL CHECK (
        cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'stream', 'export', 'metrics']
    ),
    digest bytea NOT NULL CHECK (length(digest) = 32),
    previous_digest bytea CHECK (length(previous_digest) = 32),
    previous_until timestamptz,
    requests_per_minute integer CHECK (requests_per_minute > 0),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
) WITH (fillfactor = 50);

COMMENT ON COLUMN api_keys.digest IS 'SHA-256 of the whole key';
COMMENT ON COLUMN api_keys.previous_digest IS 'of the key that a rotation replaced, good until previous_until';
COMMENT ON COLUMN api_keys.last_used_at IS 'to the minute or so';

CREATE TABLE api_key_state (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    revision bigint NOT NULL
);
INSERT INTO api_key_state (revision) VALUES (0);

CREATE FUNCTION count_api_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE api_key_state SET revision = revision + 1;
    RETURN NULL;
END
$$;

CREATE TRIGGER api_keys_changed
    AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF name, scopes, digest, previous_digest,
        previous_until, requests_per_minute, expires_at, revoked_at
    ON api_keys FOR EACH STATEMENT EXECUTE FUNCTION count_api_key_change();

-- migrate: rollback

DROP TABLE api_keys, api_key_state;
DROP FUNCTION count_api_key_change;
