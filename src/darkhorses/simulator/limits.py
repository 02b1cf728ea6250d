"""The feed's limits: requests a second per endpoint, and a guard per address."""

from collections import deque
from datetime import datetime, timedelta

PER_SECOND = {
    "racecards/pro": 2,
    "racecards/standard": 2,
    "racecards/{race_id}/pro": 5,
    "racecards/{race_id}/standard": 5,
    "odds/{race_id}/{horse_id}": 5,
    "results": 5,
    "results/today": 5,
    "results/{race_id}": 5,
    "courses": 1,
    "courses/regions": 1,
}

_GUARD_WINDOW = timedelta(seconds=10)
_GUARDS = ((500, timedelta(minutes=30)), (100, timedelta(minutes=5)))
# A client that keeps exactly to the limit still jitters on its way here.
_TOLERANCE = 0.25


class Limits:
    """Counts requests; each endpoint has a bucket that holds one second's worth."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, datetime]] = {}
        self._recent: dict[str, deque[datetime]] = {}
        self._locked: dict[str, datetime] = {}

    def refuse(self, endpoint: str, client: str, now: datetime) -> timedelta | None:
        """How long to wait when a request is one too many; None when it may pass."""
        return self._guard(client, now) or self._spend(endpoint, now)

    def _spend(self, endpoint: str, now: datetime) -> timedelta | None:
        rate = PER_SECOND[endpoint]
        left, since = self._buckets.get(endpoint, (float(rate), now))
        left = min(float(rate), left + (now - since).total_seconds() * rate)
        if left < 1 - _TOLERANCE:
            self._buckets[endpoint] = (left, now)
            return timedelta(seconds=1)
        self._buckets[endpoint] = (left - 1, now)
        return None

    def _guard(self, client: str, now: datetime) -> timedelta | None:
        until = self._locked.get(client)
        if until is not None and now < until:
            return until - now
        recent = self._recent.setdefault(client, deque())
        recent.append(now)
        while recent[0] <= now - _GUARD_WINDOW:
            recent.popleft()
        for most, lock in _GUARDS:
            if len(recent) > most:
                self._locked[client] = now + lock
                return lock
        return None
