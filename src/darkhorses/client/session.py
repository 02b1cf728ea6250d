"""The client: questions to the REST API, and the streams."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from http import HTTPStatus
from types import TracebackType
from typing import Self, TypedDict, TypeVar, Unpack, cast
from urllib.parse import quote

import httpx
import msgspec

from darkhorses import __version__
from darkhorses.api.bodies import LiveOdds, RacesByStage
from darkhorses.api.health_bodies import Health
from darkhorses.api.history_bodies import HistoricalOdds, RaceDays, Result, Results
from darkhorses.api.mover_bodies import Direction, Movers, Window
from darkhorses.api.opportunity_bodies import Kind, Opportunities
from darkhorses.api.race_bodies import RaceHistory, RaceList, RacePage
from darkhorses.api.settlement_bodies import Settlement
from darkhorses.api.statistics_bodies import StatisticsBody, StatisticsTable
from darkhorses.client.errors import MalformedAnswerError, UnreachableError, problem_of
from darkhorses.client.streams import SILENCE, Stream
from darkhorses.domain.past_races import StoredHistoricalRow
from darkhorses.domain.race_days import Completeness
from darkhorses.domain.stages import Stage

TIMEOUT = 30.0
LARGEST_PAGE = 1_000

_Body = TypeVar("_Body")
_Value = str | int | float | Decimal | date | None
_Texts = str | Iterable[str]


class PastFilters(TypedDict, total=False):
    """Which past races: days of London, and names in any case."""

    race_date: date | None
    from_day: date | None
    to_day: date | None
    year: int | None
    course: str | None
    horse: str | None
    trainer: str | None
    jockey: str | None


class DarkHorsesClient:
    """The API at an address, such as ``http://127.0.0.1:8000``; close it, or use ``async with``.

    ``api_key`` is sent as a bearer token. ``timeout`` is in seconds. ``transport`` is httpx's, for
    proxies and the like. Methods raise ProblemError for a refusal, UnreachableError when there is
    no answer, and MalformedAnswerError for one that is not the API's.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"expected an address such as http://127.0.0.1:8000, not {url!r}")
        headers = {"user-agent": f"darkhorses-client/{__version__}"}
        if api_key is not None:
            headers["authorization"] = f"Bearer {api_key}"
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=timeout,
            transport=transport,
            follow_redirects=True,
            # A stream takes a connection for long: as many as anybody opens are let.
            limits=httpx.Limits(max_connections=None),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of all connections."""
        await self._http.aclose()

    def stream(
        self,
        *,
        race_id: _Texts = (),
        course: _Texts = (),
        region: _Texts = (),
        stage: _Texts = (),
        bookmaker: _Texts = (),
        last_event_id: str | None = None,
        snapshot: bool = True,
        silence: float = SILENCE,
        patience: float | None = None,
    ) -> Stream:
        """Every change as it happens, over as many connections as it takes.

        Each filter is one value or several. ``last_event_id`` goes on after that event; without it
        the stream begins with a snapshot. A connection that says nothing for ``silence`` seconds
        counts as dead. The stream comes back for ever, or for ``patience`` seconds and then raises
        UnreachableError; a refusal that will not pass is raised as ProblemError.
        """
        filters = {
            "race_id": race_id,
            "course": course,
            "region": region,
            "stage": stage,
            "bookmaker": bookmaker,
        }
        parameters = [
            (name, text)
            for name, texts in filters.items()
            for text in ([texts] if isinstance(texts, str) else texts)
        ]
        if not snapshot:
            parameters.append(("snapshot", "false"))
        return Stream(
            self._http,
            parameters=parameters,
            last_event_id=last_event_id,
            silence=silence,
            patience=patience,
        )

    async def health(self) -> Health:
        """Whether what is served can be trusted; that it is still starting is an answer too."""
        answer = await self._ask("/health", {})
        if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE and _is_json(answer):
            return _read(Health, answer)
        return _body(Health, answer)

    async def live_odds(
        self,
        *,
        race_date: date | None = None,
        course: str | None = None,
        bookmaker: str | None = None,
        limit: int = LARGEST_PAGE,
        offset: int = 0,
    ) -> LiveOdds:
        """A page of a day's live prices; today's when no day is given."""
        return await self._get(
            LiveOdds,
            "/api/live-odds",
            {
                "race_date": race_date,
                "course": course,
                "bookmaker": bookmaker,
                "limit": limit,
                "offset": offset,
            },
        )

    async def live_odds_pages(
        self,
        *,
        race_date: date | None = None,
        course: str | None = None,
        bookmaker: str | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> AsyncIterator[LiveOdds]:
        """All pages of a day's live prices; each is of its own moment."""
        offset = 0
        while True:
            page = await self.live_odds(
                race_date=race_date,
                course=course,
                bookmaker=bookmaker,
                limit=page_size,
                offset=offset,
            )
            yield page
            offset += page.count
            if page.count == 0 or offset >= page.total:
                return

    async def races_by_stage(self, *, all_odds: bool = True) -> RacesByStage:
        """All races that are not over by stage, with every runner's best price."""
        return await self._get(
            RacesByStage, "/api/live-odds/races-by-stage", {"all_odds": _flag(all_odds)}
        )

    async def races(
        self,
        *,
        day: date | None = None,
        region: str | None = None,
        course: str | None = None,
        stage: Stage | None = None,
    ) -> RaceList:
        """The races of a day with their shortest prices; today's when no day is given."""
        return await self._get(
            RaceList,
            "/api/races",
            {"date": day, "region": region, "course": course, "stage": stage},
        )

    async def race(self, race_id: str, *, at: datetime | None = None) -> RacePage:
        """A race with every price, now or at a moment of the past."""
        return await self._get(RacePage, f"/api/races/{_part(race_id)}", {"at": at})

    async def race_history(
        self,
        race_id: str,
        *,
        horse_id: str | None = None,
        bookmaker: str | None = None,
        from_at: datetime | None = None,
        to_at: datetime | None = None,
        resolution: str | None = None,
        best_only: bool = False,
        limit: int | None = None,
    ) -> RaceHistory:
        """A page of a race's prices over time: changes, or bars of a ``resolution`` such as 5m.

        Its ``next_from`` is the ``from_at`` of the next page.
        """
        return await self._get(
            RaceHistory,
            f"/api/races/{_part(race_id)}/history",
            {
                "horse_id": horse_id,
                "bookmaker": bookmaker,
                "from": from_at,
                "to": to_at,
                "resolution": resolution,
                "best_only": _flag(best_only),
                "limit": limit,
            },
        )

    async def movers(
        self,
        window: Window | None = None,
        *,
        direction: Direction | None = None,
        region: str | None = None,
        course: str | None = None,
        race_id: str | None = None,
        limit: int | None = None,
    ) -> Movers:
        """Steamers and drifters over a window, an hour when none is given."""
        return await self._get(
            Movers,
            "/api/movers",
            {
                "window": window,
                "direction": direction,
                "region": region,
                "course": course,
                "race_id": race_id,
                "limit": limit,
            },
        )

    async def opportunities(
        self,
        kind: Kind | None = None,
        *,
        region: str | None = None,
        course: str | None = None,
        max_age: int | None = None,
        stake: int | None = None,
        min_value: float | None = None,
        limit: int | None = None,
    ) -> Opportunities:
        """What races to come offer; ``max_age`` in seconds, all kinds when none is given."""
        return await self._get(
            Opportunities,
            "/api/opportunities",
            {
                "kind": kind,
                "region": region,
                "course": course,
                "max_age": max_age,
                "stake": stake,
                "min_value": min_value,
                "limit": limit,
            },
        )

    async def settlement(
        self,
        race_id: str,
        *,
        horse_id: str,
        bookmaker: str,
        at: datetime,
        stake: Decimal | int = 1,
        each_way: bool = False,
    ) -> Settlement:
        """What a bet struck at a moment with a bookmaker returned, step by step."""
        return await self._get(
            Settlement,
            f"/api/races/{_part(race_id)}/settlement",
            {
                "horse_id": horse_id,
                "bookmaker": bookmaker,
                "at": at,
                "stake": stake,
                "each_way": _flag(each_way),
            },
        )

    async def historical_odds_pages(
        self,
        *,
        page_size: int = LARGEST_PAGE,
        cursor: str | None = None,
        **filters: Unpack[PastFilters],
    ) -> AsyncIterator[HistoricalOdds]:
        """All pages of past races, newest first, from a ``cursor`` (a page's ``next``) on."""
        renamed = {"from_day": "from", "to_day": "to"}
        query: dict[str, _Value] = {
            renamed.get(name, name): value
            for name, value in cast("dict[str, _Value]", filters).items()
        }
        while True:
            page = await self._get(
                HistoricalOdds,
                "/api/historical-odds",
                {**query, "limit": page_size, "cursor": cursor},
            )
            yield page
            if page.next is None:
                return
            cursor = page.next

    async def historical_odds(
        self, **filters: Unpack[PastFilters]
    ) -> AsyncIterator[StoredHistoricalRow]:
        """Past races runner by runner, newest first, over as many pages as there are."""
        async for page in self.historical_odds_pages(**filters):
            for row in page.data:
                yield row

    async def results(
        self,
        *,
        race_date: date | None = None,
        from_day: date | None = None,
        to_day: date | None = None,
        course: str | None = None,
        region: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Results:
        """A page of results with their winners, the newest off first."""
        return await self._get(
            Results,
            "/api/results",
            {
                "race_date": race_date,
                "from": from_day,
                "to": to_day,
                "course": course,
                "region": region,
                "limit": limit,
                "offset": offset,
            },
        )

    async def result(self, race_id: str) -> Result:
        """One race's result with all runners, non-runners and corrections."""
        return await self._get(Result, f"/api/results/{_part(race_id)}", {})

    async def race_days(
        self,
        *,
        from_day: date | None = None,
        to_day: date | None = None,
        region: str | None = None,
        status: Completeness | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> RaceDays:
        """A page of the ledger: which days are complete, provisional or missing."""
        return await self._get(
            RaceDays,
            "/api/race-days",
            {
                "from": from_day,
                "to": to_day,
                "region": region,
                "status": status,
                "limit": limit,
                "offset": offset,
            },
        )

    async def statistics(self, table: StatisticsTable = StatisticsTable.ALL) -> StatisticsBody:
        """Statistics of live and historical odds."""
        return await self._get(StatisticsBody, "/api/statistics", {"table": table})

    async def _get(self, body: type[_Body], path: str, query: Mapping[str, _Value]) -> _Body:
        return _body(body, await self._ask(path, query))

    async def _ask(self, path: str, query: Mapping[str, _Value]) -> httpx.Response:
        parameters = {name: _text(value) for name, value in query.items() if value is not None}
        try:
            return await self._http.get(path, params=parameters)
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(f"no answer from {error.request.url}: {reason}") from error


def _body(body: type[_Body], answer: httpx.Response) -> _Body:
    if answer.status_code != HTTPStatus.OK:
        raise problem_of(answer)
    return _read(body, answer)


def _read(body: type[_Body], answer: httpx.Response) -> _Body:
    try:
        return msgspec.json.decode(answer.content, type=body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedAnswerError(f"{answer.url} makes no sense: {error}") from error


def _is_json(answer: httpx.Response) -> bool:
    return bool(answer.headers.get("content-type", "").startswith("application/json"))


def _text(value: object) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def _part(text: str) -> str:
    return quote(text, safe="")


def _flag(value: bool) -> str:  # noqa: FBT001  # it is what is written down
    return "true" if value else "false"
