"""The client of The Racing API: paced, patient, and plain about what went wrong.

Every request goes the same way: the breaker admits it, the pacer holds it until it may be sent,
and a failure becomes one of the names in ``errors``. Throttling, network failures, 5xx and cut
answers are tried again with full jitter or as ``Retry-After`` says; refusals never are.
"""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import date, timedelta
from functools import partial
from typing import Self

import httpx
import structlog

from darkhorses.domain.gaps import RunnerHistory
from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.london import race_day
from darkhorses.domain.races import CardPage, Course
from darkhorses.domain.results import ResultPage
from darkhorses.upstream.breaker import BreakerState
from darkhorses.upstream.connections import Connections, feed_client
from darkhorses.upstream.errors import (
    MalformedError,
    PlanTooSmallError,
    RejectedError,
)
from darkhorses.upstream.histories import read_runner_history
from darkhorses.upstream.pacing import Endpoint
from darkhorses.upstream.reading import (
    CardReader,
    read_courses,
    read_races_with_result,
    read_regions,
)
from darkhorses.upstream.remembering import CardMemory
from darkhorses.upstream.requests import Clock, FeedAccess, Outcomes, Requests
from darkhorses.upstream.results import ResultReader

_log = structlog.get_logger("darkhorses.upstream")

_CARDS_A_PAGE = 500
_RESULTS_A_PAGE = 50  # older accounts get no more
_MOST_RESULTS_A_PAGE = 100


