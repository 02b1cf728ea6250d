"""The client of The Racing API: paced, patient, and plain about what went wrong.

Every request goes the same way: the breaker admits it, the pacer holds it until it may be sent,
and a failure becomes one of the names in ``errors``. Throttling, network failures, 5xx and cut
answers are tried again with full jitter or as ``Retry-After`` says; refusals never are.
"""

import asyncio
import base64
import re
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from functools import partial
from typing import Self, TypeVar

import httpx
import msgspec
import structlog
import tenacity

from darkhorses.domain.gaps import RunnerHistory
from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.london import race_day
from darkhorses.domain.races import CardPage, Course
from darkhorses.domain.redaction import Redaction
from darkhorses.domain.results import ResultPage
from darkhorses.domain.retry_after import read_retry_after
from darkhorses.tracing import span
from darkhorses.upstream.bodies import UNDECODABLE, read_body
from darkhorses.upstream.breaker import BreakerState, CircuitBreaker
from darkhorses.upstream.connections import Connections, feed_client
from darkhorses.upstream.errors import (
    BadCredentialsError,
    CircuitOpenError,
    FeedError,
    MalformedError,
    NotFoundError,
    PlanTooSmallError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from darkhorses.upstream.histories import read_runner_history
from darkhorses.upstream.pacing import Endpoint, Pacer, Paces
from darkhorses.upstream.reading import (
    CardReader,
    read_courses,
    read_races_with_result,
    read_regions,
)
from darkhorses.upstream.remembering import CardMemory
from darkhorses.upstream.results import ResultReader
from darkhorses.upstream.wire import WireError

_log = structlog.get_logger("darkhorses.upstream")
_errors = msgspec.json.Decoder(WireError)

_CARDS_A_PAGE = 500
_RESULTS_A_PAGE = 50  # older accounts get no more
_MOST_RESULTS_A_PAGE = 100

_Read = TypeVar("_Read")

Clock = Callable[[], datetime]
"""Gives the present instant, in UTC."""


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


class RacingApi:
    """The feed. Make one with ``open``; it keeps its connections, its pace and its breaker."""

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
        self._has_pro = True
        self._results_limit = _MOST_RESULTS_A_PAGE
        self.outcomes = Outcomes(counts=Counter())

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
            count = await self._get(Endpoint.RACECARDS, path, query, reader.read_page)
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
        await self._get(Endpoint.RACE, path, {}, reader.read_race)
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
            race_ids, count = await self._get(
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
                count = await self._get(Endpoint.RESULTS, "/results", query, reader.read_page)
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
        await self._get(Endpoint.RESULT, f"/results/{race_id}", {}, reader.read_result)
        return reader.page()

    async def odds_history(self, race_id: RaceId, horse_id: HorseId) -> RunnerHistory:
        """One runner's price history; raises NotFoundError when it was never quoted.

        For what can wait: it is tried once, and its failure is not told as the feed's, because
        the live odds say how the feed fares.
        """
        body = await self._ask(Endpoint.ODDS, f"/odds/{race_id}/{horse_id}", {})
        return read_runner_history(body, race_id, horse_id)

    async def courses(self, regions: Collection[str]) -> tuple[Course, ...]:
        """All courses of some regions."""
        query = {"region_codes": list(regions)}
        return await self._get(Endpoint.COURSES, "/courses", query, read_courses)

    async def regions(self) -> dict[str, str]:
        """The names of all regions by their codes; the cheapest thing to ask for."""
        return await self._get(Endpoint.REGIONS, "/courses/regions", {}, read_regions)

    async def _get(
        self,
        endpoint: Endpoint,
        path: str,
        query: Mapping[str, str | list[str]],
        read: Callable[[bytes], _Read],
    ) -> _Read:
        """One answer, read, after as many tries as are allowed."""
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
            return read(await self._ask(endpoint, path, query))

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

    async def _ask(
        self, endpoint: Endpoint, path: str, query: Mapping[str, str | list[str]]
    ) -> bytes:
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

    async def _send(
        self, endpoint: Endpoint, path: str, query: Mapping[str, str | list[str]]
    ) -> bytes:
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
        raise _refusal(response, self._hide(_detail(body)), path, now=self._clock())


def _refusal(response: httpx.Response, detail: str, path: str, *, now: datetime) -> FeedError:
    """The error that an answer other than 200 is; ``detail`` is what it says of itself."""
    status = response.status_code
    said = f"{path} gave {status}" + (f": {detail}" if detail else "")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        if "plan" in detail.lower():
            return PlanTooSmallError(f"the account's plan is too small: {said}")
        return BadCredentialsError(f"the feed refuses the user name and password: {said}")
    if status == httpx.codes.NOT_FOUND:
        return NotFoundError(f"the feed has no such thing: {said}")
    retry_after = read_retry_after(response.headers.get("Retry-After"), now=now)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return ThrottledError(f"the feed is asked too often: {said}", retry_after=retry_after)
    if response.is_server_error:
        return UnavailableError(f"the feed failed: {said}", retry_after=retry_after)
    return RejectedError(f"the feed rejected the request: {said}")


def _detail(body: bytes) -> str:
    """What a refusal says of itself, in one short line."""
    try:
        detail = _errors.decode(body).detail
    except UNDECODABLE:
        return ""
    if isinstance(detail, list):
        return "; ".join(_complaint(item) for item in detail if isinstance(item, dict))[:300]
    return str(detail or "")[:300]


def _outcome_named(name: str) -> str:
    """An error's name in small letters: ThrottledError is ``throttled``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removesuffix("Error")).lower()


def _complaint(item: Mapping[str, object]) -> str:
    """``query.limit too large`` of ``{loc, msg, type}``, as far as it has that form."""
    place = item.get("loc")
    parts = place if isinstance(place, list) else [place or ""]
    return f"{'.'.join(map(str, parts))} {item.get('msg') or ''}"


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    _log.warning(
        "feed.retry_scheduled",
        attempt=state.attempt_number,
        wait_seconds=round(state.upcoming_sleep, 2),
        error=str(error),
    )
