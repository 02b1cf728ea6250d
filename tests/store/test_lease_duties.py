"""Leases for different regions: never two for the same, and never a doubt about who is missed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from darkhorses.store.errors import LeaseLostError
from darkhorses.store.lease import (
    DONE_ONCE,
    Scope,
    collecting,
    live_leases,
    missed_duties,
    wanted_leases,
)
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries
from darkhorses.store.writing.lease import (
    Lease,
    acquire,
    release,
    renew,
    take_turn,
    writing_transaction,
)
from tests.waiting import somebody_waits

LONG = timedelta(hours=1)
OVER = timedelta(seconds=-1)
GB = collecting(["gb"])
IRE = collecting(["ire"])
EVERYTHING = collecting(["ire", "gb"])


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def asked(
    connection: Connection, scope: Scope, holder: str, ttl: timedelta = LONG
) -> Lease | None:
    return await acquire(connection, scope.name, holder, ttl, duties=scope.duties)


async def taken(connection: Connection, scope: Scope, holder: str, ttl: timedelta = LONG) -> Lease:
    lease = await asked(connection, scope, holder, ttl)
    assert lease is not None
    return lease


async def missed(connection: Connection, **ago: timedelta) -> tuple[str, ...]:
    return missed_duties(await wanted_leases(connection), **ago)


async def end(connection: Connection, scope: Scope, ago: str) -> None:
    await connection.execute(
        "UPDATE worker_lease SET expires_at = clock_timestamp() - $2::text::interval"
        " WHERE name = $1",
        scope.name,
        ago,
    )


def test_a_lease_is_named_by_its_regions_in_whatever_order() -> None:
    assert Scope(name="live", duties=("gb", "ire", "once")) == EVERYTHING
    assert Scope(name="live:gb", duties=("gb",)) == GB
    assert collecting(["fr", "gb"]) == Scope(name="live:fr+gb", duties=("fr", "gb"))
    assert collecting(["fr", "gb", "ire"]).name == "live"


async def test_different_regions_are_led_at_once(connection: Connection, other: Connection) -> None:
    gb = await taken(connection, GB, "g")
    ire = await taken(other, IRE, "i")
    once = await taken(other, DONE_ONCE, "i")

    assert [lease.epoch for lease in (gb, ire, once)] == [1, 1, 1]
    assert [lease.name for lease in await live_leases(connection)] == ["live:gb", "live:ire"]
    assert await missed(connection) == ()


@pytest.mark.parametrize(
    ("held", "wanted"),
    [(EVERYTHING, GB), (GB, EVERYTHING), (EVERYTHING, DONE_ONCE), (DONE_ONCE, EVERYTHING)],
)
async def test_leases_that_share_a_duty_are_never_live_at_once(
    connection: Connection, other: Connection, held: Scope, wanted: Scope
) -> None:
    await taken(connection, held, "first")
    assert await asked(other, wanted, "second") is None

    await end(connection, held, "1 second")
    assert await asked(other, wanted, "second") is not None
    assert await asked(connection, held, "first") is None


async def test_of_many_who_ask_for_overlapping_leases_at_once_nobody_gets_two(
    database: Database, connection: Connection
) -> None:
    async def ask(scope: Scope, number: int) -> str | None:
        async with database.connection() as mine:
            lease = await asked(mine, scope, f"worker {number}")
        return None if lease is None else lease.name

    for _ in range(10):
        await connection.execute("UPDATE worker_lease SET expires_at = now() - interval '1 s'")
        scopes = [GB, EVERYTHING, IRE, EVERYTHING, GB, IRE]
        got = await asyncio.gather(*(ask(scope, i) for i, scope in enumerate(scopes)))
        assert sorted(filter(None, got)) in (["live"], ["live:gb", "live:ire"])


async def test_who_held_an_overlapping_lease_neither_renews_nor_writes_any_more(
    database: Database, connection: Connection, other: Connection
) -> None:
    everything = await taken(connection, EVERYTHING, "first", OVER)
    await taken(other, GB, "second")

    with pytest.raises(LeaseLostError, match="first no longer holds the lease 'live'") as lost:
        await renew(connection, everything, LONG)
    assert lost.value.lease == "live"
    with pytest.raises(LeaseLostError):
        async with writing_transaction(database, everything):
            pass


async def test_taking_a_lease_waits_for_writes_under_an_overlapping_one(
    database: Database, connection: Connection, other: Connection
) -> None:
    everything = await taken(connection, EVERYTHING, "first", OVER)
    async with writing_transaction(database, everything) as writer:
        await writer.execute(
            "INSERT INTO ra_courses (course_id, course, region_code, region)"
            " VALUES ('crs_1', 'Ascot', 'gb', 'Great Britain')"
        )
        takeover = asyncio.create_task(asked(other, GB, "second"))
        await somebody_waits(connection)
        assert not takeover.done()

    assert await takeover is not None
    assert await other.fetchval("SELECT count(*) FROM ra_courses") == 1


async def test_a_lease_that_is_renewed_while_another_is_being_taken_stands(
    database: Database, connection: Connection, other: Connection
) -> None:
    everything = await taken(connection, EVERYTHING, "first", OVER)
    async with writing_transaction(database, everything) as writer:
        takeover = asyncio.create_task(asked(other, GB, "second"))
        await somebody_waits(connection)
        # In the writer's own transaction, before the taker's turn comes.
        await renew(writer, everything, LONG)

    assert await takeover is None
    await renew(connection, everything, LONG)


async def test_writers_of_different_regions_take_turns_so_numbers_follow_commits(
    database: Database, connection: Connection
) -> None:
    gb = await taken(connection, GB, "g")
    ire = await taken(connection, IRE, "i")
    async with writing_transaction(database, gb) as first:
        revision = await queries.next_revision(first)

        async def write_beside() -> int:
            async with writing_transaction(database, ire) as second:
                number: int = await queries.next_revision(second)
                return number

        beside = asyncio.create_task(write_beside())
        waiting = asyncio.create_task(somebody_waits(connection))
        await asyncio.wait([beside, waiting], return_when=asyncio.FIRST_COMPLETED)
        assert not beside.done()
        assert await connection.fetchval("SELECT last_value FROM market_revision") == revision

    assert await beside == revision + 1


async def test_a_turn_may_be_taken_twice_and_ends_with_the_transaction(
    database: Database, connection: Connection, other: Connection
) -> None:
    gb = await taken(connection, GB, "g")
    async with writing_transaction(database, gb) as writer:
        await take_turn(writer)
        await queries.next_revision(writer)
    async with other.transaction():
        await take_turn(other)


async def test_what_was_led_within_a_day_and_is_not_now_is_missed(connection: Connection) -> None:
    for scope in (GB, IRE, DONE_ONCE):
        await taken(connection, scope, "worker")
    await end(connection, IRE, "20 seconds")

    assert await missed(connection) == ("ire",)
    assert await missed(connection, for_at_least=timedelta(seconds=10)) == ("ire",)
    assert await missed(connection, for_at_least=timedelta(seconds=30)) == ()

    await end(connection, IRE, "25 hours")
    assert await missed(connection) == ()


async def test_an_ended_lease_whose_duties_others_have_is_not_missed(
    connection: Connection,
) -> None:
    everything = await taken(connection, EVERYTHING, "first")
    await release(connection, everything)
    assert await missed(connection) == ("gb", "ire", "once")
    await taken(connection, GB, "g")
    assert await missed(connection) == ("ire", "once")
    await taken(connection, IRE, "i")
    await taken(connection, DONE_ONCE, "i")

    assert await missed(connection) == ()
    assert [lease.name for lease in await wanted_leases(connection)] == [
        "live:gb",
        "live:ire",
        "once",
    ]


async def test_a_worker_of_the_version_before_keeps_everybody_out_and_is_not_missed(
    connection: Connection,
) -> None:
    # As that version writes it: it knows neither column.
    await connection.execute(
        "INSERT INTO worker_lease (name, holder, epoch, expires_at)"
        " VALUES ('live', 'old', 4, now() + interval '1 hour')"
    )
    assert await asked(connection, GB, "new") is None

    await end(connection, EVERYTHING, "1 second")
    await taken(connection, GB, "new")
    assert await missed(connection) == ()


async def test_where_nobody_leads_the_last_to_lead_is_told(connection: Connection) -> None:
    assert await wanted_leases(connection) == []
    await taken(connection, GB, "g")
    await taken(connection, IRE, "i")
    await end(connection, GB, "3 days")
    await end(connection, IRE, "2 days")

    assert [lease.name for lease in await wanted_leases(connection)] == ["live:ire"]
