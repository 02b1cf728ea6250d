"""The API as it is deployed, over a simulated day that worker's commands have collected."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from darkhorses.api.app import utc_now
from darkhorses.domain.london import race_day
from darkhorses.store.embedded import EmbeddedServer
from tests.commands import darkhorses
from tests.conftest import TEMPLATE, fresh_database
from tests.examples import is_soak
from tests.fuzz.answers import Answers
from tests.ports import free_port

_READY = "is simulated at "


class FuzzedApi:
    """An API in a process of its own, what it has said, and real names to ask it for."""

    def __init__(self, url: str, log: Path, known: dict[str, list[str]]) -> None:
        self.url = url
        self.log = log
        self.known = known
        self.answers = Answers()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@pytest.fixture(scope="session")
def fuzzed(
    postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FuzzedApi]:
    """The API; at the end it must still serve, have logged no failure, and stop as it should."""
    log = tmp_path_factory.mktemp("fuzz") / "api.log"
    with _database(postgres) as url, log.open("wb") as stderr:
        _collect_a_day(url)
        port = free_port()
        environment = {
            "PATH": os.defpath,
            "DATABASE_URL": url,
            "PORT": str(port),
            "DARKHORSES_EXPORTS_AT_ONCE": "4",
        }
        if not is_soak():
            # Few enough to be taken all; days of abuse have as many as there are by default.
            environment["DARKHORSES_STREAM_CLIENTS"] = "40"
        process = subprocess.Popen(
            [sys.executable, "-m", "darkhorses", "api"], stderr=stderr, env=environment
        )
        try:
            base = f"http://127.0.0.1:{port}"
            _wait_until_healthy(base, process)
            yield FuzzedApi(base, log, _known(base))
            assert httpx.get(f"{base}/health").status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=15) == 0
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text()


@contextmanager
def _database(postgres: EmbeddedServer) -> Iterator[str]:
    with asyncio.Runner() as runner:
        database = fresh_database(postgres.url, template=TEMPLATE)
        url = runner.run(database.__aenter__())
        try:
            yield url
        finally:
            runner.run(database.__aexit__(None, None, None))


def _collect_a_day(url: str) -> None:
    """Today's card and yesterday's results of a simulated feed, and the figures of both."""
    with subprocess.Popen(
        [sys.executable, "-m", "darkhorses", "simulator", "--port", "0", "--start", "now"],
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.defpath, "PYTHONUNBUFFERED": "1"},
    ) as simulator:
        assert simulator.stderr is not None
        line = next(said for said in simulator.stderr if _READY in said)
        environment = {
            "DATABASE_URL": url,
            "RACING_API_BASE_URL": line.partition(_READY)[2].strip(),
            "RACING_API_USERNAME": "simulator",
            "RACING_API_PASSWORD": "simulator",
        }
        for command in (["live-odds"], ["historical-odds"], ["live-odds"], ["statistics"]):
            done = darkhorses("run", *command, **environment)
            assert done.returncode == 0, done.stderr
        simulator.kill()


def _wait_until_healthy(base: str, process: "subprocess.Popen[bytes]") -> None:
    with httpx.Client(base_url=base) as client:
        while process.poll() is None:
            try:
                if client.get("/health").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)  # nothing tells that a port is open but trying it
    raise AssertionError("the API ended before it served")


def _known(base: str) -> dict[str, list[str]]:
    """Values that mean something here, by the names of parameters."""
    with httpx.Client(base_url=base, timeout=30) as client:

        def rows(path: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = client.get(path).raise_for_status().json()["data"]
            return found

        live = rows("/api/live-odds?limit=40")
        past = rows("/api/historical-odds?limit=20")
        page = client.get("/api/historical-odds?limit=20").json()
    days = sorted({row["date_of_race"] for row in past} | {str(race_day(utc_now()))})
    instants = sorted({row["off_dt"] for row in live} | {row["updated_at"] for row in live})
    return {
        "race_id": sorted({row["race_id"] for row in (*live, *past)}),
        "horse_id": sorted({row["horse_id"] for row in live}),
        "bookmaker": [*sorted({row["bookmaker_id"] for row in live}), "William Hill"],
        "course": sorted({row["course"] for row in live}),
        "horse": sorted({row["horse_name"] for row in past}),
        "jockey": sorted({row["jockey"] for row in past if row["jockey"]}),
        "trainer": sorted({row["trainer"] for row in past if row["trainer"]}),
        "region": ["gb", "IRE"],
        "cursor": [page["next"]],
        "last_event_id": ["0-0", "1-1", "99999999-9"],
        "race_date": [*days, "0001-01-01", "9999-12-31"],
        "date": [*days, "0001-01-01", "9999-12-31"],
        "at": instants,
        "from": [*days, *instants],
        "to": [*days, *instants],
    }
