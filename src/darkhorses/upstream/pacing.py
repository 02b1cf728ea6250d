"""Asking no faster than the feed allows: one pace per endpoint and one over all of them.

Turns of an endpoint are 4.5 % further apart than its limit asks for. Of these, 2.5 % are credit: a
request that leaves late by no more than that does not make the next one late. So with a limit of n
a second, and whatever the times at which requests are asked for and leave::

    from one request to the k-th after it    at least (1.045 k - 0.025) / n seconds
    to the next                              at least 1.02 / n
    to the n-th, one too many for a second   at least 1.045 - 0.025 / n: 1.020 s, 1.032 s, 1.040 s
                                             for the limits of 1, 2 and 5 a second

A limit is therefore kept by the times of leaving in every second, wherever it begins, and so it is
where the feed counts from request to request. By the times of arrival it is kept while no request
takes longer from here to there than one that follows it within a second by more than what is over:
20, 32 and 40 ms. This is enough for what there is of it: the loop wakes up late rather than early,
its clock counts nanoseconds, and a request that a new connection or a busy loop held up on its way
to the socket is counted anew when it is there. What remains is the network's jitter, a few
milliseconds. Where that is more, or a connection takes longer than a whole turn, the feed refuses a
request at worst, and it is asked again, as after any 429.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

import msgspec

_GUARD_SECONDS = 10.0
# Requests that leave at exactly the allowed pace arrive a little closer now and then.
_GUARD_MARGIN = 1.05
_MARGIN = 1.045
_CREDIT = 0.025


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


class RollingWindow:
    """Knows when one more may pass of no more than ``most`` in any span of ``seconds``.

    A leaky bucket of that size, as libraries have it, lets up to twice as many through: one
    bucketful at once and one while it drains.
    """

    def __init__(
        self, most: int, seconds: float, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._passed: deque[float] = deque(maxlen=most)

    @property
    def used(self) -> int:
        """How many have passed in the span that ends now."""
        since = self._monotonic() - self._seconds
        return sum(passed > since for passed in self._passed)

    @property
    def closed_for(self) -> float:
        """Seconds until one more may pass; 0 when it may now."""
        if len(self._passed) < (self._passed.maxlen or 0):
            return 0.0
        return max(0.0, self._passed[0] + self._seconds - self._monotonic())

    def note(self) -> None:
        """Count one that passes now."""
        self._passed.append(self._monotonic())


class EvenPace:
    """Knows when the next turn is of turns that are no more than ``per_second``, and even."""

    def __init__(
        self, per_second: float, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = _MARGIN / per_second
        self._credit = _CREDIT / per_second
        self._monotonic = monotonic
        self._due = -math.inf

    @property
    def closed_for(self) -> float:
        """Seconds until the next turn; 0 when it is there."""
        return max(0.0, self._due - self._monotonic())

    def note(self) -> None:
        """Take the turn now; the next one is counted from when this one was due, if just now."""
        self._due = max(self._due, self._monotonic() - self._credit) + self._interval

    def note_leaving(self) -> None:
        """Count the turn from now, when its request leaves."""
        self._due = max(self._due, self._monotonic() - self._credit + self._interval)


class Pacer:
    """Holds each request until both its endpoint's pace and the common guard allow it.

    Requests to an endpoint are spread evenly, never sent in a burst, because nobody knows how
    the feed counts its seconds. Those that wait for one endpoint go in the order in which they
    came.
    """

    def __init__(self, paces: Paces, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = paces.requests_per_ten_seconds
        self._guard = RollingWindow(self._most, _GUARD_SECONDS * _GUARD_MARGIN, monotonic=monotonic)
        self._paces = {
            endpoint: EvenPace(_per_second(paces, endpoint), monotonic=monotonic)
            for endpoint in Endpoint
        }
        self._turns = {endpoint: asyncio.Lock() for endpoint in Endpoint}

    @property
    def has_room(self) -> bool:
        """Whether at least half of the common guard is free, for what can wait."""
        return self._guard.used * 2 <= self._most

    async def wait(self, endpoint: Endpoint) -> None:
        """Return when a request to ``endpoint`` may be sent."""
        pace = self._paces[endpoint]
        async with self._turns[endpoint]:
            # Both at once: what the guard holds back must not leave in a burst afterwards.
            while closed_for := max(  # noqa: ASYNC110  # it is known for how long
                pace.closed_for, self._guard.closed_for
            ):
                await asyncio.sleep(closed_for)
            pace.note()
            self._guard.note()

    def left(self, endpoint: Endpoint) -> None:
        """Count the request to ``endpoint`` that was let go last from now: now it really leaves."""
        self._paces[endpoint].note_leaving()


def _per_second(paces: Paces, endpoint: Endpoint) -> float:
    if endpoint is Endpoint.RACECARDS:
        return paces.racecards_per_second
    if endpoint in (Endpoint.COURSES, Endpoint.REGIONS):
        return paces.courses_per_second
    return paces.races_per_second