class RacingApi:
    """The feed. Make one with ``open``; it keeps its connections, its pace and its breaker."""

    def __init__(self, connections: Connections, access: FeedAccess, clock: Clock) -> None:
        self._clock = clock
        self._requests = Requests(connections, access, clock)
        self._has_pro = True
        self._results_limit = _MOST_RESULTS_A_PAGE

    @classmethod
    @asynccontextmanager
    async def open(cls, access: FeedAccess, *, clock: Clock) -> AsyncIterator[Self]:
        """Open connections as they are needed, and close them at the end."""
        make = partial(
            feed_client,
            base_url=access.base_url,
            auth=httpx.BasicAuth(access.username, access.password),
            timeout=access.timeout,
            tls=httpx.create_ssl_context(),
        )
        connections = Connections(make)
        try:
            yield cls(connections, access, clock)
        finally:
            await connections.close()

    @property
    def outcomes(self) -> Outcomes:
        """What it answered since the start."""
        return self._requests.outcomes

    @property
    def breaker(self) -> BreakerState:
        """Whether the feed is being asked at all."""
        return self._requests.breaker

    @property
    def has_room(self) -> bool:
        """Whether requests that can wait may be sent: the feed answers and is asked little."""
        return self._requests.has_room

    @property
    def requests(self) -> int:
        """Requests sent since the start, all tries counted."""
        return self.outcomes.counts.total()

    async def racecards(
        self,
        day: date,
        regions: Collection[str],
        *,
        limit: int = _CARDS_A_PAGE,
        memory: CardMemory | None = None,
    ) -> CardPage:
        """All cards of a day in some regions, over as many pages as it takes.

        What ``memory`` knows already is not read again; it is given what was read.

        An account whose plan has no ``pro`` cards is given today and tomorrow by the ``standard``
        ones; for other days it gets PlanTooSmallError.
        """
        if self._has_pro:
            try:
                return await self._cards(
                    "/racecards/pro", {"date": day.isoformat()}, regions, limit, memory
                )
            except PlanTooSmallError as error:
                if self._day_in_words(day) is None:
                    raise
                self._has_pro = False
                _log.warning("feed.standard_plan", error=str(error), then="standard cards are used")
        words = self._day_in_words(day)
        if words is None:
            raise PlanTooSmallError(
                f"the account's plan is too small: cards of {day} need Pro; others have today and "
                f"tomorrow only"
            )
        return await self._cards("/racecards/standard", {"day": words}, regions, limit, memory)

    async def _cards(
        self,
        path: str,
        day: Mapping[str, str],
        regions: Collection[str],
        limit: int,
        memory: CardMemory | None,
    ) -> CardPage:
        reader = CardReader(now=self._clock(), regions=regions, memory=memory)
        skip = 0
        while True:
            query: dict[str, str | list[str]] = {
                **day,
                "region_codes": list(regions),
                "limit": str(limit),
                "skip": str(skip),
            }
            count = await self._requests.get(Endpoint.RACECARDS, path, query, reader.read_page)
            skip += limit
            if skip >= count.total or not count.received:
                return reader.page()

    def _day_in_words(self, day: date) -> str | None:
        """What the ``standard`` cards call a day; None when they do not have it."""
        today = race_day(self._clock())
        return {today: "today", today + timedelta(days=1): "tomorrow"}.get(day)

    async def race(self, race_id: RaceId, *, memory: CardMemory | None = None) -> CardPage:
        """One race's card; a page of one. An answer about another race is malformed."""
        reader = CardReader(now=self._clock(), memory=memory)
        cards = "pro" if self._has_pro else "standard"
        path = f"/racecards/{race_id}/{cards}"
        await self._requests.get(Endpoint.RACE, path, {}, reader.read_race)
        page = reader.page()
        for card in page.cards:
            if card.race.race_id != race_id:
                raise MalformedError(f"the answer of {path} is about {card.race.race_id}")
        return page

    async def races_with_result(self, regions: Collection[str]) -> frozenset[RaceId]:
        """The races of today that have a result by now."""
        found: set[RaceId] = set()
        skip = 0
        while True:
            query: dict[str, str | list[str]] = {
                "region": list(regions),
                "limit": str(_RESULTS_A_PAGE),
                "skip": str(skip),
            }
            race_ids, count = await self._requests.get(
                Endpoint.RESULTS_TODAY, "/results/today", query, read_races_with_result
            )
            found |= race_ids
            skip += _RESULTS_A_PAGE
            if skip >= count.total or not count.received:
                return frozenset(found)

    async def results(self, day: date, regions: Collection[str]) -> ResultPage:
        """All results of a day in some regions, over as many pages as it takes."""
        reader = ResultReader(regions=regions)
        skip = 0
        while True:
            query: dict[str, str | list[str]] = {
                "start_date": day.isoformat(),
                "end_date": day.isoformat(),
                "region": list(regions),
                "limit": str(self._results_limit),
                "skip": str(skip),
            }
            try:
                count = await self._requests.get(
                    Endpoint.RESULTS, "/results", query, reader.read_page
                )
            except RejectedError:
                if self._results_limit == _RESULTS_A_PAGE:
                    raise
                self._results_limit = _RESULTS_A_PAGE
                continue
            # Counted by what came: an account may be given smaller pages than it asks for.
            skip += count.received
            if skip >= count.total or not count.received:
                return reader.page()

    async def result(self, race_id: RaceId) -> ResultPage:
        """One race's result, a page of one; raises NotFoundError when it has none."""
        reader = ResultReader()
        await self._requests.get(Endpoint.RESULT, f"/results/{race_id}", {}, reader.read_result)
        return reader.page()

    async def odds_history(self, race_id: RaceId, horse_id: HorseId) -> RunnerHistory:
        """One runner's price history; raises NotFoundError when it was never quoted.

        For what can wait: it is tried once, and its failure is not told as the feed's, because
        the live odds say how the feed fares.
        """
        body = await self._requests.ask(Endpoint.ODDS, f"/odds/{race_id}/{horse_id}", {})
        return read_runner_history(body, race_id, horse_id)

    async def courses(self, regions: Collection[str]) -> tuple[Course, ...]:
        """All courses of some regions."""
        query = {"region_codes": list(regions)}
        return await self._requests.get(Endpoint.COURSES, "/courses", query, read_courses)

    async def regions(self) -> dict[str, str]:
        """The names of all regions by their codes; the cheapest thing to ask for."""
        return await self._requests.get(Endpoint.REGIONS, "/courses/regions", {}, read_regions)
