import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from darkhorses.domain.workers import FeedState, Role
from darkhorses.simulator import Simulator
from darkhorses.store.heartbeats import heartbeats
from darkhorses.store.pool import Database
from tests.collecting import DIFFERS_FROM_LIVE, DOUBLED, quick_simulator, worker_environment
from tests.commands import darkhorses
from tests.worker.processes import WorkerProcess


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with quick_simulator() as simulator:
        yield simulator


@pytest.fixture
def environment(database_url: str, simulator: Simulator) -> dict[str, str]:
    return worker_environment(database_url, simulator)


async def _count(database: Database, sql: str) -> int:
    async with database.connection() as connection:
        count: int = await connection.fetchval(sql)
        return count


async def test_a_killed_leader_is_followed_by_the_standby_and_no_change_is_lost_or_doubled(
    environment: dict[str, str], database: Database
) -> None:
    async with (
        WorkerProcess.start(**environment) as first,
        WorkerProcess.start(**environment) as second,
    ):
        await first.until("worker.started")
        await second.until("worker.started")
        async with asyncio.timeout(30), database.connection() as connection:
            while not (holder := await connection.fetchval("SELECT holder FROM worker_lease")):
                continue
        leader, standby = (
            (first, second) if first.events[-1]["worker_id"] == holder else (second, first)
        )
        await leader.until("poll.finished")
        await leader.kill()
        took_over = await standby.until("lease.acquired", timeout=20)
        await standby.until("poll.finished")
        await standby.until("poll.finished")

        assert took_over["epoch"] == 2
        assert await standby.stop() == 0
    assert await _count(database, "SELECT count(*) FROM ra_odds_changes") > 1000
    assert await _count(database, DIFFERS_FROM_LIVE) == 0
    assert await _count(database, DOUBLED) == 0


async def test_a_stopped_leader_hands_over_at_once_and_is_forgotten(
    environment: dict[str, str], database: Database
) -> None:
    async with WorkerProcess.start(**environment) as leader:
        await leader.until("poll.finished")
        async with WorkerProcess.start(**environment) as standby:
            await standby.until("worker.started")
            assert await leader.stop() == 0
            assert [e for e in leader.events if e["level"] == "error"] == []
            # The lease of a leader that did not release it would live for 8 s.
            await standby.until("lease.acquired", timeout=6)
            async with database.connection() as connection:
                (beat,) = await heartbeats(connection)
            assert beat.worker_id == standby.events[0]["worker_id"]
            assert beat.jobs.keys() >= {"live_odds", "gap_repair", "retention"}
            assert await standby.stop() == 0


async def test_wrong_credentials_are_told_and_do_not_stop_the_worker(
    environment: dict[str, str], database: Database
) -> None:
    wrong = environment | {"RACING_API_PASSWORD": "mistyped"}
    async with WorkerProcess.start(**wrong) as worker:
        failed = await worker.until("job.failed", job="live_odds")
        assert "user name and password" in failed["error"]
        async with asyncio.timeout(30), database.connection() as connection:
            (beat,) = await heartbeats(connection)
            while beat.jobs["live_odds"].error is None:
                (beat,) = await heartbeats(connection)
        assert beat.feed.state is FeedState.REFUSED
        assert beat.role is Role.LEADER
        assert "mistyped" not in str(worker.events)
        assert await worker.stop() == 0
    async with WorkerProcess.start(**environment) as worker:
        found = await worker.until("poll.finished")
        assert found["quotes"] > 1000
        assert await worker.stop() == 0


async def test_a_worker_refuses_a_schema_that_is_not_migrated(
    environment: dict[str, str], empty_database_url: str
) -> None:
    old = environment | {"DATABASE_URL": empty_database_url}
    async with WorkerProcess.start(**old) as worker:
        code, said = await worker.refuses()

    assert code == 1
    assert said.startswith("darkhorses: the database lacks 0001_live_odds")
    assert said.endswith("run `darkhorses migrate`")


async def test_gaps_are_repaired_once_by_command(
    environment: dict[str, str], database: Database
) -> None:
    quick = environment | {
        "DARKHORSES_RACES_PER_SECOND": "50",
        "DARKHORSES_REQUESTS_PER_TEN_SECONDS": "1000",
    }
    looked = await asyncio.to_thread(darkhorses, "run", "live-odds", **quick)
    assert looked.returncode == 0
    async with database.connection() as connection:
        # The first race of the card ended, and was quiet, an hour ago.
        await connection.execute(
            "DELETE FROM ra_races WHERE race_id <> (SELECT race_id FROM ra_races"
            " WHERE NOT is_abandoned ORDER BY off_dt, race_id LIMIT 1)"
        )
        await connection.execute(
            "UPDATE ra_races SET off_dt = now() - interval '1 hour',"
            " odds_changed_at = now() - interval '1 hour'"
        )

    first = await asyncio.to_thread(darkhorses, "run", "gap-repair", "--json", **quick)
    second = await asyncio.to_thread(darkhorses, "run", "gap-repair", **quick)

    assert (first.returncode, second.returncode) == (0, 0)
    found = json.loads(first.stdout)
    assert (found["races"], found["left"], found["stopped"]) == (1, 0, None)
    assert found["asked"] > 2
    assert found["added"] == await _count(
        database, "SELECT count(*) FROM ra_odds_changes WHERE source = 'history'"
    )
    assert second.stdout.startswith("gap-repair: races 0, impossible 0, asked 0")


async def test_a_date_is_refused_for_gap_repair(environment: dict[str, str]) -> None:
    refused = await asyncio.to_thread(
        darkhorses, "run", "gap-repair", "--date", "2026-06-20", **environment
    )

    assert refused.returncode == 2
    assert "--date is not for gap-repair" in refused.stderr


async def test_a_leader_counts_what_it_collects(
    database: Database, environment: dict[str, str]
) -> None:
    async with WorkerProcess.start(**environment) as worker:
        await worker.until("statistics.refreshed", timeout=90, caught_up=True)
        assert await worker.stop() == 0
    assert await _count(database, "SELECT count(*) FROM statistics_current") == 1
    assert await _count(database, "SELECT count(*) FROM statistics_snapshots") == 1
