"""A poll of a full day, by how much of it has changed, beside what no poll can do without.

What is measured is the product's own: ``LiveOdds``, ``Collector`` and ``RacingApi`` as a worker
joins them, over HTTP from a feed in a process of its own, into a durable PostgreSQL, committed
with change log and NOTIFY. Only the feed's pace is set so high that nobody waits for it.

The limits, by turns with the polls: the same two pages fetched by httpx and decoded by msgspec
into the product's wire structs, and nothing else; and the same rows written by one ``unnest``
upsert and one COPY, and nothing else.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import NamedTuple, Self

import httpx
import msgspec

from benchmarks.databases import a_database, a_server
from benchmarks.day import MORNING, REGIONS
from benchmarks.figures import Figure, Run
from benchmarks.least_writes import LeastWrites
from benchmarks.plain import PlainCollector
from benchmarks.upstream import Upstream, running_upstream
from darkhorses.domain.london import race_day
from darkhorses.domain.races import Card
from darkhorses.domain.redaction import Redaction
from darkhorses.logs import configure_logs
from darkhorses.store.pool import Database
from darkhorses.store.writing.lease import Lease, acquire
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.pacing import Paces
from darkhorses.upstream.requests import FeedAccess
from darkhorses.upstream.wire import WireRacecards
from darkhorses.worker.collecting import Collector
from darkhorses.worker.live_odds import LiveOdds

UNPACED = Paces(
    racecards_per_second=1e6,
    races_per_second=1e6,
    courses_per_second=1e6,
    requests_per_ten_seconds=1_000_000,
)

_read_page = msgspec.json.Decoder(WireRacecards).decode


class Clock:
    """The day's morning; some seconds pass with each poll."""

    def __init__(self) -> None:
        self.now = MORNING

    def __call__(self) -> datetime:
        """The present instant."""
        return self.now

    def tick(self) -> None:
        """Let some time pass."""
        self.now += timedelta(seconds=20)


class Poller:
    """A worker's parts, joined as it joins them."""

    def __init__(self, feed: RacingApi, database: Database, lease: Lease, clock: Clock) -> None:
        self._feed = feed
        self._collector = Collector(database, clock)
        self._live = LiveOdds(feed, self._collector, regions=REGIONS, clock=clock)
        self._lease = lease
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def open(cls, upstream: Upstream, url: str) -> AsyncIterator[Self]:
        """Join the parts over a migrated database, and take the lease."""
        clock = Clock()
        access = FeedAccess(
            base_url=upstream.base_url,
            username="user",
            password="-",  # noqa: S106  # nobody looks
            paces=UNPACED,
        )
        database = await Database.open(url, max_connections=2)
        try:
            async with database.connection() as connection:
                lease = await acquire(connection, "live", "benchmark", ttl=timedelta(hours=1))
            if lease is None:
                raise RuntimeError("another holds the lease of a database for benchmarks")
            async with RacingApi.open(access, clock=clock) as feed:
                yield cls(feed, database, lease, clock)
        finally:
            await database.close()

    async def poll(self) -> int:
        """Look at the whole card of today and tomorrow; how many prices changed."""
        self._clock.tick()
        return (await self._live.poll_cards(self._lease)).changed

    async def cards(self) -> list[Card]:
        """What the feed serves now."""
        return list((await self._feed.racecards(MORNING.date(), REGIONS)).cards)


class Fetcher:
    """The least of a poll: both pages fetched and decoded."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    @classmethod
    @asynccontextmanager
    async def open(cls, base_url: str) -> AsyncIterator[Self]:
        """Ask as any client would that can gzip."""
        async with httpx.AsyncClient(
            base_url=base_url, headers={"Accept-Encoding": "gzip"}, auth=("user", "password")
        ) as http:
            yield cls(http)

    async def fetch(self) -> None:
        """Fetch and decode the cards of today and tomorrow."""
        today = race_day(MORNING)
        await asyncio.gather(self._page(today), self._page(today + timedelta(days=1)))

    async def _page(self, day: date) -> None:
        query = {"date": str(day), "region_codes": list(REGIONS), "limit": "500", "skip": "0"}
        answer = await self._http.get("/racecards/pro", params=query)
        _read_page(answer.content)


class _Changed(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the page changes before a poll; ``writes``: the limit is that of writing."""

    name: str
    share: float
    refreshed: bool
    goal: float | None
    writes: bool = False


