"""A feed that says what a test has put down, behind the simulator's own server."""
# ruff: noqa: ARG002  # what a feed can be asked names more than an answer needs

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any, Self

import msgspec

from darkhorses.simulator.app import Account, FeedApp
from darkhorses.simulator.faults import Faults, read_fault
from darkhorses.simulator.server import HttpServer
from darkhorses.simulator.source import Selection, Source, page
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.pacing import Paces
from darkhorses.upstream.requests import FeedAccess

_ACCOUNT = Account(username="simulator", password="simulator")

UNPACED = Paces(
    racecards_per_second=1000,
    races_per_second=1000,
    courses_per_second=1000,
    requests_per_ten_seconds=10_000,
)


class StagedSource:
    """Cards and results as plain dicts; ``unsent`` are announced beyond those of each kind."""

    def __init__(self) -> None:
        self.cards: list[dict[str, Any]] = []
        self.results_of_all: list[dict[str, Any]] = []
        self.unsent = {"racecards": 0, "results": 0}

    async def racecards(self, day: date, selection: Selection, now: datetime) -> bytes:
        return self._page("racecards", self.cards, {str(day)}, selection)

    async def results(self, first: date, last: date, selection: Selection, now: datetime) -> bytes:
        days = {str(first + timedelta(days=n)) for n in range((last - first).days + 1)}
        return self._page("results", self.results_of_all, days, selection)

    async def result(self, race_id: str, now: datetime) -> bytes | None:
        found = [result for result in self.results_of_all if result["race_id"] == race_id]
        return msgspec.json.encode(found[0]) if found else None

    async def racecard(self, race_id: str, now: datetime) -> bytes | None:
        return None

    async def runner_odds(self, race_id: str, horse_id: str, now: datetime) -> bytes | None:
        return None

    def courses(self, regions: frozenset[str]) -> bytes:
        return b'{"courses":[],"total":0}'

    def regions(self) -> bytes:
        return b"[]"

    def _page(
        self, name: str, races: list[dict[str, Any]], days: Collection[str], selection: Selection
    ) -> bytes:
        found = [
            msgspec.json.encode(race)
            for race in races
            if race["date"] in days
            and selection.wants(race["region"], race["course_id"])
            and not race.get("_hidden")
        ]
        total = len(found) + self.unsent[name]
        return page(
            name, found[selection.skip : selection.skip + selection.limit], total, selection
        )


class Feed:
    """A feed that runs, and the client that asks it."""

    def __init__(self, app: FeedApp, base_url: str, client: RacingApi) -> None:
        self._app = app
        self.base_url = base_url
        self.client = client

    @classmethod
    @asynccontextmanager
    async def serving(cls, source: Source, clock: Callable[[], datetime]) -> AsyncIterator[Self]:
        """Serve a source by a clock; the client tries once and is not paced."""
        app = FeedApp(
            source=source, account=_ACCOUNT, clock=clock, faults=Faults(1, {}), limits=None
        )
        server = HttpServer(app.handle)
        await server.start("127.0.0.1", 0)
        base_url = f"http://127.0.0.1:{server.port}/v1"
        access = FeedAccess(
            base_url=base_url,
            username=_ACCOUNT.username,
            password=_ACCOUNT.password,
            paces=UNPACED,
            attempts=1,
            breaker_threshold=1000,
        )
        try:
            async with RacingApi.open(access, clock=clock) as client:
                yield cls(app, base_url, client)
        finally:
            await server.stop()

    def fail(self, *faults: str) -> None:
        """Switch faults on, each ``KIND`` or ``KIND:RATE``; all others off."""
        self._app.faults.rates = dict(map(read_fault, faults))

    def asked(self) -> dict[str, int]:
        """Requests since the last time that this was asked, by endpoint."""
        counts = {name: sum(outcomes.values()) for name, outcomes in self._app.requests.items()}
        self._app.requests.clear()
        return counts
