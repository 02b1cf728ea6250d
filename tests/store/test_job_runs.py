from datetime import UTC, date, datetime, timedelta

import msgspec

from darkhorses.store.job_runs import RunStatus, latest_job_runs
from darkhorses.store.pool import Connection
from darkhorses.store.writing import job_runs

NOON = datetime(2026, 6, 20, 11, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Found(msgspec.Struct):
    races: int


async def test_a_run_is_running_until_it_is_finished(connection: Connection) -> None:
    run_id = await job_runs.start(connection, job="history", race_day=date(2026, 6, 19))
    running = (await latest_job_runs(connection))["history"]
    assert (running.status, running.finished_at) == (RunStatus.RUNNING, None)
    assert running.race_day == date(2026, 6, 19)

    await job_runs.finish(connection, run_id, detail=Found(races=46))

    run = (await latest_job_runs(connection))["history"]
    assert (run.status, run.detail, run.error) == (RunStatus.SUCCEEDED, {"races": 46}, None)
    assert run.finished_at == run.last_success_at
    assert run.finished_at is not None
    assert run.finished_at > run.started_at


async def test_a_run_with_an_error_has_failed(connection: Connection) -> None:
    run_id = await job_runs.start(connection, job="history")

    await job_runs.finish(connection, run_id, error="the feed cannot be reached")

    run = (await latest_job_runs(connection))["history"]
    assert (run.status, run.error) == (RunStatus.FAILED, "the feed cannot be reached")
    assert (run.detail, run.last_success_at) == ({}, None)


async def test_of_each_job_the_newest_run_is_told_with_its_last_success(
    connection: Connection,
) -> None:
    for job, minute, error in (("a", 0, None), ("a", 2, "down"), ("a", 1, None), ("b", 0, None)):
        await job_runs.record(
            connection,
            job=job,
            started_at=NOON + minute * MINUTE,
            finished_at=NOON + minute * MINUTE + MINUTE / 2,
            detail={"minute": minute},
            error=error,
        )

    runs = await latest_job_runs(connection)

    assert {job: (run.detail["minute"], run.status) for job, run in runs.items()} == {
        "a": (2, RunStatus.FAILED),
        "b": (0, RunStatus.SUCCEEDED),
    }
    assert runs["a"].last_success_at == NOON + 1.5 * MINUTE
