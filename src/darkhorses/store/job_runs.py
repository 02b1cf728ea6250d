"""Runs of the worker's jobs: when, how they ended, and why."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import msgspec

from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


class RunStatus(StrEnum):
    """How a run stands; one whose worker was killed stays ``running``."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class JobRun(msgspec.Struct, frozen=True, kw_only=True):
    """The newest run of a job (times UTC), and when the job last succeeded."""

    run_id: int
    job: str
    race_day: date | None
    started_at: datetime
    finished_at: datetime | None
    status: RunStatus
    detail: dict[str, Any]
    error: str | None
    last_success_at: datetime | None


async def latest_job_runs(connection: Connection) -> dict[str, JobRun]:
    """The newest run of each job that ever ran, by the job's name."""
    runs = {}
    async for row in queries.job_runs_latest(connection):
        fields = dict(row)
        fields["status"] = RunStatus(fields["status"])
        fields["detail"] = msgspec.json.decode(fields["detail"], type=dict[str, Any])
        runs[row["job"]] = JobRun(**fields)
    return runs
