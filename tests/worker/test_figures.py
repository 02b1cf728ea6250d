"""What a worker counts reaches its heartbeat, as the database's own rows say it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from darkhorses.domain.workers import Role
from darkhorses.simulator import Options, Simulator, running_simulator
from darkhorses.store.heartbeats import ReceivedHeartbeat, heartbeats
from darkhorses.store.pool import Database
from tests.worker.processes import WorkerProcess


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    start = datetime.now(UTC)  # noqa: TID251  # worker processes have a real clock
    options = Options(start=start, speed=20, refresh=1, limits=False, faults=("badrunner",))
    async with running_simulator(options) as simulator:
        yield simulator


async def leader(database: Database) -> ReceivedHeartbeat | None:
    async with database.connection() as connection:
        beats = await heartbeats(connection)
    return next((beat for beat in beats if beat.role is Role.LEADER), None)


async def test_a_worker_tells_what_it_counted(
    database_url: str, database: Database, simulator: Simulator
) -> None:
    environment = {
        "DATABASE_URL": database_url,
        "RACING_API_BASE_URL": simulator.base_url,
        "RACING_API_USERNAME": "simulator",
        "RACING_API_PASSWORD": "simulator",
        "DARKHORSES_POLL_INTERVAL": "5",
    }
    async with WorkerProcess.start(**environment) as worker:
        await worker.until("poll.finished")
        await worker.until("poll.finished")
        async with asyncio.timeout(30):
            while True:
                beat = await leader(database)
                looks = {} if beat is None else beat.figures.job_runs.get("live_odds", {})
                if beat is not None and looks.get("ok", 0) >= 2:
                    break
        async with database.connection() as connection:
            changes = await connection.fetchval("SELECT count(*) FROM ra_odds_changes")
            epoch = await connection.fetchval("SELECT epoch FROM worker_lease")
    figures = beat.figures
    assert figures.epoch == epoch
    assert 0 < figures.changes["poll"] <= changes
    assert figures.feed_requests["racecards/pro"]["ok"] >= 4
    assert sum(sum(counts.values()) for counts in figures.feed_requests.values()) == (
        beat.feed.requests
    )
    assert figures.quarantined["runner"] > 0
    assert figures.last_card_at is not None
    assert figures.last_commit_at is not None
    assert figures.last_card_at <= figures.last_commit_at <= beat.beat_at
    assert figures.memory_bytes > 20_000_000
    assert figures.asyncio_tasks > 1
    assert figures.cpu_seconds > 0
