"""What the months of the change log cost those who ask it all day: 24 of them beside one.

Both databases hold as many changes, of as many races; only the days differ, which follow each other
where the log is short.
``python -m benchmarks.months`` takes a quarter of a minute.
"""

import asyncio
import statistics
import time
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.databases import a_database, a_server
from benchmarks.figures import Figure, Run, save, table
from benchmarks.filled import today
from darkhorses.store.changes import (
    LAST_CHANGE,
    change_is_known,
    changes_after,
    newest_marks,
    oldest_change_id,
)
from darkhorses.store.pool import Connection, Database
from darkhorses.store.statistics import changes_since
from darkhorses.store.writing import outbox

MONTHS = 24
DAYS = 24
CHANGES_A_DAY = 20_000
NEW = 280
"""Changes of a look at which 2 % of the prices of a full day are new."""

QUESTIONS = 40
"""Of each; a run is their median."""

FILL = """
    WITH races AS MATERIALIZED (
        SELECT race,
            odds_log_race($1::date, 'rac_' || to_char($1::date, 'YYMMDD') || race) AS race_no
        FROM generate_series(0, 39) AS race
    ), runners AS MATERIALIZED (
        SELECT race, horse, race_no, odds_log_runner(race_no, 'hrs_' || horse) AS runner_no
        FROM races, generate_series(0, 9) AS horse
    ), bookmakers AS MATERIALIZED (
        SELECT book, odds_log_bookmaker('book_' || book) AS bookmaker_no
        FROM generate_series(0, 19) AS book
    ), prices AS MATERIALIZED (
        SELECT step, odds_log_price(2 + step, 1 + step || '/1') AS price_no
        FROM generate_series(0, 49) AS step
    )
    INSERT INTO odds_log (seen_at, race_no, bookmaker_no, price_no, runner_no, is_repair)
    SELECT $1::date + time '09:00' + n * interval '1 second', race_no, bookmaker_no, price_no,
        runner_no, false
    FROM generate_series(0, $2::int - 1) AS n
    JOIN runners ON race = n % 40 AND horse = n / 40 % 10
    JOIN bookmakers ON book = n / 400 % 20
    JOIN prices ON step = n % 50
    ORDER BY n
"""
MAKE_MONTHS = """
    SELECT ensure_odds_changes_partition(day::date)
    FROM generate_series($1::date, $2::date, interval '1 month') AS day
"""
LISTEN_TO_PRICES = """
    INSERT INTO webhooks (webhook_id, url, events, filter, secret, created_at)
    VALUES ('wh_1', 'https://example.org', '{price}', '{}', 'secret', now())
"""


class Asked(msgspec.Struct, frozen=True):
    """A database that is asked: how far its log went before the last look, and up to where."""

    connection: Connection
    day: date
    before: int
    newest: int


Question = Callable[[Asked], Awaitable[Any]]

QUESTION_BY_NAME: dict[str, Question] = {
    "how far market and log are": lambda one: newest_marks(one.connection, from_day=one.day),
    f"the {NEW} changes that are new": lambda one: changes_after(
        one.connection, one.before, until=LAST_CHANGE, most=500
    ),
    "whether a change is known": lambda one: change_is_known(one.connection, one.before),
    "the oldest change": lambda one: oldest_change_id(one.connection),
    "how far the statistics are behind": lambda one: changes_since(one.connection, one.before),
    "where the log ends, for webhooks": lambda one: outbox.audience(one.connection),
}


def measure(run: Run) -> list[Figure]:
    """Each question at 24 months beside one, by turns."""
    with a_server() as server:
        return asyncio.run(_measured(server, run.runs))


async def _measured(server: str, runs: int) -> list[Figure]:
    last = today().date()
    async with AsyncExitStack() as stack:
        asked = []
        for name, step in (("one", timedelta(days=1)), ("many", timedelta(days=365 * 2 / DAYS))):
            days = [last - step * back for back in range(DAYS)][::-1]
            database = await Database.open(await a_database(server, name), max_connections=1)
            stack.push_async_callback(database.close)
            connection = await stack.enter_async_context(database.connection(patience=None))
            asked.append(await _filled(connection, days))
        return [
            await _figure(name, question, asked, runs)
            for name, question in QUESTION_BY_NAME.items()
        ]


async def _filled(connection: Connection, days: Sequence[date]) -> Asked:
    await connection.execute(MAKE_MONTHS, days[0].replace(day=1), days[-1] + timedelta(days=62))
    for day in days:
        await connection.execute(FILL, day, CHANGES_A_DAY)
    await connection.execute(LISTEN_TO_PRICES)
    await connection.execute("VACUUM ANALYZE")
    before = await _newest(connection)
    await connection.execute(FILL, days[-1], NEW)
    return Asked(connection, days[-1], before, before + NEW)


async def _newest(connection: Connection) -> int:
    newest: int = await connection.fetchval("SELECT max(change_id) FROM odds_log")
    return newest


async def _figure(name: str, question: Question, asked: Sequence[Asked], runs: int) -> Figure:
    took: list[list[float]] = [[] for _ in asked]
    for number in range(-1, runs):
        # By turns question by question: the system wakes a server now quickly, now slowly.
        each: list[list[float]] = [[] for _ in asked]
        for _ in range(QUESTIONS):
            for one, milliseconds in zip(asked, each, strict=True):
                begun = time.perf_counter()
                await question(one)
                milliseconds.append((time.perf_counter() - begun) * 1000)
        if number >= 0:
            for run, milliseconds in zip(took, each, strict=True):
                run.append(statistics.median(milliseconds))
    return Figure(
        name=f"{name}, {MONTHS} months",
        unit="ms",
        goal=1.2,
        runs=tuple(took[1]),
        limit=tuple(took[0]),
        limit_name="one month",
    )


def main() -> None:
    """Run it from the command line."""
    parser = ArgumentParser(prog="benchmarks.months", description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    figures = measure(Run(runs=options.runs))
    print(table(figures))
    save(options.out, figures)


if __name__ == "__main__":
    main()
