"""A circuit breaker: a feed that keeps failing is left alone for a while, then probed.

::

    CLOSED ── threshold failures in a row ──> OPEN ── rest over ──> HALF OPEN (one probe)
       ^                                        ^                        │
       └────────────── probe answered ──────────┼────────────────────────┤
                                                └──── probe failed ──────┘

Written here because the kept libraries let every waiting call through when half open; a feed
that struggles back to its feet is to see one.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from enum import StrEnum

from darkhorses.upstream.errors import CircuitOpenError, UnavailableError


class BreakerState(StrEnum):
    """Whether the feed is asked."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """Counts failures in a row; ``monotonic`` is a clock in seconds."""

    def __init__(self, *, threshold: int, rest: timedelta, monotonic: Callable[[], float]) -> None:
        self._threshold = threshold
        self._rest = rest.total_seconds()
        self._monotonic = monotonic
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False
        self._last = ""

    @property
    def state(self) -> BreakerState:
        """The state at this moment."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        if self._probing or self._monotonic() - self._opened_at >= self._rest:
            return BreakerState.HALF_OPEN
        return BreakerState.OPEN

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Run one request; raises CircuitOpenError instead when it is not to be sent.

        Only UnavailableError counts as a failure: a refusal is an answer.
        """
        probe = self._admit()
        try:
            yield
        except UnavailableError as error:
            self._failures += 1
            self._last = str(error)
            if probe or self._failures >= self._threshold:
                self._opened_at = self._monotonic()
            raise
        except Exception:  # whatever it says, the feed has answered
            self._close()
            raise
        else:
            self._close()
        finally:
            if probe:
                self._probing = False

    def _admit(self) -> bool:
        """Whether this request is the probe; raises when it may not be sent at all."""
        state = self.state
        if state is BreakerState.CLOSED:
            return False
        if state is BreakerState.OPEN or self._probing:
            raise CircuitOpenError(
                f"the feed failed {self._failures} times in a row and is left alone for a while; "
                f"last: {self._last}"
            )
        self._probing = True
        return True

    def _close(self) -> None:
        self._failures = 0
        self._opened_at = None
