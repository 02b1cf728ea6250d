-- name: lease_current(name)^
-- Who holds the lease; it is live until it expires by the database's clock.
SELECT name, holder, epoch, expires_at, expires_at > clock_timestamp() AS is_live, duties, taken_at,
    clock_timestamp() AS read_at
FROM worker_lease
WHERE name = :name;

-- name: leases_wanted(missed_for)
-- Leases that are held, those that ended lately and left a duty to nobody, or else the last to end.
WITH lease AS (
    SELECT name, holder, epoch, expires_at, expires_at > now.at AS is_live, duties, taken_at,
        now.at AS read_at, expires_at > now.at - :missed_for::interval AND taken_at IS NOT NULL AS is_recent
    FROM worker_lease
    CROSS JOIN (SELECT clock_timestamp() AS at) AS now
    WHERE epoch > 0
), held AS (
    SELECT coalesce(array_agg(duty), '{}') AS duties
    FROM lease, unnest(lease.duties) AS duty
    WHERE is_live
)
SELECT name, holder, epoch, expires_at, is_live, lease.duties, taken_at, read_at
FROM lease, held
WHERE is_live
    OR (is_recent AND NOT lease.duties <@ held.duties)
    OR (
        held.duties = '{}'
        AND name = (SELECT last.name FROM lease AS last ORDER BY expires_at DESC, name LIMIT 1)
    )
ORDER BY name;

-- name: lease_limit_wait(lock_timeout)^
-- Limit how long this transaction waits for others' locks.
SELECT set_config('lock_timeout', :lock_timeout, true);

-- name: lease_create(name)!
-- Make the row of a lease that was never held, expired; any conflict, or two makers may deadlock.
INSERT INTO worker_lease (name, holder, epoch, expires_at)
VALUES (:name, '', 0, '-infinity')
ON CONFLICT DO NOTHING;

-- name: lease_is_in_the_way(name, duties)$
-- Whether the lease is live, or another one for some of these duties.
SELECT EXISTS (
    SELECT FROM worker_lease
    WHERE (name = :name OR duties && :duties::text[]) AND expires_at > clock_timestamp()
);

-- name: lease_choose_alone!
-- Let nobody else take a lease for any duty until this transaction ends; the number is ours alone.
SELECT pg_advisory_xact_lock(6548196);

-- name: lease_end_overlapping(name, duties)!
-- End the epochs of leases for some of these duties that are expired; waits for transactions that
-- were fenced with them.
UPDATE worker_lease
SET epoch = epoch + 1
WHERE name <> :name AND duties && :duties::text[] AND expires_at <= clock_timestamp();

-- name: lease_lock_expired(name)^
-- Lock the lease if it is expired; waits for transactions that were fenced with its epoch.
SELECT epoch FROM worker_lease
WHERE name = :name AND expires_at <= clock_timestamp()
FOR UPDATE;

-- name: lease_take(name, holder, ttl, duties)^
-- Give the locked lease to a holder, with a new epoch and the whole time to live from now.
UPDATE worker_lease
SET holder = :holder, epoch = epoch + 1, expires_at = clock_timestamp() + :ttl::interval,
    duties = :duties::text[], taken_at = clock_timestamp()
WHERE name = :name
RETURNING name, holder, epoch;

-- name: lease_renew(name, holder, epoch, ttl)^
-- Put the expiry off; no row when another holds the lease by now.
UPDATE worker_lease
SET expires_at = clock_timestamp() + :ttl::interval
WHERE name = :name AND epoch = :epoch AND holder = :holder
RETURNING expires_at;

-- name: lease_release(name, holder, epoch)!
-- Let the lease expire now, unless another holds it by now.
UPDATE worker_lease
SET expires_at = clock_timestamp()
WHERE name = :name AND epoch = :epoch AND holder = :holder;

-- name: lease_limit_writer(idle_timeout, statement_timeout, lock_timeout, transaction_timeout)^
-- Limit this transaction, so that a writer that is stopped in the middle of it is cut off.
-- One that is stopped between the messages of a statement is neither idle nor at work: only its
-- whole length limits it, where the server can (PostgreSQL 17 and later).
SELECT
    CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
        THEN set_config('transaction_timeout', :transaction_timeout, true)
    END,
    set_config('idle_in_transaction_session_timeout', :idle_timeout, true),
    set_config('statement_timeout', :statement_timeout, true),
    set_config('lock_timeout', :lock_timeout, true);

-- name: lease_fence(name, epoch, idle_timeout, statement_timeout, lock_timeout, transaction_timeout)^
-- Hold off a takeover until this transaction ends; no row when the epoch is over. Limits the
-- transaction first, as lease_limit_writer does: the lock is taken when all else is done.
WITH limits AS MATERIALIZED (
    SELECT
        CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
            THEN set_config('transaction_timeout', :transaction_timeout, true)
        END,
        set_config('idle_in_transaction_session_timeout', :idle_timeout, true),
        set_config('statement_timeout', :statement_timeout, true),
        set_config('lock_timeout', :lock_timeout, true)
)
SELECT worker_lease.epoch
FROM limits
CROSS JOIN worker_lease
WHERE name = :name AND epoch = :epoch
FOR KEY SHARE OF worker_lease;

-- name: lease_take_turn!
-- Be the only one that adds to the market until this transaction ends; the number is ours alone.
SELECT pg_advisory_xact_lock(6548197);
