import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from darkhorses.store.errors import DatabaseUnavailableError, LeaseLostError
from darkhorses.store.lease import LeaseState, current_lease
from darkhorses.store.pool import Connection, Database
from darkhorses.store.writing.lease import (
    Lease,
    acquire,
    fence,
    release,
    renew,
    writing_transaction,
)
from tests.waiting import somebody_waits

LONG = timedelta(hours=1)
OVER = timedelta(seconds=-1)


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def taken(connection: Connection, holder: str, ttl: timedelta = LONG) -> Lease:
    lease = await acquire(connection, "live", holder, ttl)
    assert lease is not None
    return lease


async def state(connection: Connection) -> LeaseState:
    found = await current_lease(connection, "live")
    assert found is not None
    return found


async def write_course(connection: Connection, course: str) -> None:
    await connection.execute(
        "INSERT INTO ra_courses (course_id, course, region_code, region)"
        " VALUES ($1, $1, 'gb', 'Great Britain')",
        course,
    )


async def courses(connection: Connection) -> list[str]:
    return [row[0] for row in await connection.fetch("SELECT course FROM ra_courses ORDER BY 1")]


async def test_a_lease_that_nobody_ever_held_is_free(connection: Connection) -> None:
    assert await current_lease(connection, "live") is None

    lease = await acquire(connection, "live", "first", LONG)

    assert lease == Lease(name="live", holder="first", epoch=1)
    found = await state(connection)
    assert (found.holder, found.epoch, found.is_live) == ("first", 1, True)


async def test_a_live_lease_is_not_given_to_another_nor_twice_to_its_holder(
    connection: Connection, other: Connection
) -> None:
    await taken(connection, "first")

    assert await acquire(other, "live", "second", LONG) is None
    assert await acquire(connection, "live", "first", LONG) is None


async def test_an_expired_lease_goes_to_the_next_with_a_new_epoch(
    connection: Connection, other: Connection
) -> None:
    first = await taken(connection, "first", OVER)
    assert not (await state(connection)).is_live

    second = await taken(other, "second")

    assert (first.epoch, second.epoch) == (1, 2)


async def test_of_two_who_ask_at_once_one_gets_it(database: Database) -> None:
    async def ask(holder: str) -> Lease | None:
        async with database.connection() as connection:
            return await acquire(connection, "live", holder, LONG)

    answers = await asyncio.gather(*(ask(f"worker {number}") for number in range(4)))

    assert len([lease for lease in answers if lease is not None]) == 1


async def test_renewing_puts_the_expiry_off_and_keeps_the_epoch(connection: Connection) -> None:
    lease = await taken(connection, "first", timedelta(seconds=8))
    before = await state(connection)

    await renew(connection, lease, LONG)

    after = await state(connection)
    assert after.epoch == before.epoch
    assert after.expires_at > before.expires_at + timedelta(minutes=50)


async def test_a_holder_who_was_late_may_renew_while_nobody_else_has_come(
    connection: Connection,
) -> None:
    lease = await taken(connection, "first", OVER)

    await renew(connection, lease, LONG)

    assert (await state(connection)).is_live


async def test_renewing_a_lease_that_another_has_taken_is_refused(
    connection: Connection, other: Connection
) -> None:
    first = await taken(connection, "first", OVER)
    await taken(other, "second")

    with pytest.raises(LeaseLostError, match="first no longer holds the lease"):
        await renew(connection, first, LONG)

    assert (await state(connection)).holder == "second"


async def test_a_released_lease_is_free_at_once_and_keeps_its_epoch(
    connection: Connection, other: Connection
) -> None:
    first = await taken(connection, "first")

    await release(connection, first)

    assert ((await state(connection)).is_live, (await state(connection)).epoch) == (False, 1)
    assert (await taken(other, "second")).epoch == 2


async def test_releasing_a_lost_lease_does_not_free_the_new_holders(
    connection: Connection, other: Connection
) -> None:
    first = await taken(connection, "first", OVER)
    await taken(other, "second")

    await release(connection, first)

    assert (await state(connection)).is_live


async def test_a_writer_who_was_fenced_off_writes_nothing(
    database: Database, connection: Connection, other: Connection
) -> None:
    first = await taken(connection, "first", OVER)
    await taken(other, "second")

    with pytest.raises(LeaseLostError):
        async with writing_transaction(database, first) as writer:
            await write_course(writer, "Hereford")

    assert await courses(other) == []


