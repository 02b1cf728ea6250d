"""The feed's endpoints: who may ask, how often, with which parameters, and what is counted."""

import asyncio
import binascii
import re
import zlib
from base64 import b64decode
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from darkhorses.domain.london import race_day
from darkhorses.simulator.faults import Fault, Faults
from darkhorses.simulator.limits import Limits
from darkhorses.simulator.peaks import Peaks
from darkhorses.simulator.served import ServedLedger
from darkhorses.simulator.server import Answer, Request
from darkhorses.simulator.source import Selection, Source

PLANS = ("free", "basic", "standard", "pro")

_SMALLEST_GZIP = 500
_ON_THE_LOOP = 64_000
_LONGEST_RANGE = timedelta(days=365)

_ROUTES = (
    (re.compile(r"racecards/pro"), "racecards/pro", "pro"),
    (re.compile(r"racecards/standard"), "racecards/standard", "standard"),
    (re.compile(r"racecards/(?P<race_id>[^/]+)/pro"), "racecards/{race_id}/pro", "pro"),
    (
        re.compile(r"racecards/(?P<race_id>[^/]+)/standard"),
        "racecards/{race_id}/standard",
        "standard",
    ),
    (
        re.compile(r"odds/(?P<race_id>[^/]+)/(?P<horse_id>[^/]+)"),
        "odds/{race_id}/{horse_id}",
        "pro",
    ),
    (re.compile(r"results"), "results", "standard"),
    (re.compile(r"results/today"), "results/today", "basic"),
    (re.compile(r"results/(?P<race_id>[^/]+)"), "results/{race_id}", "standard"),
    (re.compile(r"courses"), "courses", "free"),
    (re.compile(r"courses/regions"), "courses/regions", "free"),
)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The one account that the simulator knows; ``plan`` is one of ``PLANS``."""

    username: str
    password: str
    plan: str = "pro"


class _Refused(Exception):  # noqa: N818  # it carries an answer, not an error
    """The answer to a request that goes no further."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class FeedApp:
    """Answers requests as The Racing API does; ``requests`` counts them by endpoint and outcome.

    Outside ``/v1``: ``GET /control/ledger`` with these counts and the most requests that came in
    any second and ten seconds, and ``GET`` and ``PUT /control/faults`` with a JSON
    object of kind and rate, such as ``{"429": 0.1}``; ``{}`` switches all faults off. With a
    ``served`` ledger ``GET /control/served`` gives its lines.
    """

    def __init__(
        self, *, source: Source, account: Account, clock: Callable[[], datetime],
        faults: Faults, limits: Limits | None, served: ServedLedger | None = None,
    ) -> None:  # fmt: skip
        self._source = source
        self._account = account
        self._clock = clock
        self.faults = faults
        self._limits = limits
        self._served = served
        self.requests: dict[str, dict[str, int]] = {}
        self.peaks = Peaks()
        self._answers: dict[str, Callable[..., Awaitable[bytes | None]]] = {
            "racecards/pro": self._racecards,
            "racecards/standard": self._racecards_by_day,
            "racecards/{race_id}/pro": self._racecard,
            "racecards/{race_id}/standard": self._racecard,
            "odds/{race_id}/{horse_id}": self._runner_odds,
            "results": self._results,
            "results/today": self._results_today,
            "results/{race_id}": self._result,
            "courses": self._courses,
            "courses/regions": self._regions,
        }

    async def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path.startswith("/control/"):
            return self._control(request)
        for pattern, endpoint, plan in _ROUTES:
            match = pattern.fullmatch(request.path.removeprefix("/v1/"))
            if match and request.path.startswith("/v1/"):
                self.peaks.note(endpoint)
                answer, outcome = await self._answer(request, endpoint, plan, match.groupdict())
                self._count(endpoint, outcome)
                return await _compressed(request, answer)
        self._count("unknown", "404")
        return _detail(404, "Not Found")

    async def _answer(
        self, request: Request, endpoint: str, plan: str, ids: dict[str, str]
    ) -> tuple[Answer, str]:
        now = self._clock()
        fault: Fault | None = None
        try:
            self._admit(request, endpoint, plan, now)
            fault = self.faults.next()
            if fault is not None and (instead := self.faults.instead(fault)) is not None:
                return instead, f"fault {fault}"
            body = await self._answers[endpoint](request, now, **ids)
        except _Refused as refused:
            return refused.answer, str(refused.answer.status)
        if body is None:
            return _detail(404, "Not Found"), "404"
        answer = Answer(status=200, body=body)
        if self._served is not None:
            # Of an answer with nonsense in a runner the ledger has what it said before.
            sent = partial(self._served.note, endpoint, body, now)
            answer = msgspec.structs.replace(answer, sent=sent)
        if fault is not None:
            return self.faults.spoil(fault, answer), f"fault {fault}"
        return answer, "200"

    def _admit(self, request: Request, endpoint: str, plan: str, now: datetime) -> None:
        if request.method != "GET":
            raise _Refused(_detail(405, "Method Not Allowed"))
        given = _credentials(request)
        if given is None:
            raise _Refused(_unauthorized("Not authenticated"))
        if given != (self._account.username, self._account.password):
            raise _Refused(_unauthorized("Incorrect username or password"))
        if PLANS.index(self._account.plan) < PLANS.index(plan):
            raise _Refused(_unauthorized(f"{plan.title()} Plan required"))
        wait = self._limits and self._limits.refuse(endpoint, request.client, now)
        if wait:
            answer = _detail(429, "Too Many Requests")
            after = (("retry-after", str(max(1, round(wait.total_seconds())))),)
            raise _Refused(msgspec.structs.replace(answer, headers=after))

    # Endpoints

    async def _racecards(self, request: Request, now: datetime) -> bytes:
        day = _date(request, "date") or race_day(now)
        selection = _selection(
            request, regions="region_codes", courses="course_ids", limits=(500, 500), skips=500
        )
        return await self._source.racecards(day, selection, now)

    async def _racecards_by_day(self, request: Request, now: datetime) -> bytes:
        day = _one(request, "day") or "today"
        if day not in {"today", "tomorrow"}:
            raise _invalid("day", 'string does not match regex "^(today|tomorrow)$"', "str.regex")
        selection = _selection(
            request, regions="region_codes", courses="course_ids", limits=(500, 500), skips=500
        )
        wanted = race_day(now) + timedelta(days=day == "tomorrow")
        return await self._source.racecards(wanted, selection, now)

    async def _racecard(self, _request: Request, now: datetime, *, race_id: str) -> bytes | None:
        return await self._source.racecard(race_id, now)

    async def _runner_odds(
        self, _request: Request, now: datetime, *, race_id: str, horse_id: str
    ) -> bytes | None:
        return await self._source.runner_odds(race_id, horse_id, now)

    async def _results(self, request: Request, now: datetime) -> bytes:
        today = race_day(now)
        last = _date(request, "end_date") or today
        first = _date(request, "start_date") or last - _LONGEST_RANGE
        if last - first > _LONGEST_RANGE:
            raise _invalid("start_date", "date range is limited to 365 days", "value_error")
        selection = _selection(
            request, regions="region", courses="course", limits=(50, 100), skips=20_000
        )
        return await self._source.results(first, last, selection, now)

    async def _results_today(self, request: Request, now: datetime) -> bytes:
        selection = _selection(
            request, regions="region", courses="course", limits=(50, 100), skips=20_000
        )
        return await self._source.results(race_day(now), race_day(now), selection, now)

    async def _result(self, _request: Request, now: datetime, *, race_id: str) -> bytes | None:
        return await self._source.result(race_id, now)

    async def _courses(self, request: Request, _now: datetime) -> bytes:
        return self._source.courses(_many(request, "region_codes"))

    async def _regions(self, _request: Request, _now: datetime) -> bytes:
        return self._source.regions()

    # Control

    def _control(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", "/control/ledger":
                return _json(200, self._ledger())
            case "GET", "/control/served" if self._served is not None:
                lines = self._served.path.read_bytes()
                return Answer(status=200, body=lines, media_type="application/x-ndjson")
            case "GET", "/control/faults":
                return _json(200, {str(kind): rate for kind, rate in self.faults.rates.items()})
            case "PUT", "/control/faults":
                try:
                    rates = msgspec.json.decode(request.body, type=dict[Fault, float])
                except (msgspec.DecodeError, msgspec.ValidationError) as error:
                    return _detail(422, str(error))
                self.faults.rates = rates
                return _json(200, {str(kind): rate for kind, rate in rates.items()})
            case _:
                return _detail(404, "Not Found")

    def _ledger(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "peaks": self.peaks.by_endpoint,
            "peak_of_all": self.peaks.of_all,
        }

    def _count(self, endpoint: str, outcome: str) -> None:
        outcomes = self.requests.setdefault(endpoint, {})
        outcomes[outcome] = outcomes.get(outcome, 0) + 1


async def _compressed(request: Request, answer: Answer) -> Answer:
    """The answer with gzip when that was asked for and the body is worth it."""
    if (
        "gzip" not in request.headers.get("accept-encoding", "")
        or len(answer.body) < _SMALLEST_GZIP
        or answer.times > 1
        or any(name == "content-encoding" for name, _ in answer.headers)
    ):
        return answer
    if len(answer.body) < _ON_THE_LOOP:
        body = zlib.compress(answer.body, 1, wbits=31)
    else:
        body = await asyncio.to_thread(zlib.compress, answer.body, 1, wbits=31)
    headers = (*answer.headers, ("content-encoding", "gzip"), ("vary", "accept-encoding"))
    return msgspec.structs.replace(answer, body=body, headers=headers)


def _credentials(request: Request) -> tuple[str, str] | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, colon, password = b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (username, password) if colon else None


def _selection(
    request: Request, *, regions: str, courses: str, limits: tuple[int, int], skips: int
) -> Selection:
    default, most = limits
    return Selection(
        regions=_many(request, regions),
        courses=_many(request, courses),
        limit=_integer(request, "limit", default, 1, most),
        skip=_integer(request, "skip", 0, 0, skips),
        query=[(name, value) for name, value in request.query if name not in {"limit", "skip"}],
    )


def _many(request: Request, name: str) -> frozenset[str]:
    return frozenset(value.lower() for key, value in request.query if key == name)


def _one(request: Request, name: str) -> str:
    return next((value for key, value in request.query if key == name), "")


def _date(request: Request, name: str) -> date | None:
    text = _one(request, name)
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  # a day has no zone
    except ValueError:
        raise _invalid(name, "invalid date format", "value_error.date") from None


def _integer(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = _one(request, name)
    try:
        number = int(text) if text else default
    except ValueError:
        raise _invalid(name, "value is not a valid integer", "type_error.integer") from None
    if number < least:
        message = f"ensure this value is greater than or equal to {least}"
        raise _invalid(name, message, "value_error.number.not_ge")
    if number > most:
        message = f"ensure this value is less than or equal to {most}"
        raise _invalid(name, message, "value_error.number.not_le")
    return number


def _invalid(name: str, message: str, kind: str) -> _Refused:
    detail = {"loc": ["query", name], "msg": message, "type": kind}
    return _Refused(_json(422, {"detail": [detail]}))


def _unauthorized(sentence: str) -> Answer:
    answer = _detail(401, sentence)
    return msgspec.structs.replace(answer, headers=(("www-authenticate", "Basic"),))


def _detail(status: int, sentence: str) -> Answer:
    return _json(status, {"detail": sentence})


def _json(status: int, content: Any) -> Answer:
    return Answer(status=status, body=msgspec.json.encode(content))
