"""The feed on loopback, in a process of its own, with answers that were made before anyone asks.

It serves ``benchmarks.day``, packed as the real feed packs it, and goes on to the day's next page
when told to: what ``PUT /control/page`` answers was made by then. By hand:
``python -m benchmarks.upstream --port 18100``.
"""

import asyncio
import re
import signal
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from gzip import compress

import httpx
import msgspec

from benchmarks.day import MORNING, REGIONS, Day
from darkhorses.simulator.names import PLACES
from darkhorses.simulator.names import REGIONS as ALL_REGIONS
from darkhorses.simulator.server import Answer, HttpServer, Request

_LEVEL = 6
_SMALLEST_GZIP = 500
_PACKED = (("content-encoding", "gzip"),)
_SINGLE = re.compile(r"/v1/racecards/(?P<race_id>[^/]+)/(?:pro|standard)")
_NOT_FOUND = Answer(status=404, body=b'{"detail":"Not Found"}')
_NO_RESULTS = b'{"results":[],"total":0,"limit":50,"skip":0,"query":[]}'
_EMPTY = b'{"racecards":[],"total":0,"limit":500,"skip":0,"query":[]}'


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """How the day goes on: see ``Day.go_on``."""

    share: float
    refreshed: bool = True


class Feed:
    """Answers requests from a table; a day's page is made anew only between them."""

    def __init__(self, day: Day, *, packed: bool) -> None:
        self._day = day
        self._packed = packed
        places = [place for place in PLACES if place.region_code in REGIONS]
        courses = [
            {
                "id": place.course_id,
                "course": place.course,
                "region_code": place.region_code,
                "region": place.region,
            }
            for place in places
        ]
        regions = [{"region": name, "region_code": code} for name, code in ALL_REGIONS]
        self._fixed = {
            "/v1/results": self._answer(_NO_RESULTS),
            "/v1/results/today": self._answer(_NO_RESULTS),
            "/v1/courses": self._answer(
                msgspec.json.encode({"courses": courses, "total": len(courses)})
            ),
            "/v1/courses/regions": self._answer(msgspec.json.encode(regions)),
        }
        self._empty = self._answer(_EMPTY)
        self._cards: dict[tuple[str, ...], Answer] = {}
        self._races: dict[str, Answer] = {}
        self._write()

    async def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path == "/control/page":
            return self._control(request)
        if request.path in {"/v1/racecards/pro", "/v1/racecards/standard"}:
            return self._cards_of(request)
        if match := _SINGLE.fullmatch(request.path):
            return self._races.get(match["race_id"], _NOT_FOUND)
        return self._fixed.get(request.path, _NOT_FOUND)

    def _cards_of(self, request: Request) -> Answer:
        query = dict(request.query)
        day = query.get("date", "today")
        if day not in {str(self._day.race_date), "today"} or int(query.get("skip", "0")):
            return self._empty
        regions = tuple(sorted(value for key, value in request.query if key == "region_codes"))
        return self._cards.get(regions or REGIONS, self._empty)

    def _control(self, request: Request) -> Answer:
        if request.method == "PUT":
            step = msgspec.json.decode(request.body, type=Step)
            moved = self._day.go_on(step.share, refreshed=step.refreshed)
            self._write()
        else:
            moved = 0
        body = msgspec.json.encode({"moved": moved, "quotes": self._day.quotes})
        return Answer(status=200, body=body)

    def _write(self) -> None:
        regions = [REGIONS, *((region,) for region in REGIONS)]
        self._cards = {those: self._answer(self._day.page(those)) for those in regions}
        self._races = {race.race_id: self._answer(race.body) for race in self._day.races}

    def _answer(self, body: bytes) -> Answer:
        if not self._packed or len(body) < _SMALLEST_GZIP:
            return Answer(status=200, body=body)
        return Answer(status=200, body=compress(body, _LEVEL, mtime=0), headers=_PACKED)


class Upstream:
    """A running feed; ``base_url`` stands for ``https://api.theracingapi.com/v1``."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self._control = f"http://127.0.0.1:{port}/control/page"

    def go_on(self, share: float, *, refreshed: bool = True) -> int:
        """Serve the day's next page from now on; how many prices it changes."""
        step = msgspec.json.encode(Step(share=share, refreshed=refreshed))
        answer = httpx.put(self._control, content=step, timeout=60).raise_for_status()
        moved: int = answer.json()["moved"]
        return moved

    @property
    def quotes(self) -> int:
        """How many quotes with a price the page has."""
        quotes: int = httpx.get(self._control).raise_for_status().json()["quotes"]
        return quotes


@contextmanager
def running_upstream(
    *, at: datetime = MORNING, times: int = 1, packed: bool = True
) -> Iterator[Upstream]:
    """Start the feed of ``Day(at=at, times=times)`` in a process of its own, and stop it."""
    arguments = ["--at", at.isoformat(), "--times", str(times)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.upstream", *arguments, *([] if packed else ["--plain"])],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101  # asked for above
        yield Upstream(int(process.stdout.readline()))
    finally:
        process.terminate()
        process.communicate()


async def _serve(feed: Feed, port: int) -> None:
    server = HttpServer(feed.handle)
    await server.start("127.0.0.1", port)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    print(server.port, flush=True)
    await ended.wait()
    await server.stop()


def main() -> None:
    """Serve until told to end; the port goes to stdout."""
    parser = ArgumentParser(prog="benchmarks.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--at", type=datetime.fromisoformat, default=MORNING)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="do not pack answers with gzip")
    options = parser.parse_args()
    feed = Feed(Day(at=options.at, times=options.times), packed=not options.plain)
    asyncio.run(_serve(feed, options.port))


if __name__ == "__main__":
    main()