_PAGES = (
    _Changed(name="nothing changed", share=0, refreshed=False, goal=1.5),
    _Changed(name="nothing but the feed's stamps changed", share=0, refreshed=True, goal=None),
    _Changed(name="2 % changed", share=0.02, refreshed=True, goal=2),
    _Changed(name="everything changed", share=1, refreshed=True, goal=2, writes=True),
)


_WARM_UP = 2


class _Took(NamedTuple):
    """Seconds, and those of this process's processor among them."""

    seconds: float
    processor: float


class _Times(NamedTuple):
    """What one kind of page took, run by run."""

    limits: list[_Took]
    polls: list[_Took]
    plain: list[_Took]


def measure(run: Run) -> list[Figure]:
    """Seconds of a poll."""
    configure_logs("WARNING", Redaction())
    gc.freeze()  # as the worker's command does
    with a_server(durable=True) as url, running_upstream(times=run.times) as upstream:
        return asyncio.run(_measure(url, upstream, run.runs))


async def _measure(server: str, upstream: Upstream, runs: int) -> list[Figure]:
    times = {page.name: _Times([], [], []) for page in _PAGES}
    plain_url = await a_database(server, "plain", migrated=False)
    async with (
        Poller.open(upstream, await a_database(server, "product")) as poller,
        Fetcher.open(upstream.base_url) as fetcher,
        LeastWrites.open(await a_database(server, "least")) as least,
    ):
        with PlainCollector.open(upstream.base_url, plain_url) as plain:
            for number in range(-_WARM_UP, runs):
                for page in _PAGES:
                    if page.share or page.refreshed:
                        upstream.go_on(page.share, refreshed=page.refreshed)
                    limit = fetcher.fetch
                    if page.writes:
                        await least.prepare(await poller.cards(), MORNING)
                        limit = least.write
                    took = await _took(limit), await _took(poller.poll), _took_plain(plain)
                    if number >= 0:
                        for kept, one in zip(times[page.name], took, strict=True):
                            kept.append(one)
    return [figure for page in _PAGES for figure in _figures(page, times[page.name])]


async def _took(do: Callable[[], Awaitable[object]]) -> _Took:
    begun, worked = time.perf_counter(), time.process_time()
    await do()
    return _Took(time.perf_counter() - begun, time.process_time() - worked)


def _took_plain(plain: PlainCollector) -> _Took:
    begun, worked = time.perf_counter(), time.process_time()
    plain.poll(MORNING.date())
    return _Took(time.perf_counter() - begun, time.process_time() - worked)


def _figures(page: _Changed, times: _Times) -> list[Figure]:
    """The poll, and its processor time, which says the same on a machine that has more to do."""
    limits, polls, plain = times
    whole = Figure(
        name=f"poll, {page.name}",
        unit="s",
        goal=page.goal,
        runs=tuple(took.seconds for took in polls),
        limit=tuple(took.seconds for took in limits),
        limit_name="unnest upsert and COPY" if page.writes else "GET and typed decode",
        plain=tuple(took.seconds for took in plain),
        plain_name="psycopg, dicts",
    )
    processor = msgspec.structs.replace(
        whole,
        name=f"poll, {page.name}, processor time",
        goal=None,
        runs=tuple(took.processor for took in polls),
        limit=tuple(took.processor for took in limits),
        plain=tuple(took.processor for took in plain),
    )
    return [whole, processor]
