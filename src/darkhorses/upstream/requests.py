"""Requests to the feed: admitted by the breaker, held by the pacer, tried again when worth it."""

import asyncio
import base64
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import httpx
import msgspec
import structlog
import tenacity

from darkhorses.domain.redaction import Redaction
from darkhorses.tracing import span
from darkhorses.upstream.bodies import read_body
from darkhorses.upstream.breaker import BreakerState, CircuitBreaker
from darkhorses.upstream.connections import Connections
from darkhorses.upstream.errors import (
    BadCredentialsError,
    CircuitOpenError,
    FeedError,
    MalformedError,
    PlanTooSmallError,
    ThrottledError,
    UnavailableError,
)
from darkhorses.upstream.pacing import Endpoint, Pacer, Paces
from darkhorses.upstream.refusals import refusal

_log = structlog.get_logger("darkhorses.upstream")

_Read = TypeVar("_Read")

Clock = Callable[[], datetime]
"""Gives the present instant, in UTC."""

Query = Mapping[str, str | list[str]]


class FeedAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Where the feed is, who we are there, and how hard we may ask.

    ``backoff`` is the most that is waited before the second try; it doubles with every further
    one, up to 10 s. ``patience`` bounds all tries of one request together; ``longest_wait`` is
    the most that a ``Retry-After`` is obeyed for within a request: beyond it the request fails
    and the next poll comes later anyway.
    """

    base_url: str
    username: str
    password: str
    paces: Paces = Paces()
    timeout: timedelta = timedelta(seconds=10)
    attempts: int = 4
    backoff: timedelta = timedelta(seconds=0.5)
    patience: timedelta = timedelta(seconds=45)
    longest_wait: timedelta = timedelta(seconds=20)
    breaker_threshold: int = 8
    breaker_rest: timedelta = timedelta(seconds=15)

    def __repr__(self) -> str:
        # Reports of errors show what functions were given.
        return f"FeedAccess({self.base_url}, …)"


class Outcomes(msgspec.Struct, kw_only=True):
    """What the feed answered since the start: requests by outcome, and the last failure.

    ``by_endpoint`` names outcomes ``ok``, ``throttled``, ``unavailable``, … after the errors.
    """

    counts: Counter[str]
    by_endpoint: defaultdict[str, Counter[str]] = msgspec.field(
        default_factory=lambda: defaultdict(Counter)
    )
    retries: int = 0
    last_failure: FeedError | None = None
    last_failure_at: datetime | None = None
    last_success_at: datetime | None = None

    @property
    def failing(self) -> FeedError | None:
        """The last failure, while nothing has succeeded after it."""
        if self.last_failure_at is None or self.last_failure is None:
            return None
        if self.last_success_at is not None and self.last_success_at >= self.last_failure_at:
            return None
        return self.last_failure

    @property
    def refused(self) -> bool:
        """Whether the feed last turned us away for who we are or what we pay."""
        return isinstance(self.failing, BadCredentialsError | PlanTooSmallError)


class Requests:
    """Requests over some connections, with the pace, the breaker and the patience of an access."""

    def __init__(self, connections: Connections, access: FeedAccess, clock: Clock) -> None:
        self._connections = connections
        self._access = access
        self._clock = clock
        self._pacer = Pacer(access.paces)
        self._breaker = CircuitBreaker(
            threshold=access.breaker_threshold,
            rest=access.breaker_rest,
            monotonic=time.monotonic,
        )
        # The feed, or a proxy before it, may repeat what we sent.
        basic = base64.b64encode(f"{access.username}:{access.password}".encode()).decode()
        self._hide = Redaction((access.password, basic))
        self.outcomes = Outcomes(counts=Counter())

    @property
    def breaker(self) -> BreakerState:
        """Whether the feed is being asked at all."""
        return self._breaker.state

    @property
    def has_room(self) -> bool:
        """Whether requests that can wait may be sent: the feed answers and is asked little."""
        return (
            self._breaker.state is BreakerState.CLOSED
            and self.outcomes.failing is None
            and self._pacer.has_room
        )

    async def get(
        self,
        endpoint: Endpoint,
        path: str,
        query: Query,
        read: Callable[[bytes], _Read],
    ) -> _Read:
        """One answer, read, after as many tries as are allowed; raises FeedError."""
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(self._is_worth_a_retry),
            stop=tenacity.stop_after_attempt(self._access.attempts)
            | tenacity.stop_before_delay(self._access.patience.total_seconds()),
            wait=self._wait,
            sleep=asyncio.sleep,
            before_sleep=self._note_retry,
            reraise=True,
        )

        async def ask_and_read() -> _Read:
            return read(await self.ask(endpoint, path, query))

        try:
            answer: _Read = await retrying(ask_and_read)
        except FeedError as error:
            self.outcomes.last_failure = error
            self.outcomes.last_failure_at = self._clock()
            raise
        self.outcomes.last_success_at = self._clock()
        return answer

    def _is_worth_a_retry(self, error: BaseException) -> bool:
        if isinstance(error, CircuitOpenError):
            return False
        if isinstance(error, ThrottledError | UnavailableError):
            wait = error.retry_after
            return wait is None or wait <= self._access.longest_wait
        return isinstance(error, MalformedError)

    def _note_retry(self, state: tenacity.RetryCallState) -> None:
        self.outcomes.retries += 1
        _log_retry(state)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Seconds to the next try: what the feed asked for plus a little, else full jitter."""
        backoff = self._access.backoff.total_seconds()
        jitter = tenacity.wait_random_exponential(multiplier=backoff, max=10)(state)
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, ThrottledError | UnavailableError) and error.retry_after is not None:
            return error.retry_after.total_seconds() + min(jitter, 1.0)
        return jitter

    async def ask(self, endpoint: Endpoint, path: str, query: Query) -> bytes:
        """One answer's body, tried once; raises FeedError."""
        async with self._breaker.attempt():
            await self._pacer.wait(endpoint)
            outcome = "failed"
            try:
                with span(f"feed {endpoint.value}"):
                    body = await self._send(endpoint, path, query)
                outcome = "ok"
            except FeedError as error:
                outcome = type(error).__name__
                raise
            finally:
                self.outcomes.counts[outcome] += 1
                self.outcomes.by_endpoint[endpoint.value][_outcome_named(outcome)] += 1
            return body

    async def _send(self, endpoint: Endpoint, path: str, query: Query) -> bytes:
        try:
            # A server that drips a byte now and then is cut off by the time limit over all.
            async with (
                asyncio.timeout(self._access.timeout.total_seconds() * 3),
                self._connections.get(
                    path, query, on_leaving=partial(self._pacer.left, endpoint)
                ) as response,
            ):
                body = await read_body(response, path)
        except (httpx.TransportError, TimeoutError) as error:
            what = self._hide(str(error)) or type(error).__name__
            raise UnavailableError(f"the feed cannot be reached for {path}: {what}") from error
        if response.status_code == httpx.codes.OK:
            return body
        raise refusal(response, body, path, now=self._clock(), hide=self._hide)


def _outcome_named(name: str) -> str:
    """An error's name in small letters: ThrottledError is ``throttled``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removesuffix("Error")).lower()


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    _log.warning(
        "feed.retry_scheduled",
        attempt=state.attempt_number,
        wait_seconds=round(state.upcoming_sleep, 2),
        error=str(error),
    )
