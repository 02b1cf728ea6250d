-- name: adoption_recorded()$
-- Whether this schema knows of adoptions.
SELECT to_regclass('public.adopted_tables') IS NOT NULL;

-- name: adopted_tables()
-- What was adopted and how far each table has been read.
SELECT table_name, rows_kept, next_block, finished_at IS NOT NULL AS finished
FROM public.adopted_tables
ORDER BY step;

-- name: adoption_outcomes()
-- What became of rows and facts, counted by reason.
SELECT table_name, outcome, reason, counted
FROM public.adoption_outcomes
ORDER BY table_name, outcome, counted DESC, reason;
