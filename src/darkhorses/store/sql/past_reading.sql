-- name: past_reading_limits(statement_timeout)^
-- Limit the statements of this transaction, and plan each for the filters that it really has.
SELECT
    set_config('statement_timeout', :statement_timeout, true),
    set_config('plan_cache_mode', 'force_custom_plan', true);
