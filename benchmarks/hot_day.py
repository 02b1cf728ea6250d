"""Today's market in a database that holds years: written, followed and asked for as ever."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Self

import msgspec

from benchmarks.asking import Asker
from benchmarks.day import REGIONS, Day
from darkhorses.domain.london import race_day
from darkhorses.domain.races import CardPage
from darkhorses.readmodel.loading import refreshed
from darkhorses.readmodel.market import Market
from darkhorses.readmodel.tail import Tail
from darkhorses.store.pool import Database
from darkhorses.store.writing.lease import Lease, acquire
from darkhorses.upstream.reading import CardReader
from darkhorses.worker.collecting import Collector

_FORGET = (
    """
    DELETE FROM odds_log WHERE race_no = ANY(ARRAY(
        SELECT race_no FROM odds_log_races WHERE race_id = ANY($1::text[])
    ))
    """,
    "DELETE FROM ra_odds_live WHERE race_id = ANY($1::text[])",
    "DELETE FROM ra_races WHERE race_id = ANY($1::text[])",
)


def now() -> datetime:
    """The present, which is also the APIs'."""
    return datetime.now(UTC)  # noqa: TID251  # the API's clock is real


class Looks:
    """A day's looks at the feed, the same for every database that writes them."""

    def __init__(self) -> None:
        at = now()
        self.day = Day(at=at.replace(hour=9, minute=30, second=0, microsecond=0))
        self.race_ids = [race.race_id for race in self.day.races]

    def next(self, share: float) -> CardPage:
        """The next look, at which a share (0-1) of the prices has changed."""
        if share:
            self.day.go_on(share)
        reader = CardReader(now=self.day.at, regions=REGIONS)
        reader.read_page(self.day.page())
        return reader.page()


class Hot:
    """One database whose day goes on; what it does is timed in seconds."""

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database = database
        self.lease = lease
        self._collector = Collector(database, now)
        self._market = Market(from_day=race_day(now()) - timedelta(days=1))
        self._tail = Tail(self._market.from_day)
        self.changes = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        """Take the lease; it is let go at the end."""
        database = await Database.open(url, max_connections=2)
        try:
            async with database.connection() as connection:
                await connection.execute("DELETE FROM worker_lease")
                lease = await acquire(connection, "live", "benchmark", ttl=timedelta(hours=12))
            if lease is None:
                raise RuntimeError("another holds the lease of a database for benchmarks")
            yield cls(database, lease)
        finally:
            await database.close()

    @property
    def database(self) -> Database:
        """Where it is."""
        return self._database

    async def forget(self, race_ids: Sequence[str]) -> None:
        """Remove what earlier runs wrote of these races, so that every database has as much."""
        async with self._database.connection(patience=None) as connection:
            for statement in _FORGET:
                await connection.execute(statement, race_ids)
            await connection.execute("VACUUM ANALYZE")

    async def write(self, page: CardPage) -> float:
        """Write what a look changed; compared and committed."""
        at = now()
        begun = time.perf_counter()
        collected = await self._collector.collect(page, self.lease, asked_at=at, seen_at=at)
        took = time.perf_counter() - begun
        self.changes = collected.changed
        return took

    async def follow(self) -> float:
        """Bring the market and the tail of a reader up to date."""
        begun = time.perf_counter()
        self._market = await refreshed(self._database, self._market, self._tail, now())
        return time.perf_counter() - begun


class Seconds(msgspec.Struct, frozen=True):
    """What everything hot took, by its name, run by run."""

    by_name: dict[str, list[float]]

    def add(self, name: str, seconds: float) -> None:
        """Note a run."""
        self.by_name.setdefault(name, []).append(seconds)


def hot_paths(race_id: str) -> dict[str, str]:
    """What is asked of an API all day, and by which path."""
    return {
        "board": "/api/live-odds/races-by-stage",
        "live-odds, first page": "/api/live-odds",
        "movers": "/api/movers",
        "history of a race of today": f"/api/races/{race_id}/history",
        "a race of today at a moment": f"/api/races/{race_id}?at={{at}}",
    }


async def go_on(hots: Sequence[tuple[Hot, Asker, Seconds]], looks: Looks, *, runs: int) -> None:
    """Have several databases live the same day, by turns, and time what each does.

    An answer is asked for twice after each look, of which the first has to be made anew.
    """
    for number in range(runs):
        hots = hots[::-1]
        page = looks.next(0.02)
        for hot, _, seconds in hots:
            seconds.add("write of a look, 2 % changed", await hot.write(page))
        for hot, _, seconds in hots:
            seconds.add("tail follow", await hot.follow())
        paths = hot_paths(looks.race_ids[number % len(looks.race_ids)])
        at = (now() - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for name, path in paths.items():
            for _, asker, seconds in hots:
                seconds.add(name, await asker.seconds(path.replace("{at}", at)))
    for _ in range(max(runs // 2, 4)):
        hots = hots[::-1]
        page = looks.next(1)
        for hot, _, seconds in hots:
            seconds.add("write of a look, everything changed", await hot.write(page))
        for hot, _, _ in hots:
            await hot.follow()
