"""Past days of a simulated feed, made before anyone asks, behind the feed's own limits.

In a process of its own; what goes beyond the limits is refused with 429. ``GET /control/asked``
gives the seconds at which cards were asked for, and how many requests were refused.
"""

import asyncio
import re
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from gzip import compress

import httpx
import msgspec

from benchmarks.day import REGIONS
from darkhorses.simulator.generated import GeneratedSource
from darkhorses.simulator.limits import Limits
from darkhorses.simulator.schedule import OrdinarySchedule
from darkhorses.simulator.server import Answer, HttpServer, Request
from darkhorses.simulator.source import Selection

_ENDPOINTS = {"/v1/racecards/pro": "racecards/pro", "/v1/results": "results"}
_RESULT = re.compile(r"/v1/results/[^/]+")
_PACKED = (("content-encoding", "gzip"),)
_NOT_FOUND = Answer(status=404, body=b'{"detail":"Not Found"}')


class Asked(msgspec.Struct):
    """When cards were asked for, in seconds of a clock that never goes back, and refusals."""

    cards_at: list[float] = []
    refused: int = 0


class PastFeed:
    """Answers for some past days from a table."""

    def __init__(self) -> None:
        self._limits = Limits()
        self._answers: dict[tuple[str, str], Answer] = {}
        self._asked = Asked()

    async def make(self, days: list[date]) -> None:
        """Make the answers for days."""
        now = datetime.now(UTC)  # noqa: TID251  # the backfill's clock is real
        source = GeneratedSource(seed=1, schedule=OrdinarySchedule(1))
        for day in days:
            wanted = Selection(regions=frozenset(REGIONS), limit=500, skip=0, query=[])
            cards = await source.racecards(day, wanted, now)
            wanted = Selection(regions=frozenset(REGIONS), limit=100, skip=0, query=[])
            results = await source.results(day, day, wanted, now)
            for path, body in (("/v1/racecards/pro", cards), ("/v1/results", results)):
                packed = compress(body, 6, mtime=0)
                self._answers[path, str(day)] = Answer(status=200, body=packed, headers=_PACKED)

    async def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path == "/control/asked":
            return Answer(status=200, body=msgspec.json.encode(self._asked))
        endpoint = _ENDPOINTS.get(request.path) or (
            "results/{race_id}" if _RESULT.fullmatch(request.path) else None
        )
        if endpoint is None:
            return _NOT_FOUND
        now = datetime.now(UTC)  # noqa: TID251
        if self._limits.refuse(endpoint, request.client, now):
            self._asked.refused += 1
            return Answer(status=429, body=b'{"detail":"Too Many Requests"}')
        if endpoint == "racecards/pro":
            self._asked.cards_at.append(time.monotonic())
        query = dict(request.query)
        day = query.get("date") or query.get("start_date") or ""
        return self._answers.get((request.path, day), _NOT_FOUND)


class Running:
    """A running feed; ``base_url`` stands for ``https://api.theracingapi.com/v1``."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self._control = f"http://127.0.0.1:{port}/control/asked"

    def asked(self) -> Asked:
        """What was asked so far."""
        return msgspec.json.decode(httpx.get(self._control).content, type=Asked)


@contextmanager
def running_past_feed(first: date, days: int) -> Iterator[Running]:
    """Start the feed of some days from ``first`` on; it is ready when the block runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.past_feed", str(first), str(days)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101  # asked for above
        yield Running(int(process.stdout.readline()))
    finally:
        process.terminate()
        process.communicate()


async def _serve(days: list[date]) -> None:
    feed = PastFeed()
    await feed.make(days)
    server = HttpServer(feed.handle)
    await server.start("127.0.0.1", 0)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    print(server.port, flush=True)
    await ended.wait()
    await server.stop()


def main() -> None:
    """Serve until told to end; the port goes to stdout."""
    parser = ArgumentParser(prog="benchmarks.past_feed", description=__doc__)
    parser.add_argument("first", type=date.fromisoformat)
    parser.add_argument("days", type=int)
    options = parser.parse_args()
    asyncio.run(_serve([options.first + timedelta(days=n) for n in range(options.days)]))


if __name__ == "__main__":
    main()
