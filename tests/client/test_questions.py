import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from darkhorses.api.encoding import encode
from darkhorses.api.health_bodies import HealthStatus
from darkhorses.api.mover_bodies import Window
from darkhorses.api.opportunity_bodies import Kind
from darkhorses.api.statistics_bodies import StatisticsTable
from darkhorses.client import (
    DarkHorsesClient,
    FieldProblem,
    MalformedAnswerError,
    ProblemError,
    UnreachableError,
)
from darkhorses.domain.race_days import Completeness
from darkhorses.domain.stages import Stage
from darkhorses.store.pool import Connection, Database
from darkhorses.worker.statistics import Updater
from tests.api.conftest import RunningApi
from tests.history import fill_history
from tests.market import NOON, MarketWriter, card, race, runner
from tests.ports import free_port

ADA, BOB = runner("Ada", 1), runner("Bob", 2)
RACE = race(off_dt=NOON + timedelta(hours=1))
AT = NOON + timedelta(minutes=1)

Ask = Callable[[DarkHorsesClient], Awaitable[Any]]


@pytest.fixture
async def filled(
    api: RunningApi, database: Database, connection: Connection, writer: MarketWriter
) -> RunningApi:
    """Some past days, and a race to come in which a price moved and another was pulled."""
    await fill_history(connection)
    await writer.look(
        card(RACE, (ADA, {"Bet365": "10/3", "Coral": "4/1"}), (BOB, {"Bet365": "1/3"})),
        seen_at=NOON,
    )
    revision = await writer.look(
        card(RACE, (ADA, {"Bet365": "3/1", "Coral": None}), (BOB, {"Bet365": "1/3"})),
        seen_at=NOON + timedelta(minutes=5),
    )
    api.clock.forward(minutes=5)
    updater = Updater(database, clock=api.clock, card_interval=timedelta(seconds=60))
    await updater.refresh(writer.lease)
    await api.seen(revision)
    return api


@pytest.mark.parametrize(
    ("ask", "url"),
    [
        (
            lambda c: c.live_odds(bookmaker="Bet365", limit=2),
            "/api/live-odds?bookmaker=Bet365&limit=2",
        ),
        (lambda c: c.races_by_stage(), "/api/live-odds/races-by-stage"),
        (
            lambda c: c.races_by_stage(all_odds=False),
            "/api/live-odds/races-by-stage?all_odds=false",
        ),
        (
            lambda c: c.races(day=date(2026, 6, 20), stage=Stage.PRE_RACE),
            "/api/races?date=2026-06-20&stage=pre_race",
        ),
        (lambda c: c.race("rac_1"), "/api/races/rac_1"),
        (lambda c: c.race("rac_1", at=AT), "/api/races/rac_1?at=2026-06-20T12:01:00Z"),
        (lambda c: c.race_history("rac_1"), "/api/races/rac_1/history"),
        (
            lambda c: c.race_history("rac_1", horse_id="hrs_ada", resolution="5m", from_at=NOON),
            "/api/races/rac_1/history?horse_id=hrs_ada&resolution=5m&from=2026-06-20T12:00:00Z",
        ),
        (lambda c: c.movers(Window.OPENING), "/api/movers?window=opening"),
        (lambda c: c.opportunities(), "/api/opportunities"),
        (
            lambda c: c.opportunities(Kind.BEST_BOOK, max_age=600),
            "/api/opportunities?kind=best_book&max_age=600",
        ),
        (
            lambda c: c.settlement(
                "rac_1", horse_id="hrs_ada", bookmaker="Bet365", at=AT, stake=Decimal("2.50"),
                each_way=True,
            ),
            (
                "/api/races/rac_1/settlement?horse_id=hrs_ada&bookmaker=Bet365"
                "&at=2026-06-20T12:01:00Z&stake=2.50&each_way=true"
            ),
        ),
        (lambda c: c.statistics(), "/api/statistics"),
        (lambda c: c.statistics(StatisticsTable.LIVE), "/api/statistics?table=live"),
        (lambda c: c.results(region="IRE", limit=3), "/api/results?region=IRE&limit=3"),
        (lambda c: c.result("rac_1_2"), "/api/results/rac_1_2"),
        (
            lambda c: c.race_days(status=Completeness.PROVISIONAL),
            "/api/race-days?status=provisional",
        ),
    ],
)  # fmt: skip
async def test_an_answer_is_read_without_losing_a_digit(
    filled: RunningApi, client: DarkHorsesClient, ask: Ask, url: str
) -> None:
    told = await filled.get(url)
    assert told.status_code == 200, told.text
    found = await ask(client)
    assert encode(found) == told.content


async def test_prices_are_exact_and_instants_aware(
    filled: RunningApi, client: DarkHorsesClient
) -> None:
    page = await client.race("rac_1", at=AT)
    assert page.runners_data[0].best_odds_decimal == Decimal(5)
    assert [cell.odds_decimal for cell in page.runners_data[0].prices] == [
        Decimal("4.33"),
        Decimal(5),
    ]
    assert page.as_of == filled.clock.now - timedelta(minutes=4)


