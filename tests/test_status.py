from datetime import timedelta

import msgspec

from darkhorses.domain.workers import Role
from darkhorses.status import lines, look
from darkhorses.store.heartbeats import JobStatus
from darkhorses.store.pool import Connection, Database
from darkhorses.store.writing import lease as leases
from tests.commands import darkhorses
from tests.market import NOON, MarketWriter, beat_now, card, race, runner

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def lead(connection: Connection, worker_id: str) -> None:
    assert await leases.acquire(connection, "live", worker_id, HOUR) is not None


async def test_nothing_has_happened_yet(database: Database) -> None:
    status = await look(database, NOON)

    assert not status.healthy
    assert (status.leader, status.lease, status.last_poll) == (None, None, None)
    assert lines(status) == [
        "leader      none: start `darkhorses worker`",
        "feed        unknown",
        "last poll   none yet",
        "races       0 today, 0 still live",
    ]


async def test_leader_standby_and_lost_workers_are_told_apart(
    database: Database, connection: Connection
) -> None:
    await lead(connection, "first")
    await beat_now(database, worker_id="first")
    await beat_now(database, worker_id="second", role=Role.STANDBY)
    await beat_now(database, worker_id="third", role=Role.LEADER)
    await connection.execute(
        "UPDATE worker_heartbeats SET beat_at = beat_at - interval '1 minute'"
        " WHERE worker_id = 'third'"
    )

    status = await look(database, NOON)

    assert status.healthy
    assert status.leader is not None
    assert status.leader.worker_id == "first"
    assert [worker.worker_id for worker in status.standbys] == ["second"]
    assert [(worker.worker_id, worker.is_alive) for worker in status.lost] == [("third", False)]


async def test_a_leader_by_its_own_word_without_the_lease_does_not_lead(
    database: Database,
) -> None:
    await beat_now(database, worker_id="first", role=Role.LEADER)

    status = await look(database, NOON)

    assert not status.healthy
    assert [worker.worker_id for worker in status.standbys] == ["first"]


async def test_the_leaders_jobs_are_told_with_their_errors(
    database: Database, connection: Connection
) -> None:
    await lead(connection, "first")
    job = JobStatus(status="failed", last_run=NOON, next_run=NOON + MINUTE, error="no answer")
    await beat_now(database, worker_id="first", jobs={"cards": job})

    status = await look(database, NOON)

    assert status.jobs == {"cards": job}
    assert (
        "job         cards: failed, last run 2026-06-20 12:00:00 UTC, last success never, "
        "next 2026-06-20 12:01:00 UTC, error: no answer"
    ) in lines(status)


async def test_races_of_today_that_are_not_over_are_live(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    arkle = runner("Arkle", 1)
    await writer.look(
        card(race("rac_1", off_dt=NOON - HOUR, race_status="result"), (arkle, {})),
        card(race("rac_2", off_dt=NOON + HOUR), (arkle, {})),
        card(race("rac_3", off_dt=NOON - 5 * MINUTE), (arkle, {})),
        card(race("rac_4", off_dt=NOON + HOUR, is_abandoned=True), (arkle, {})),
        card(race("rac_5", off_dt=NOON + 24 * HOUR), (arkle, {})),
        seen_at=NOON,
    )

    status = await look(database, NOON)

    assert (status.races_today, status.races_live) == (4, 2)


async def test_the_last_poll_is_told(database: Database, connection: Connection) -> None:
    await connection.executemany(
        "INSERT INTO ra_odds_statistics (fetch_timestamp, races_count, horses_count,"
        " bookmakers_found, total_odds_fetched, changed_count, bookmaker_list,"
        " fetch_duration_ms, errors_count) VALUES ($1, 46, 430, 28, 12000, $2, '{}', 900, 0)",
        [(NOON - MINUTE, 1), (NOON, 275)],
    )

    told = lines(await look(database, NOON))

    assert (
        "last poll   2026-06-20 12:00:00 UTC, 46 races, 430 horses, 12000 quotes, 275 changed, "
        "900 ms, 0 errors"
    ) in told


def test_the_command_exits_3_while_nobody_leads(database_url: str) -> None:
    result = darkhorses("status", "--json", DATABASE_URL=database_url)

    assert result.returncode == 3
    assert msgspec.json.decode(result.stdout)["leader"] is None


async def test_the_command_exits_0_while_a_live_worker_leads(
    database: Database, connection: Connection, database_url: str
) -> None:
    await lead(connection, "first")
    await beat_now(database, worker_id="first")

    result = darkhorses("status", "--json", DATABASE_URL=database_url)

    assert (result.returncode, result.stderr) == (0, "")
    assert msgspec.json.decode(result.stdout)["leader"]["worker_id"] == "first"


def test_the_command_refuses_an_old_schema_with_what_to_run(empty_database_url: str) -> None:
    result = darkhorses("status", DATABASE_URL=empty_database_url)

    assert result.returncode == 1
    assert "run `darkhorses migrate`" in result.stderr
