import asyncio
import json
import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from darkhorses.domain.london import race_day
from darkhorses.simulator import Options, Simulator, running_simulator
from darkhorses.store.pool import Database
from darkhorses.store.writing.lease import acquire
from darkhorses.worker.app import clock
from tests.backfills import Backfill, days, environment_of
from tests.cards import race
from tests.commands import darkhorses
from tests.feeds import Feed, StagedSource
from tests.past_days import checksums, table

LAST = race_day(clock()) - timedelta(days=4)
"""Whose results are settled, also when midnight passes while a test runs."""


def before_last(count: int) -> date:
    return LAST - timedelta(days=count)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(Options(limits=True)) as simulator:
        yield simulator


@pytest.fixture
def environment(database_url: str, simulator: Simulator) -> dict[str, str]:
    return environment_of(database_url, simulator.base_url)


async def _sums(database: Database) -> tuple[Any, ...]:
    async with database.connection() as connection:
        return await checksums(connection)


async def test_a_backfill_fills_a_span_within_the_limits_and_a_second_one_asks_for_nothing(
    environment: dict[str, str], simulator: Simulator, database: Database
) -> None:
    span = days(before_last(5), LAST)
    async with Backfill.start(environment, *span) as first:
        code, printed = await first.ended()
    before = await _sums(database)
    rows, _ = before[-2:]
    ((races,),) = await table(database, "SELECT sum(races_count) FROM race_days")
    # Sent within the limits: nothing was answered with 429.
    assert simulator.requests["racecards/pro"] == {"200": 6}
    assert set(simulator.requests["results"]) == {"200"}

    assert code == 0
    assert printed.splitlines() == [
        "days by region: 12 read, 0 up to date, 0 not come to",
        f"races {races}",
        f"rows {rows}: {rows} new or different, 0 of them revised",
        "gaps 0",
    ]
    assert [line.split()[0] for line in first.progress] == [f"{n}/6" for n in range(1, 7)]
    assert first.progress[-1].endswith(" days/min, 0:00:00 left")
    assert await table(database, "SELECT DISTINCT cards, results FROM race_days") == [
        ("complete", "complete")
    ]

    async with Backfill.start(environment, *span, "--json") as second:
        done = await second.summary()
    assert (done["filled"]["days"], done["skipped"], done["left"]) == (0, 12, 0)
    assert simulator.requests["racecards/pro"] == {"200": 6}
    assert await _sums(database) == before


async def test_on_a_terminal_a_bar_shows_rate_and_time_left(
    environment: dict[str, str],
) -> None:
    ours, theirs = pty.openpty()
    terminal = {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "darkhorses", "backfill", *days(before_last(2), LAST),
        stdout=asyncio.subprocess.PIPE, stderr=theirs, env=environment | terminal,
    )  # fmt: skip
    os.close(theirs)

    def shown() -> str:
        pieces = []
        with suppress(OSError):  # how a terminal ends
            while piece := os.read(ours, 65_536):
                pieces.append(piece.decode("utf-8", "replace"))
        return "".join(pieces)

    screen, (printed, _) = await asyncio.gather(asyncio.to_thread(shown), process.communicate())
    os.close(ours)

    assert process.returncode == 0
    assert "3/3" in screen
    assert "days/min" in screen
    assert "0:00:0" in screen
    assert "\x1b[" in screen
    assert printed.decode().startswith("days by region: 6 read, ")
    assert "\x1b" not in printed.decode()


