import json
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from darkhorses.client import DarkHorsesClient, Price, Snapshot
from darkhorses.domain.stages import stage_at
from darkhorses.store.pool import Database
from tests.commands import darkhorses
from tests.market import NOON, MarketWriter, card, race, runner
from tests.ports import free_port
from tests.replay.days import DAY, OFF, RESULT_AT, known_of_day, live_through
from tests.replay.processes import directory_of_its_own, replaying


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with directory_of_its_own() as directory:
        yield directory


@pytest.fixture
async def writer(database: Database) -> MarketWriter:
    return await MarketWriter.leading(database)


def left_in(data_dir: Path) -> list[Path]:
    return list((data_dir / "replay").glob("*"))


async def test_a_day_is_printed_event_by_event_and_nothing_is_left_behind(
    database: Database, database_url: str, data_dir: Path, writer: MarketWriter
) -> None:
    await live_through(writer)
    stored = await known_of_day(database)
    # What a replay that was killed left behind goes too.
    killed = data_dir / "replay" / "4194305"
    killed.mkdir(parents=True)

    done = darkhorses(
        "replay", "--date", str(DAY), "--speed", "max",
        DATABASE_URL=database_url, DARKHORSES_DATA_DIR=str(data_dir),
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    events = [json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines()]
    prices = [event["data"] for event in events if event["event"] == "price"]
    assert [
        (one["race_id"], one["horse_id"], one["bookmaker_id"], one["odds_decimal"])
        for one in prices
    ] == [entry[:4] for entry in stored["log"]]
    assert [one["change_id"] for one in prices] == list(range(1, len(prices) + 1))
    kinds = [event["event"] for event in events]
    assert kinds.index("race") < kinds.index("price")
    assert (kinds.count("result"), kinds.count("non_runner")) == (3, 1)
    assert await known_of_day(database) == stored
    assert left_in(data_dir) == []


async def test_a_day_of_which_nothing_is_known_is_said_to_be_so(
    database_url: str, data_dir: Path, writer: MarketWriter
) -> None:
    await writer.look(card(race(off_dt=OFF), (runner("Ada", 1), {})), seen_at=NOON)
    for day, words in (
        ("2026-06-20", "1 races of 2026-06-20 are stored, but no price change of them"),
        ("2026-06-21", "no race of 2026-06-21 is stored"),
    ):
        done = darkhorses(
            "replay", "--date", day, DATABASE_URL=database_url, DARKHORSES_DATA_DIR=str(data_dir)
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert left_in(data_dir) == []


async def test_the_whole_api_lives_in_the_replayed_day_and_an_interrupt_removes_all_of_it(
    database_url: str, data_dir: Path, writer: MarketWriter
) -> None:
    await live_through(writer)
    port = free_port()
    replay = replaying(
        "--api", "--port", str(port), "--speed", "60", "--start", "13:50",
        DATABASE_URL=database_url, DARKHORSES_DATA_DIR=str(data_dir),
    )  # fmt: skip
    async with (
        AsyncExitStack() as stack,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as http,
        DarkHorsesClient(f"http://127.0.0.1:{port}") as client,
    ):
        process = stack.enter_context(replay)
        begun = OFF - timedelta(minutes=10)
        seen = []
        async with client.stream(patience=60) as stream:
            async for event in stream:
                if isinstance(event, Snapshot):
                    assert {one.race_id for one in event.data.races} <= {"rac_0", "rac_1", "rac_2"}
                if isinstance(event, Price):
                    seen.append(event.data.seen_at)
                    health = await client.health()
                    assert begun <= health.timestamp <= RESULT_AT + timedelta(hours=1)
                    assert event.data.seen_at <= health.timestamp
                    # Nobody collects, and nobody is missed for it.
                    assert not any("worker" in reason for reason in health.reasons)
                    listed = await client.races()
                    assert listed.date == DAY
                    for found in listed.data:
                        off = found.off_dt
                        assert found.stage in {
                            stage_at(off, health.timestamp),
                            stage_at(off, health.timestamp + timedelta(minutes=5)),
                        }
                    if event.data.seen_at >= OFF - timedelta(minutes=2):
                        break
        assert seen == sorted(seen)
        answer = await http.get("/health")
        assert len(answer.headers.get_list("date")) == 1
        told = parsedate_to_datetime(answer.headers["date"])
        assert begun <= told <= RESULT_AT + timedelta(hours=1)
        assert answer.headers["darkhorses-pace"] == "60"
        board = await http.get("/")
        assert board.status_code == 200
        assert board.headers["date"].startswith("Sat, 20 Jun 2026")
        assert len(left_in(data_dir)) == 1
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert "Traceback" not in said
        assert process.returncode == 0
    assert left_in(data_dir) == []
