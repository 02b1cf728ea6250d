"""The most requests that ever came close together: what a client did to the feed's limits.

Counted by a real clock whatever time it is in the simulated world: a client paces itself by the
clock on the wall, and a world that runs faster only gives it more reasons to ask.
"""

import time
from collections import deque
from collections.abc import Callable

import msgspec

SECOND = 1.0
TEN_SECONDS = 10.0
"""The spans that the feed's limits are about: each endpoint's, and the guard over all."""


class Peak(msgspec.Struct, kw_only=True):
    """The most requests in any one second and in any ten seconds."""

    in_1_s: int = 0
    in_10_s: int = 0


class Peaks:
    """Counts requests as they come, over spans that roll; ``monotonic`` is a clock in seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._recent: dict[str, deque[float]] = {}
        self._all: deque[float] = deque()
        self.by_endpoint: dict[str, Peak] = {}
        self.of_all = Peak()

    def note(self, endpoint: str) -> None:
        """Count a request that has just come, whatever the answer will be."""
        now = self._monotonic()
        recent = self._recent.setdefault(endpoint, deque())
        _raise(self.by_endpoint.setdefault(endpoint, Peak()), recent, now)
        _raise(self.of_all, self._all, now)


def _raise(peak: Peak, recent: deque[float], now: float) -> None:
    recent.append(now)
    while recent[0] <= now - TEN_SECONDS:
        recent.popleft()
    last_second = sum(came > now - SECOND for came in recent)
    peak.in_1_s = max(peak.in_1_s, last_second)
    peak.in_10_s = max(peak.in_10_s, len(recent))