async def test_a_dry_run_says_what_would_be_read_and_asks_the_feed_for_nothing(
    environment: dict[str, str], simulator: Simulator, database: Database
) -> None:
    async with Backfill.start(environment, *days(LAST, LAST), "--regions", "IRE") as one:
        assert (await one.ended())[0] == 0
    asked = simulator.requests["racecards/pro"]["200"]
    span = days(before_last(1), LAST)
    async with Backfill.start(environment, *span, "--dry-run") as plan:
        code, printed = await plan.ended()
    async with Backfill.start(environment, *span, "--dry-run", "--json") as plan:
        told = await plan.summary()

    assert (code, printed.splitlines()) == (
        0,
        [
            "would read 2 days (3 by region), 4 requests or so, in 0:00:01 or more",
            f"  {LAST} gb",
            f"  {before_last(1)} gb ire",
        ],
    )
    assert told == {
        "due": [
            {"day": str(LAST), "regions": ["gb"]},
            {"day": str(before_last(1)), "regions": ["gb", "ire"]},
        ],
        "skipped": 1,
        "requests": 4,
        "seconds": 1,
    }
    assert simulator.requests["racecards/pro"]["200"] == asked
    assert await table(database, "SELECT race_date, region FROM race_days") == [(LAST, "ire")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_stopped_it_says_what_was_done_and_the_next_run_goes_on(
    number: signal.Signals,
    environment: dict[str, str],
    database: Database,
) -> None:
    span = days(before_last(5), LAST)
    async with Backfill.start(environment, *span) as stopped:
        await stopped.until_done(2)
        stopped.send(number)
        code, printed = await stopped.ended()
    assert code == 1
    assert printed.splitlines()[-1] == "ended early: interrupted"
    told = [int(number) for number in re.findall(r"\d+", printed.splitlines()[0])]
    ((written,),) = await table(database, "SELECT count(*) FROM race_days")
    # A day whose commit was under way may be there and is not told of.
    assert 4 <= told[0] <= written <= told[0] + 6 < 12 + 6
    assert told == [told[0], 0, 12 - told[0]]
    assert "Traceback" not in "".join(stopped.said)
    # No day is there by half.
    halves = await table(
        database,
        "SELECT race_date FROM race_days AS day WHERE rows_count <> (SELECT count(*)"
        " FROM ra_odds_historical WHERE date_of_race = race_date AND lower(country) = region)",
    )
    assert halves == []

    async with Backfill.start(environment, *span, "--json") as resumed:
        done = await resumed.summary()
    assert (done["filled"]["days"], done["skipped"]) == (12 - written, written)


async def test_gaps_that_are_left_are_named_with_their_reasons_and_the_exit_code_is_1(
    database_url: str, database: Database
) -> None:
    source = StagedSource()
    source.cards.append(race(date=str(LAST), off_dt=f"{LAST}T14:12:00+00:00"))
    async with Feed.serving(source, clock) as feed:
        environment = environment_of(database_url, feed.base_url)
        async with Backfill.start(environment, *days(LAST, LAST)) as lacking:
            code, printed = await lacking.ended()
        async with Backfill.start(environment, *days(LAST, LAST), "--json") as again:
            again_code, again_printed = await again.ended()

    assert (code, again_code) == (1, 1)
    assert printed.splitlines()[-2:] == ["gaps 1", f"  {LAST} gb: no result yet: rac_1"]
    assert json.loads(again_printed)["filled"]["gaps"] == {f"{LAST} gb": "no result yet: rac_1"}
    assert await table(database, "SELECT region, attempts FROM race_days ORDER BY 1") == [
        ("gb", 2),
        ("ire", 1),
    ]


async def test_a_plan_that_is_too_small_ends_it_at_once_and_is_said(
    database_url: str, database: Database
) -> None:
    async with running_simulator(Options(limits=False, plan="standard")) as simulator:
        environment = environment_of(database_url, simulator.base_url)
        async with Backfill.start(environment, *days(before_last(3), LAST)) as refused:
            code, printed = await refused.ended()

    assert code == 1
    assert "days by region: 0 read, 0 up to date, 8 not come to" in printed
    assert "ended early: the account's plan is too small" in printed
    reasons = await table(database, "SELECT DISTINCT reason FROM race_days")
    assert all("plan is too small" in reason for (reason,) in reasons)


async def test_while_a_worker_leads_it_takes_half_of_the_pace(
    environment: dict[str, str], database: Database
) -> None:
    span = ("--dry-run", "--json", *days(before_last(9), LAST))
    async with Backfill.start(environment, *span) as alone:
        before = await alone.summary()
    async with database.transaction() as connection:
        assert await acquire(connection, "live", "a worker", timedelta(hours=1)) is not None
    async with Backfill.start(environment, *span) as beside:
        after = await beside.summary()

    assert (before["seconds"], after["seconds"]) == (5, 10)


TODAY = race_day(clock())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "2023-01-22"], "--from 2023-01-22: the feed has no cards before 2023-01-23"),
        (["--from", "2024-05-01", "--to", "2024-04-30"], "--from 2024-05-01: after --to"),
        (["--from", "2024-05-01", "--to", "2090-01-01"], "--to 2090-01-01: not over in London"),
        (["--from", str(TODAY)], f"--from {TODAY}: not over in London, the last day is"),
        (["--from", "soon"], "'--from': 'soon' does not match"),
        (["--to", "2024-05-01"], "'--from'"),
        (["--from", "2024-05-01", "--regions", ""], "--regions or DARKHORSES_REGIONS ''"),
        (["--from", "2024-05-01", "--regions", "gb,england"], "'england': expected codes such as"),
    ],
)
def test_a_wrong_span_is_a_usage_error_that_names_the_option(
    arguments: list[str], said: str
) -> None:
    ended = darkhorses(
        "backfill",
        *arguments,
        RACING_API_USERNAME="simulator",
        RACING_API_PASSWORD="simulator",
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr


async def test_a_job_run_by_hand_reads_the_days_that_are_named_whatever_the_ledger_says(
    environment: dict[str, str], database: Database
) -> None:
    def run(*arguments: str) -> Any:
        ended = darkhorses("run", "historical-odds", "--json", *arguments, **environment)
        return ended.returncode, ended.stdout and msgspec.json.decode(ended.stdout), ended.stderr

    first = await asyncio.to_thread(run, "--date", str(LAST))
    again = await asyncio.to_thread(run, "--date", str(LAST))
    wrong = await asyncio.to_thread(run, "--date", str(TODAY))

    assert (first[0], first[1]["filled"]["days"]) == (0, 2)
    assert first[1]["filled"]["written"] == first[1]["filled"]["rows"] > 0
    assert (again[1]["filled"]["days"], again[1]["filled"]["written"]) == (2, 0)
    assert wrong[0] == 2
    assert f"--date {TODAY}: not over in London" in wrong[2]
    assert (await table(database, "SELECT count(*) FROM race_days"))[0] == (2,)
