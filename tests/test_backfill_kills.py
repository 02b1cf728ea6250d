"""A backfill that is killed and run again ends as one that was left alone."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from darkhorses.domain.london import race_day
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.pool import Connection, Database
from darkhorses.worker.app import clock
from tests.backfills import Backfill, days, environment_of, simulator_process
from tests.conftest import TEMPLATE, fresh_database
from tests.past_days import checksums

YESTERDAY = race_day(clock()) - timedelta(days=1)
SETTLED = YESTERDAY - timedelta(days=3)
"""Not read differently when midnight or 08:00 passes while a test runs."""

_WAITS_FOR_LEDGER = """
    SELECT count(*) FROM pg_locks
    WHERE relation = 'race_days'::regclass AND NOT granted
"""


class Spans:
    """One span of days in two databases: of clean runs, and of killed ones."""

    def __init__(self, base_url: str, first: date, last: date) -> None:
        self._base_url = base_url
        self._days = days(first, last)

    @asynccontextmanager
    async def backfill(self, database_url: str, *arguments: str) -> AsyncIterator[Backfill]:
        # A pace at which a kill comes between two days, and not after all of them.
        environment = environment_of(
            database_url,
            self._base_url,
            DARKHORSES_RACECARDS_PER_SECOND="4",
            DARKHORSES_RACES_PER_SECOND="20",
        )
        async with Backfill.start(environment, *self._days, *arguments) as backfill:
            yield backfill

    async def run(self, database_url: str) -> dict[str, Any]:
        """Let one run to its end; its summary."""
        async with self.backfill(database_url, "--json") as backfill:
            return await backfill.summary()

    async def kill_after_a_day(self, database_url: str, count: int) -> None:
        """Kill one when it has done so many days, whatever it does with the next."""
        async with self.backfill(database_url) as backfill:
            await backfill.until_done(count)
            backfill.send(signal.SIGKILL)
            await backfill.ended()

    async def kill_in_the_middle_of_a_day(self, database_url: str, database: Database) -> None:
        """Kill one that has written a day's rows and not yet its place in the ledger."""
        async with database.transaction() as holding, self.backfill(database_url) as backfill:
            await holding.execute("LOCK TABLE race_days IN SHARE MODE")
            async with asyncio.timeout(60), database.connection() as watching:
                while not await watching.fetchval(_WAITS_FOR_LEDGER):
                    await watching.execute("SELECT pg_sleep(0.01)")
            backfill.send(signal.SIGKILL)
            await backfill.ended()


async def _sums(database: Database) -> tuple[Any, ...]:
    async with database.connection() as connection:
        return await checksums(connection)


async def _written(connection: Connection) -> list[tuple[Any, ...]]:
    rows = await connection.fetch(
        "SELECT race_id, horse_id, xmin::text FROM ra_odds_historical"
        " UNION ALL SELECT race_id, '', xmin::text FROM ra_results"
        " UNION ALL SELECT race_date::text, region, xmin::text FROM race_days ORDER BY 1, 2"
    )
    return [tuple(row) for row in rows]


async def _kill_and_compare(
    postgres: EmbeddedServer, spans: Spans, *, seed: int, kills: int
) -> str:
    dice = random.Random(seed)  # noqa: S311  # repeatable, not secret
    async with AsyncExitStack() as stack:
        clean_url = await stack.enter_async_context(fresh_database(postgres.url, template=TEMPLATE))
        killed_url = await stack.enter_async_context(
            fresh_database(postgres.url, template=TEMPLATE)
        )
        clean = await Database.open(clean_url, max_connections=2)
        stack.push_async_callback(clean.close)
        killed = await Database.open(killed_url, max_connections=2)
        stack.push_async_callback(killed.close)

        once = await spans.run(clean_url)
        done = []
        for _ in range(kills):
            if dice.random() < 0.5:
                await spans.kill_in_the_middle_of_a_day(killed_url, killed)
            else:
                await spans.kill_after_a_day(killed_url, 1)
            done.append((await _sums(killed))[-2])
        last = await spans.run(killed_url)

        # Each kill came before the end, and the last run still had days to read.
        assert last["filled"]["days"] > 0
        assert last["filled"]["days"] + last["skipped"] == once["filled"]["days"]
        sums = await _sums(killed)
        assert sums == await _sums(clean)
        rows, revisions = sums[-2:]
        assert rows == once["filled"]["written"] > max(done)
        assert revisions == 0

        async with killed.connection() as connection:
            before = await _written(connection)
            again = await spans.run(killed_url)
            assert (again["filled"]["days"], again["skipped"]) == (0, once["filled"]["days"])
            assert await _written(connection) == before
        return f"{once['filled']['races']} races, {rows} rows, after the kills {done}"


async def test_a_backfill_killed_again_and_again_ends_as_one_clean_run_and_then_writes_nothing(
    postgres: EmbeddedServer,
) -> None:
    async with simulator_process("--no-limits") as base_url:
        spans = Spans(base_url, SETTLED - timedelta(days=7), SETTLED)
        await _kill_and_compare(postgres, spans, seed=3, kills=4)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
async def test_thirty_days_killed_ten_times_end_as_one_clean_run(
    seed: int, postgres: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    async with simulator_process("--no-limits") as base_url:
        spans = Spans(base_url, YESTERDAY - timedelta(days=29), YESTERDAY)
        figures = await _kill_and_compare(postgres, spans, seed=seed, kills=10)
    with capsys.disabled():
        print(f"\n30 days killed 10 times: {figures}")  # noqa: T201  # the soak's report