@pytest.mark.usefixtures("filled")
async def test_all_pages_are_walked_by_their_cursors(
    client: DarkHorsesClient,
) -> None:
    rows = [row async for row in client.historical_odds()]
    assert len({(row.race_id, row.horse_id) for row in rows}) == len(rows) == 60
    pages = [page async for page in client.historical_odds_pages(course="course 2", page_size=7)]
    assert [page.count for page in pages] == [7, 7, 1]
    assert [row for page in pages for row in page.data] == [
        row for row in rows if row.track == "Course 2"
    ]
    begun = client.historical_odds_pages(course="course 2", page_size=7, cursor=pages[0].next)
    assert [page async for page in begun] == pages[1:]
    one_day = client.historical_odds(from_day=date(2026, 3, 2), to_day=date(2026, 3, 2))
    assert {row.date_of_race async for row in one_day} == {date(2026, 3, 2)}


@pytest.mark.usefixtures("filled")
async def test_all_pages_of_live_odds_are_walked(
    client: DarkHorsesClient,
) -> None:
    pages = [page async for page in client.live_odds_pages(page_size=2)]
    assert [page.count for page in pages] == [2, 1]
    assert {row.odds_decimal for page in pages for row in page.data} == {4, None, Decimal("1.33")}


@pytest.mark.usefixtures("filled")
async def test_a_day_without_prices_is_one_empty_page(
    client: DarkHorsesClient,
) -> None:
    pages = [page async for page in client.live_odds_pages(race_date=date(2026, 6, 21))]
    assert [page.count for page in pages] == [0]


async def test_health_is_an_answer_also_while_the_api_starts(
    api: RunningApi, client: DarkHorsesClient
) -> None:
    assert (await client.health()).status is not HealthStatus.STARTING
    api.follower.now = msgspec.structs.replace(api.follower.now, loaded=False)
    assert (await client.health()).status is HealthStatus.STARTING
    with pytest.raises(ProblemError) as raised:
        await client.races()
    assert (raised.value.status, raised.value.retry_after, raised.value.is_passing) == (
        503,
        2,
        True,
    )


async def test_a_refusal_names_its_fields(client: DarkHorsesClient) -> None:
    with pytest.raises(ProblemError) as raised:
        await client.live_odds(bookmaker="£", limit=9_999)
    refusal = raised.value
    assert (refusal.status, refusal.title, refusal.is_passing) == (400, "Bad Request", False)
    assert [error.field for error in refusal.errors] == ["limit"]
    with pytest.raises(ProblemError) as raised:
        await client.race("a race that is not")
    assert raised.value.status == 404
    assert raised.value.errors == (
        FieldProblem(field="race_id", message="there is no race 'a race that is not'"),
    )


async def test_a_time_without_its_zone_is_refused_before_it_is_sent(
    client: DarkHorsesClient,
) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        await client.race("rac_1", at=datetime(2026, 6, 20, 13, 5))  # noqa: DTZ001


async def test_nobody_there_is_told_with_the_address() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    async with DarkHorsesClient(address) as client:
        with pytest.raises(UnreachableError, match=f"no answer from {address}/api/movers"):
            await client.movers()
    with pytest.raises(ValueError, match="expected an address"):
        DarkHorsesClient("127.0.0.1:8000")


async def test_what_is_not_of_this_api_is_told_from_it() -> None:
    def other(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(502, text="<h1>Bad gateway</h1>", headers={"retry-after": "x"})
        headers = {
            "date": "Sat, 20 Jun 2026 12:00:00 GMT",
            "retry-after": "Sat, 20 Jun 2026 12:00:07 GMT",
        }
        if request.url.path == "/api/movers":
            return httpx.Response(429, headers=headers)
        return httpx.Response(200, text=request.headers["authorization"])

    transport = httpx.MockTransport(other)
    async with DarkHorsesClient("http://x", api_key="secret", transport=transport) as client:
        with pytest.raises(ProblemError, match="502 Bad Gateway: <h1>Bad gateway</h1>") as raised:
            await client.health()
        assert raised.value.retry_after is None
        with pytest.raises(ProblemError) as raised:
            await client.movers()
        assert (raised.value.retry_after, raised.value.is_passing) == (7, True)
        with pytest.raises(MalformedAnswerError, match="makes no sense"):
            await client.races()


def test_the_client_brings_no_server_no_driver_and_no_scheduler_with_it() -> None:
    code = (
        "import sys, darkhorses.client\n"
        "brought = {'litestar', 'asyncpg', 'apscheduler', 'granian', 'aiosql'} & set(sys.modules)\n"
        "print(*sorted(brought))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (found.stdout, found.stderr) == (b"\n", b"")