async def test_a_takeover_waits_for_the_write_in_flight(
    database: Database, connection: Connection, other: Connection
) -> None:
    first = await taken(connection, "first", OVER)
    async with writing_transaction(database, first) as writer:
        await write_course(writer, "Hereford")
        takeover = asyncio.create_task(acquire(other, "live", "second", LONG))
        async with database.connection() as watching:
            await somebody_waits(watching)
        assert not takeover.done()
    second = await takeover

    assert second is not None
    assert second.epoch == 2
    assert await courses(other) == ["Hereford"]


async def test_the_time_to_live_begins_when_the_wait_for_a_write_is_over(
    database: Database, connection: Connection, other: Connection
) -> None:
    first = await taken(connection, "first", OVER)
    async with writing_transaction(database, first) as writer:
        takeover = asyncio.create_task(acquire(other, "live", "second", LONG))
        async with database.connection() as watching:
            await somebody_waits(watching)
        waited_until = await writer.fetchval("SELECT clock_timestamp()")
    await takeover

    assert (await state(other)).expires_at >= waited_until + LONG


async def test_a_write_in_flight_holds_off_neither_renewal_nor_a_look_at_a_live_lease(
    database: Database, connection: Connection, other: Connection
) -> None:
    lease = await taken(connection, "first")
    async with writing_transaction(database, lease):
        await renew(other, lease, LONG)

        assert await acquire(other, "live", "second", LONG) is None


async def test_a_takeover_gives_up_for_now_when_a_write_does_not_end(
    database: Database, connection: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkhorses.store.writing.lease._ACQUIRE_WAIT", "20ms")
    first = await taken(connection, "first", OVER)
    async with writing_transaction(database, first):
        assert await acquire(other, "live", "second", LONG) is None


async def test_a_writer_that_falls_silent_in_a_transaction_is_cut_off(
    database: Database, connection: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkhorses.store.writing.lease._IDLE_LIMIT", "20ms")
    first = await taken(connection, "first", OVER)

    async def write_slowly() -> None:
        async with writing_transaction(database, first) as silent:
            await write_course(silent, "Hereford")
            assert await acquire(other, "live", "second", LONG) is not None
            await silent.fetchval("SELECT 1")

    with pytest.raises(DatabaseUnavailableError):
        await write_slowly()

    assert await courses(other) == []


async def test_a_writer_that_stops_in_the_middle_of_a_statement_is_cut_off_too(
    database: Database, connection: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkhorses.store.writing.lease._WHOLE_LIMIT", "200ms")
    first = await taken(connection, "first", OVER)

    async def write_slowly() -> None:
        async with writing_transaction(database, first) as stopped:
            await write_course(stopped, "Hereford")
            # Prepared and not yet executed: the server waits, and does not count it as silence.
            statement = await stopped.prepare("SELECT 1")
            assert await acquire(other, "live", "second", LONG) is not None
            await statement.fetchval()

    with pytest.raises(DatabaseUnavailableError):
        await write_slowly()

    assert await courses(other) == []


async def test_the_fence_limits_its_transaction_and_nothing_after_it(
    connection: Connection,
) -> None:
    lease = await taken(connection, "first")
    names = (
        "idle_in_transaction_session_timeout",
        "statement_timeout",
        "lock_timeout",
        "transaction_timeout",
    )

    async def limits() -> list[str]:
        return [await connection.fetchval("SELECT current_setting($1)", name) for name in names]

    async with connection.transaction():
        await fence(connection, lease)
        inside = await limits()

    assert inside == ["5s", "30s", "5s", "1min"]
    assert await limits() == ["0", "0", "0", "0"]


async def test_expiry_is_by_the_databases_clock_even_late_in_a_transaction(
    connection: Connection, other: Connection
) -> None:
    async with connection.transaction():
        began = await connection.fetchval("SELECT now()")
        while await connection.fetchval("SELECT clock_timestamp() - now() < interval '2 ms'"):
            pass
        await taken(connection, "first", timedelta(0))
        expires_at = (await state(connection)).expires_at

    assert expires_at > began + timedelta(milliseconds=2)
    assert (await taken(other, "second")).epoch == 2
