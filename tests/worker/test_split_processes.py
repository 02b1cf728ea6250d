"""Real workers of different regions on one database: who may collect beside whom."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from darkhorses.simulator import Simulator
from darkhorses.store.heartbeats import ReceivedHeartbeat, heartbeats
from darkhorses.store.lease import LeaseState, wanted_leases
from darkhorses.store.pool import Database
from tests.collecting import quick_simulator, worker_environment
from tests.commands import darkhorses
from tests.worker.processes import WorkerProcess

_REGIONS = "SELECT DISTINCT lower(region) FROM ra_races ORDER BY 1"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with quick_simulator() as simulator:
        yield simulator


@pytest.fixture
def environment(database_url: str, simulator: Simulator) -> dict[str, str]:
    return worker_environment(database_url, simulator)


async def _seen(database: Database) -> tuple[dict[str, LeaseState], list[ReceivedHeartbeat]]:
    async with database.connection() as connection:
        leases = await wanted_leases(connection)
        return {lease.name: lease for lease in leases}, await heartbeats(connection)


async def _regions(database: Database) -> list[str]:
    async with database.connection() as connection:
        return [row[0] for row in await connection.fetch(_REGIONS)]


async def test_a_worker_of_all_regions_and_one_of_some_never_collect_together(
    environment: dict[str, str], database: Database
) -> None:
    of_gb = environment | {"DARKHORSES_REGIONS": "gb"}
    async with WorkerProcess.start(**of_gb) as first:
        await first.until("lease.acquired", lease="live:gb")
        await first.until("lease.acquired", lease="once")
        async with WorkerProcess.start(**environment) as second:
            await second.until("worker.started")
            await first.until("poll.finished")
            refused = await asyncio.to_thread(darkhorses, "run", "live-odds", **environment)
            assert refused.returncode == 1
            assert "a worker leads" in refused.stderr
            leases, _ = await _seen(database)
            assert {name for name, lease in leases.items() if lease.is_live} == {"live:gb", "once"}
            assert await _regions(database) == ["gb"]
            assert await first.stop() == 0

            await second.until("lease.acquired", lease="live")
            await second.until("poll.finished")
            assert await _regions(database) == ["gb", "ire"]
            leases, (beat,) = await _seen(database)
            assert {name for name, lease in leases.items() if lease.is_live} == {"live"}
            assert beat.figures.leases == {"live": leases["live"].epoch}
            async with WorkerProcess.start(**of_gb) as third:
                await third.until("worker.started")
                await second.until("poll.finished")
                assert await second.stop() == 0
                await third.until("lease.acquired", lease="live:gb")
                assert await third.stop() == 0


async def test_of_two_leaders_one_does_what_is_done_once_and_the_other_when_it_stops(
    environment: dict[str, str], database: Database
) -> None:
    async with (
        WorkerProcess.start(**environment | {"DARKHORSES_REGIONS": "gb"}) as first,
        WorkerProcess.start(**environment | {"DARKHORSES_REGIONS": "ire"}) as second,
    ):
        await asyncio.gather(first.until("poll.finished"), second.until("poll.finished"))
        async with asyncio.timeout(30):
            leases, beats = await _seen(database)
            while not any("once" in beat.figures.leases for beat in beats) or len(beats) < 2:
                leases, beats = await _seen(database)
        once = leases["once"].holder
        tells = {beat.worker_id: beat.jobs.keys() for beat in beats}
        assert all(
            jobs >= {"live_odds", "gap_repair", "historical_odds"} for jobs in tells.values()
        )
        with_once = {"statistics", "retention", "webhooks"}
        assert [name for name, jobs in tells.items() if jobs >= with_once] == [once]
        assert [name for name, jobs in tells.items() if jobs & with_once] == [once]

        doing, other = (first, second) if leases["live:gb"].holder == once else (second, first)
        assert await doing.stop() == 0
        # The lease of one that did not release it would live for 8 s.
        await other.until("lease.acquired", timeout=6, lease="once")
        assert await other.stop() == 0
