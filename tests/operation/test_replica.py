"""Reads about the past from a streaming replica: when it is read, and what happens without it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from math import inf
from pathlib import Path
from typing import Any

import httpx
import pytest

from darkhorses.api.exports import Exports
from darkhorses.api.metrics import Metrics
from darkhorses.api.publishing import Publisher
from darkhorses.api.streams import Streams
from darkhorses.database import open_replica
from darkhorses.doctor import Level, examine
from darkhorses.readmodel.follower import Follower
from darkhorses.settings import Settings
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.errors import DatabaseUnavailableError
from darkhorses.store.pool import Database, QueuedDatabase
from darkhorses.store.replica import PastDatabase, Replica, read_as_of
from darkhorses.worker.app import clock as real_clock
from tests.api.processes import ApiProcess, running_api
from tests.history import fill_history
from tests.market import StoppedClock
from tests.standbys import Standby, streaming_replica

LONGEST_LAG = timedelta(seconds=30)


@pytest.fixture
def standby(own_server: EmbeddedServer, own_database: Database, folder: Path) -> Iterator[Standby]:
    del own_database  # it is migrated
    with streaming_replica(own_server, folder / "s") as standby:
        yield standby


@asynccontextmanager
async def watched(
    database: Database, url: str, clock: StoppedClock
) -> AsyncIterator[tuple[Replica, PastDatabase]]:
    settings = Settings(database_url=database.url, database_replica_url=url)
    async with open_replica(settings, database, clock=clock, watched=False) as replica:
        assert replica is not None
        yield replica, PastDatabase(QueuedDatabase(database), replica)


async def caught_up(replica: Replica, clock: StoppedClock) -> None:
    await replica.look()
    while replica.as_of != clock():
        await replica.look()


async def reads_from_standby(past: PastDatabase) -> bool:
    async with past.connection() as connection:
        found: bool = await connection.fetchval("SELECT pg_is_in_recovery()")
    return found


async def write(database: Database, day: str) -> None:
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL synchronous_commit = on")
        await connection.execute(
            "INSERT INTO ra_courses (course_id, course, region_code, region)"
            " VALUES ($1, $1, 'gb', 'Great Britain')",
            day,
        )


async def test_it_is_read_while_fresh_and_the_primary_while_it_lags(
    own_database: Database, standby: Standby
) -> None:
    clock = StoppedClock()
    async with watched(own_database, standby.url, clock) as (replica, past):
        assert not await reads_from_standby(past)  # nobody knows yet how it is
        assert read_as_of.get() is None
        await caught_up(replica, clock)
        assert await reads_from_standby(past)
        assert read_as_of.get() == clock()

        await standby.pause()
        before = clock()
        await write(own_database, "crs_1")
        clock.forward(seconds=29)
        await replica.look()
        assert await reads_from_standby(past)
        assert replica.report().as_of == before
        clock.forward(seconds=2)
        assert replica.report().reason == "it lags by 31 s"
        assert not await reads_from_standby(past)

        await standby.go_on()
        await caught_up(replica, clock)
        assert await reads_from_standby(past)


async def test_a_market_at_rest_does_not_make_it_look_old(
    own_database: Database, standby: Standby
) -> None:
    clock = StoppedClock()
    async with watched(own_database, standby.url, clock) as (replica, _):
        await caught_up(replica, clock)
        clock.forward(hours=5)
        await caught_up(replica, clock)
        assert replica.report().in_use


async def test_without_it_the_primary_answers_and_without_the_primary_it_does_however_old(
    own_database: Database, standby: Standby, own_server: EmbeddedServer
) -> None:
    clock = StoppedClock()
    async with watched(own_database, standby.url, clock) as (replica, past):
        await caught_up(replica, clock)
        await asyncio.to_thread(standby.stop)
        assert not await reads_from_standby(past)  # found out by the question itself
        assert not replica.is_to_be_read()
        await asyncio.to_thread(standby.start)
        await caught_up(replica, clock)
        assert await reads_from_standby(past)

        as_of = clock()
        await asyncio.to_thread(own_server.release)
        clock.forward(hours=1)
        await replica.look()
        assert replica.report().in_use
        assert replica.report().as_of == as_of
        assert await reads_from_standby(past)
        await asyncio.to_thread(standby.stop)
        with pytest.raises(DatabaseUnavailableError):
            await reads_from_standby(past)


async def test_a_server_that_takes_writes_of_its_own_is_never_read(
    own_database: Database, standby: Standby, postgres: EmbeddedServer
) -> None:
    clock = StoppedClock()
    async with watched(own_database, postgres.url, clock) as (replica, past):
        await replica.look()
        assert replica.report().reason == "it is no standby: it takes writes of its own"
    async with watched(own_database, standby.url, clock) as (replica, past):
        await caught_up(replica, clock)
        await standby.promote()
        await replica.look()
        assert not await reads_from_standby(past)


async def test_a_standby_of_another_server_is_never_read(
    postgres: EmbeddedServer, standby: Standby
) -> None:
    other = await Database.open(postgres.url, max_connections=2)
    async with watched(other, standby.url, StoppedClock()) as (replica, _):
        await replica.look()
        assert replica.report().reason == "it is a standby of another server than DATABASE_URL's"
    await other.close()


async def doctor_says(own_database: Database, replica_url: str) -> tuple[Level, str]:
    findings = await examine(
        {"DATABASE_URL": own_database.url, "DATABASE_REPLICA_URL": replica_url}, clock=real_clock
    )
    (found,) = (finding for finding in findings if finding.check == "database.replica")
    return found.level, found.message


async def test_the_doctor_looks_at_it(own_database: Database, standby: Standby) -> None:
    level, message = await doctor_says(own_database, standby.url)
    assert level is Level.OK
    assert message.startswith("follows, at most ")
    await asyncio.to_thread(standby.stop)
    level, message = await doctor_says(own_database, standby.url)
    assert level is Level.FAIL
    assert "cannot be reached" in message


async def answer_of(api: ApiProcess, path: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(f"{api.url}{path}", timeout=20)


async def is_read(api: ApiProcess) -> None:
    while not (await replica_of(api))["in_use"]:
        pass


async def replica_of(api: ApiProcess) -> Any:
    return (await answer_of(api, "/health")).json()["replica"]


def lag_of(metrics: str) -> float:
    (line,) = [x for x in metrics.splitlines() if x.startswith("darkhorses_replica_lag_seconds ")]
    return float(line.split()[1])


async def test_the_replicas_lag_is_told_as_it_grows(
    own_database: Database, standby: Standby
) -> None:
    clock = StoppedClock()
    async with watched(own_database, standby.url, clock) as (replica, _):
        follower = Follower(own_database, clock=clock)
        minute = timedelta(minutes=1)
        publisher = Publisher(follower, clock=clock, card_interval=minute)
        streams = Streams(follower, own_database, clock=clock, card_interval=minute, most_clients=1)
        exports = Exports(own_database, at_once=1)
        metrics = Metrics(own_database, publisher, streams, exports, replica)

        async def told() -> str:
            return (await metrics.body("text/plain"))[0].decode()

        assert lag_of(await told()) == inf
        await caught_up(replica, clock)
        assert lag_of(await told()) == 0
        clock.forward(seconds=90)
        assert lag_of(await told()) == 90
        assert "darkhorses_replica_in_use 0.0" in await told()


async def test_the_api_reads_history_and_exports_from_it_and_says_how_old_they_are(
    own_database: Database, standby: Standby
) -> None:
    async with own_database.connection() as connection:
        await fill_history(connection)
    async with running_api(DATABASE_URL=own_database.url, DATABASE_REPLICA_URL=standby.url) as api:
        await api.until("market.loaded")
        await is_read(api)
        # The primary is made to say something else, which the standby does not learn.
        await standby.pause()
        async with own_database.connection() as connection:
            await connection.execute("DELETE FROM ra_odds_historical")
        health = await replica_of(api)
        assert health["reason"] is None
        assert health["lag_seconds"] < 30
        metrics = (await answer_of(api, "/metrics")).text
        assert "darkhorses_replica_in_use 1.0" in metrics
        assert 0 <= lag_of(metrics) < 30
        page = await answer_of(api, "/api/historical-odds")
        assert page.json()["count"] == 60
        assert page.headers["darkhorses-as-of"] >= health["as_of"][:19]
        export = await answer_of(api, "/api/export/historical-odds?format=csv")
        assert len(export.text.splitlines()) == 61
        assert "darkhorses-as-of" in export.headers
        live = await answer_of(api, "/api/live-odds")
        assert "darkhorses-as-of" not in live.headers

        await asyncio.to_thread(standby.stop)
        page = await answer_of(api, "/api/historical-odds?limit=50")
        assert (page.status_code, page.json()["count"]) == (200, 0)
        assert "darkhorses-as-of" not in page.headers
