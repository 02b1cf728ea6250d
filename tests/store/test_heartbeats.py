from datetime import UTC, datetime, timedelta

import pytest

from darkhorses.domain.workers import FeedState, Role
from darkhorses.store.errors import StoreError
from darkhorses.store.heartbeats import FeedStatus, Heartbeat, JobStatus, heartbeats
from darkhorses.store.pool import Connection
from darkhorses.store.writing.heartbeats import beat, forget, forget_silent

NOON = datetime(2026, 6, 20, 11, 0, tzinfo=UTC)


def heartbeat(worker_id: str, role: Role = Role.STANDBY, **jobs: JobStatus) -> Heartbeat:
    return Heartbeat(
        worker_id=worker_id,
        hostname="stable",
        pid=7,
        version="0.1.0",
        role=role,
        started_at=NOON,
        jobs=jobs,
        feed=FeedStatus(state=FeedState.FAILING, detail="down", since=NOON, requests=9, failures=2),
    )


async def let_pass(connection: Connection, worker_id: str, time: timedelta) -> None:
    await connection.execute(
        "UPDATE worker_heartbeats SET beat_at = beat_at - $2::interval WHERE worker_id = $1",
        worker_id,
        time,
    )


async def test_what_a_worker_says_is_read_as_it_was_said(connection: Connection) -> None:
    said = heartbeat(
        "first",
        Role.LEADER,
        cards=JobStatus(
            last_run=NOON,
            last_success=NOON,
            next_run=NOON + timedelta(seconds=60),
            status="failed",
            reason="interval",
            error="the feed cannot be reached",
        ),
    )

    await beat(connection, said)

    (read,) = await heartbeats(connection)
    assert {name: getattr(read, name) for name in Heartbeat.__struct_fields__} == {
        name: getattr(said, name) for name in Heartbeat.__struct_fields__
    }


async def test_a_beat_replaces_the_workers_last_one(connection: Connection) -> None:
    await beat(connection, heartbeat("first"))
    (before,) = await heartbeats(connection)
    await beat(connection, heartbeat("first", Role.LEADER))

    (after,) = await heartbeats(connection)
    assert after.role is Role.LEADER
    assert after.beat_at > before.beat_at


async def test_a_worker_lives_for_15_seconds_by_the_databases_clock(connection: Connection) -> None:
    await beat(connection, heartbeat("first"))
    assert [worker.is_alive for worker in await heartbeats(connection)] == [True]

    await let_pass(connection, "first", timedelta(seconds=15))

    (worker,) = await heartbeats(connection)
    assert not worker.is_alive
    assert worker.age >= timedelta(seconds=15)


async def test_the_leader_comes_first(connection: Connection) -> None:
    for name, role in (("a", Role.STANDBY), ("b", Role.LEADER), ("c", Role.STANDBY)):
        await beat(connection, heartbeat(name, role))

    assert [worker.worker_id for worker in await heartbeats(connection)] == ["b", "c", "a"]


async def test_a_worker_that_stops_in_order_is_forgotten(connection: Connection) -> None:
    await beat(connection, heartbeat("first"))
    await beat(connection, heartbeat("second"))

    await forget(connection, "first")

    assert [worker.worker_id for worker in await heartbeats(connection)] == ["second"]


async def test_a_worker_is_forgotten_after_a_day_of_silence(connection: Connection) -> None:
    for name, silence in (("today", timedelta(hours=23)), ("yesterday", timedelta(hours=25))):
        await beat(connection, heartbeat(name))
        await let_pass(connection, name, silence)

    await forget_silent(connection)

    assert [worker.worker_id for worker in await heartbeats(connection)] == ["today"]


async def test_what_a_newer_worker_adds_is_passed_over(connection: Connection) -> None:
    await beat(connection, heartbeat("newer", cards=JobStatus()))
    await connection.execute(
        """UPDATE worker_heartbeats SET feed = '{"state": "sleepy", "mood": 1}',
        jobs = '{"cards": {"status": "dreaming", "colour": "bay"}}'"""
    )

    (worker,) = await heartbeats(connection)
    assert worker.feed == FeedStatus(state=FeedState.UNKNOWN)
    assert worker.jobs == {"cards": JobStatus(status="dreaming")}


async def test_a_heartbeat_that_makes_no_sense_is_an_error_and_not_nothing(
    connection: Connection,
) -> None:
    await beat(connection, heartbeat("odd"))
    await connection.execute("UPDATE worker_heartbeats SET jobs = '[]'")

    with pytest.raises(StoreError, match="heartbeat of odd"):
        await heartbeats(connection)
