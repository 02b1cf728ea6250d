-- name: still_connected()$
-- Ask for nothing, to learn whether the connection still carries anything.
SELECT 1;
