"""A ``darkhorses api`` over a filled database, as a user starts it, and other servers beside it."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.databases import a_database, a_server
from benchmarks.load import processor_seconds
from benchmarks.upstream import running_upstream
from darkhorses.domain.london import LONDON, race_day

_PATIENCE = 30.0
_PAUSE = 0.005


class FilledDatabase(NamedTuple):
    """A database with a day of races to come, and that day."""

    url: str
    race_date: str


class Served(NamedTuple):
    """A server that answers; ``ready_after`` seconds from its start, ``ready_cpu`` of them used."""

    url: str
    pid: int
    ready_after: float
    ready_cpu: float

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Ask once, by default for a body that is not compressed."""
        given = {"accept-encoding": "identity", **(headers or {})}
        return httpx.get(self.url + path, headers=given, timeout=60)

    def memory(self) -> tuple[float, float]:
        """Megabytes resident, and of them those that are its own alone."""
        rolled = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        kilobytes = {name: int(size) for name, size in re.findall(r"(\w+): +(\d+) kB", rolled)}
        own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
        return kilobytes["Rss"] / 1024, own / 1024


@contextmanager
def a_filled_database(*, times: int = 1) -> Iterator[FilledDatabase]:
    """Tomorrow's card of ``benchmarks.day``, looked at twice, with all prices moved between."""
    tomorrow = race_day(datetime.now(UTC)) + timedelta(days=1)  # noqa: TID251  # the API's clock
    morning = datetime.combine(tomorrow, clock(10, 30), LONDON).astimezone(UTC)
    with a_server() as server, running_upstream(at=morning, times=times) as upstream:
        url = asyncio.run(a_database(server, "served"))
        for moved in (False, True):
            if moved:
                upstream.go_on(1.0)
            _look(url, upstream.base_url)
        yield FilledDatabase(url, str(tomorrow))


def _look(url: str, feed: str) -> None:
    environment = {
        "DATABASE_URL": url,
        "RACING_API_BASE_URL": feed,
        "RACING_API_USERNAME": "user",
        "RACING_API_PASSWORD": "-",
        "LOG_LEVEL": "WARNING",
    }
    subprocess.run(
        [sys.executable, "-m", "darkhorses", "run", "live-odds"],
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | environment,  # noqa: TID251  # a child's
    )


@contextmanager
def a_served_api(database: FilledDatabase) -> Iterator[Served]:
    """Start the API with its log in a file, wait until it is ready, and stop it."""
    with a_process(
        ["-m", "darkhorses", "api"], health="/health", environment={"DATABASE_URL": database.url}
    ) as served:
        yield served


@contextmanager
def a_process(
    arguments: Sequence[str], *, health: str, environment: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """Start a server on a free PORT, wait until it answers 200 at ``health``, and stop it."""
    port = _free_port()
    given = os.environ | {"PORT": str(port)} | dict(environment or {})  # noqa: TID251  # a child's
    with tempfile.TemporaryFile() as told, httpx.Client(timeout=5) as client:
        begun = time.perf_counter()
        process = subprocess.Popen([sys.executable, *arguments], env=given, stderr=told)
        try:
            url = f"http://127.0.0.1:{port}"
            while not _answers(client, url + health):
                if process.poll() is not None or time.perf_counter() - begun > _PATIENCE:
                    told.seek(0)
                    raise RuntimeError(told.read().decode())
                time.sleep(_PAUSE)
            took = time.perf_counter() - begun
            yield Served(url, process.pid, took, processor_seconds(process.pid))
        finally:
            process.terminate()
            process.wait()


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
