-- name: job_runs_latest()
-- The newest run of each job, with the time of its newest success.
SELECT
    latest.run_id, latest.job, latest.race_day, latest.started_at, latest.finished_at,
    latest.status, latest.detail, latest.error, succeeded.last_success_at
FROM (SELECT DISTINCT job FROM job_runs) AS jobs
CROSS JOIN LATERAL (
    SELECT run_id, job, race_day, started_at, finished_at, status, detail, error
    FROM job_runs
    WHERE job_runs.job = jobs.job
    ORDER BY started_at DESC, run_id DESC
    LIMIT 1
) AS latest
LEFT JOIN LATERAL (
    SELECT finished_at AS last_success_at
    FROM job_runs
    WHERE job_runs.job = jobs.job AND status = 'succeeded'
    ORDER BY started_at DESC, run_id DESC
    LIMIT 1
) AS succeeded ON true
ORDER BY latest.job;

-- name: job_run_start(job, race_day)$
-- Note that a job begins.
INSERT INTO job_runs (job, race_day, started_at, status)
VALUES (:job, :race_day, clock_timestamp(), 'running')
RETURNING run_id;

-- name: job_run_finish(run_id, status, detail, error)!
-- Note how a job ended.
UPDATE job_runs
SET finished_at = clock_timestamp(), status = :status, detail = :detail::jsonb, error = :error
WHERE run_id = :run_id;

-- name: job_run_record(job, race_day, started_at, finished_at, status, detail, error)$
-- Note a job that has ended already.
INSERT INTO job_runs (job, race_day, started_at, finished_at, status, detail, error)
VALUES (:job, :race_day, :started_at, :finished_at, :status, :detail::jsonb, :error)
RETURNING run_id;
