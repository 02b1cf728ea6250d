"""Asking no faster than the feed allows: one pace per endpoint and one over all of them."""

from enum import StrEnum

import msgspec
from aiolimiter import AsyncLimiter


class Endpoint(StrEnum):
    """The endpoints of The Racing API that we use; each has limits of its own."""

    RACECARDS = "racecards/pro"
    RACE = "racecards/{race_id}/pro"
    ODDS = "odds/{race_id}/{horse_id}"
    RESULTS = "results"
    RESULTS_TODAY = "results/today"
    RESULT = "results/{race_id}"
    COURSES = "courses"
    REGIONS = "courses/regions"


class Paces(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a second by kind of endpoint, and requests in any ten seconds over all."""

    racecards_per_second: float = 2.0
    races_per_second: float = 5.0
    courses_per_second: float = 1.0
    requests_per_ten_seconds: int = 90


class Pacer:
    """Holds each request until both its endpoint's pace and the common guard allow it.

    Requests to an endpoint are spread evenly, never sent in a burst, because nobody knows how
    the feed counts its seconds.
    """

    def __init__(self, paces: Paces) -> None:
        self._guard = AsyncLimiter(paces.requests_per_ten_seconds, 10)
        self._by_endpoint = {
            endpoint: AsyncLimiter(1, 1 / _per_second(paces, endpoint)) for endpoint in Endpoint
        }

    @property
    def has_room(self) -> bool:
        """Whether at least half of the common guard is free, for what can wait."""
        return self._guard.has_capacity(self._guard.max_rate / 2)

    async def wait(self, endpoint: Endpoint) -> None:
        """Return when a request to ``endpoint`` may be sent."""
        await self._by_endpoint[endpoint].acquire()
        await self._guard.acquire()


def _per_second(paces: Paces, endpoint: Endpoint) -> float:
    if endpoint is Endpoint.RACECARDS:
        return paces.racecards_per_second
    if endpoint in (Endpoint.COURSES, Endpoint.REGIONS):
        return paces.courses_per_second
    return paces.races_per_second
