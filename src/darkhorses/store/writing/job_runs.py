"""The record of the jobs' runs; failures stand in it, too."""

from collections.abc import Mapping
from datetime import date, datetime

import msgspec

from darkhorses.store.job_runs import RunStatus
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

Detail = Mapping[str, object] | msgspec.Struct
"""What a run found, in numbers and names; anything that msgspec encodes as a JSON object."""


async def start(connection: Connection, *, job: str, race_day: date | None = None) -> int:
    """Note that a job begins; the run's number for ``finish``."""
    run_id: int = await queries.job_run_start(connection, job=job, race_day=race_day)
    return run_id


async def finish(
    connection: Connection, run_id: int, *, detail: Detail | None = None, error: str | None = None
) -> None:
    """Note that a run ended: failed when there is an error, succeeded otherwise."""
    await queries.job_run_finish(
        connection, run_id=run_id, status=_status(error), detail=_json(detail), error=error
    )


async def record(
    connection: Connection,
    *,
    job: str,
    started_at: datetime,
    finished_at: datetime,
    race_day: date | None = None,
    detail: Detail | None = None,
    error: str | None = None,
) -> int:
    """Note a run that has ended, in one go; times are UTC, by the worker's clock."""
    run_id: int = await queries.job_run_record(
        connection,
        job=job,
        race_day=race_day,
        started_at=started_at,
        finished_at=finished_at,
        status=_status(error),
        detail=_json(detail),
        error=error,
    )
    return run_id


def _status(error: str | None) -> str:
    return (RunStatus.SUCCEEDED if error is None else RunStatus.FAILED).value


def _json(detail: Detail | None) -> str:
    return msgspec.json.encode({} if detail is None else detail).decode()
