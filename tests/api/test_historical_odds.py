import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from darkhorses.domain.past_races import StoredHistoricalRow
from darkhorses.store.pool import Connection
from tests.api.conftest import RunningApi
from tests.history import fill_history
from tests.market import NOON, MarketWriter, card, race, runner

URL = "/api/historical-odds"


@pytest.fixture
async def filled(api: RunningApi, connection: Connection) -> RunningApi:
    await fill_history(connection)
    return api


async def refused(api: RunningApi, url: str) -> tuple[str, str]:
    """The one field of a refusal, and what is said of it."""
    answer = await api.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    (error,) = answer.json()["errors"]
    return error["field"], error["message"]


async def walked(api: RunningApi, url: str) -> list[dict[str, Any]]:
    """All rows, page by page along the cursors."""
    rows: list[dict[str, Any]] = []
    page = await api.json(url)
    rows += page["data"]
    while page["next"] is not None:
        page = await api.json(f"{url}&cursor={page['next']}")
        assert page["offset"] is None
        rows += page["data"]
    return rows


def keys(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["race_id"], row["horse_id"]) for row in rows]


async def test_rows_come_newest_day_and_off_first_and_by_number_within_a_race(
    filled: RunningApi,
) -> None:
    body = await filled.json(URL)
    assert {name: body[name] for name in ("success", "count", "limit", "offset", "next")} == {
        "success": True,
        "count": 60,
        "limit": 100,
        "offset": 0,
        "next": None,
    }
    assert keys(body["data"]) == [
        (f"rac_{day}_{race}", f"hrs_{day}_{race}_{number}")
        for day in (2, 1, 0)
        for race in (3, 2, 1, 0)
        for number in (1, 2, 3, 4, 5)
    ]


async def test_a_row_has_every_column_and_its_numbers_exactly(
    filled: RunningApi, connection: Connection
) -> None:
    columns = await connection.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'ra_odds_historical'"
    )
    answer = await filled.get(f"{URL}?horse=horse%202_3%203")
    (row,) = json.loads(answer.content, parse_float=str)["data"]
    assert row.keys() == {column[0] for column in columns}
    assert row.keys() == set(StoredHistoricalRow.__struct_fields__)
    assert (row["industry_sp"], row["bsp"], row["opening_price"]) == ("4.500", "4.555", "5.000")
    assert row["industry_sp_fractional"] == "7/2"
    assert row["off_dt"] == "2026-03-03T14:30:00Z"
    assert (row["data_source"], row["is_non_runner"], row["position_no"]) == ("card", False, 3)


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ("race_date=2026-03-02", 20),
        ("from=2026-03-02", 40),
        ("to=2026-03-01", 20),
        ("from=2026-03-01&to=2026-03-02", 40),
        ("year=2026", 60),
        ("year=2025", 0),
        ("year=2026&from=2026-03-03", 20),
        ("race_date=2026-03-02&from=2026-03-03", 0),
        ("course=COURSE%201", 10),
        ("course=Course%201&race_date=2026-03-01", 5),
        ("horse=Horse%201_2%204", 1),
        ("trainer=trainer%206", 6),
        ("jockey=Jockey%2010", 9),
        ("jockey=Jockey%2010&course=nowhere", 0),
    ],
)
async def test_filters_choose_the_rows(
    filled: RunningApi, connection: Connection, parameters: str, count: int
) -> None:
    del connection
    assert (await filled.json(f"{URL}?{parameters}"))["count"] == count


@pytest.mark.parametrize("limit", [1, 7, 20, 60])
async def test_cursors_lead_through_all_rows_once(filled: RunningApi, limit: int) -> None:
    everything = (await filled.json(URL))["data"]
    assert await walked(filled, f"{URL}?limit={limit}") == everything


async def test_cursors_lead_through_a_filters_rows_too(filled: RunningApi) -> None:
    url = f"{URL}?course=Course%203&from=2026-03-01&limit=3"
    rows = await walked(filled, url)
    assert len(rows) == 15
    assert rows == (await filled.json(f"{URL}?course=Course%203"))["data"]


async def test_runners_without_a_number_are_neither_skipped_nor_repeated(
    filled: RunningApi, connection: Connection
) -> None:
    await connection.execute(
        "UPDATE ra_odds_historical SET horse_number = NULL WHERE horse_id LIKE '%\\_%\\_2'"
    )
    rows = await walked(filled, f"{URL}?limit=4")
    assert len(set(keys(rows))) == len(rows) == 60
    assert [row["horse_number"] for row in rows[:5]] == [1, 3, 4, 5, None]


async def test_races_of_one_off_are_kept_apart(filled: RunningApi, connection: Connection) -> None:
    await connection.execute(
        "UPDATE ra_odds_historical SET off_dt = '2026-03-02T15:00Z' "
        "WHERE date_of_race = '2026-03-02'"
    )
    rows = await walked(filled, f"{URL}?limit=3")
    assert len(set(keys(rows))) == len(rows) == 60


async def test_a_day_added_meanwhile_moves_no_row_of_the_pages_to_come(
    filled: RunningApi, connection: Connection
) -> None:
    first = await filled.json(f"{URL}?limit=30")
    rest = (await filled.json(f"{URL}?limit=30&offset=30"))["data"]
    await connection.execute(
        "INSERT INTO ra_odds_historical SELECT (jsonb_populate_record(old, "
        "jsonb_build_object('race_id', 'rac_new', 'date_of_race', '2026-03-09'))).* "
        "FROM ra_odds_historical AS old WHERE race_id = 'rac_0_0'"
    )
    second = await filled.json(f"{URL}?limit=30&cursor={first['next']}")
    assert second["data"] == rest


async def test_offset_pages_are_those_of_the_earlier_system(filled: RunningApi) -> None:
    everything = (await filled.json(URL))["data"]
    page = await filled.json(f"{URL}?limit=7&offset=14")
    assert (page["count"], page["limit"], page["offset"]) == (7, 7, 14)
    assert page["data"] == everything[14:21]
    assert (await filled.json(f"{URL}?limit=7&cursor={page['next']}"))["data"] == everything[21:28]


async def test_an_offset_too_far_is_refused_with_what_to_do(filled: RunningApi) -> None:
    assert (await filled.json(f"{URL}?offset=10000"))["count"] == 0
    field, message = await refused(filled, f"{URL}?offset=10001")
    assert field == "offset"
    assert "cursor" in message


@pytest.mark.parametrize(
    "cursor",
    ["x", "AAAA", "%F0%9F%90%8E", "a" * 500, "eyJhIjoxfQ", "====", "not a cursor"],
)
async def test_what_is_no_cursor_is_refused(filled: RunningApi, cursor: str) -> None:
    field, message = await refused(filled, f"{URL}?cursor={cursor}")
    assert (field, message.startswith("no cursor of this address")) == ("cursor", True)


async def test_a_changed_or_cut_cursor_is_refused(filled: RunningApi) -> None:
    cursor = (await filled.json(f"{URL}?limit=5"))["next"]
    content = bytearray(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    for place in range(len(content)):
        content[place] ^= 1
        changed = urlsafe_b64encode(content).decode().rstrip("=")
        assert (await refused(filled, f"{URL}?limit=5&cursor={changed}"))[0] == "cursor"
        content[place] ^= 1
    for length in (1, len(cursor) // 2, len(cursor) - 1):
        assert (await refused(filled, f"{URL}?limit=5&cursor={cursor[:length]}"))[0] == "cursor"


async def test_a_cursor_of_other_filters_is_refused(filled: RunningApi) -> None:
    cursor = (await filled.json(f"{URL}?limit=5&course=Course%203"))["next"]
    for parameters in ("", "course=Course%204&", "course=Course%203&year=2026&"):
        field, message = await refused(filled, f"{URL}?{parameters}cursor={cursor}")
        assert (field, message.startswith("made for other filters")) == ("cursor", True)
    same = await filled.json(f"{URL}?limit=2&course=COURSE%203&cursor={cursor}")
    assert same["count"] == 2


async def test_a_cursor_and_an_offset_are_not_both_taken(filled: RunningApi) -> None:
    cursor = (await filled.json(f"{URL}?limit=5"))["next"]
    assert (await refused(filled, f"{URL}?cursor={cursor}&offset=0"))[0] == "offset"


async def test_a_bookmaker_is_refused_with_the_place_where_it_applies(filled: RunningApi) -> None:
    field, message = await refused(filled, f"{URL}?bookmaker=Bet365")
    assert field == "bookmaker"
    assert "/api/export/odds-changes" in message


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ("from=2026-03-02&to=2026-03-01", "from"),
        ("year=26", "year"),
        ("race_date=yesterday", "race_date"),
        ("limit=1001", "limit"),
        ("offset=-1", "offset"),
        ("course=", "course"),
        ("from_day=2026-03-01", "from_day"),
        ("region=gb", "region"),
    ],
)
async def test_wrong_parameters_are_named(filled: RunningApi, parameters: str, field: str) -> None:
    assert (await refused(filled, f"{URL}?{parameters}"))[0] == field


async def test_an_unchanged_page_costs_a_304(filled: RunningApi) -> None:
    tag = (await filled.get(URL)).headers["etag"]
    assert (await filled.get(URL, if_none_match=tag)).status_code == 304


async def test_the_summary_adds_up_what_the_ledger_says(
    filled: RunningApi, connection: Connection
) -> None:
    await connection.execute(
        """
        UPDATE race_days SET rows_count = 10, races_count = 2, results_count = 2;
        INSERT INTO race_days (race_date, region, cards, results, races_count, rows_count)
        VALUES ('2025-12-31', 'gb', 'complete', 'missing', 3, 30), ('2026-03-09', 'gb', 'missing',
            'missing', 0, 0);
        """
    )
    body = await filled.json(f"{URL}/summary")
    assert body == {
        "success": True,
        "total_records": 90,
        "total_races": 15,
        "total_results": 12,
        "courses": 6,
        "earliest_date": "2025-12-31",
        "latest_date": "2026-03-03",
        "days": {"total": 8, "complete": 4, "provisional": 2, "missing": 2},
        "by_year": [
            {"year": 2025, "records": 30, "races": 3, "results": 0},
            {"year": 2026, "records": 60, "races": 12, "results": 12},
        ],
        "by_region": [
            {"region": "gb", "records": 60, "races": 9, "results": 6},
            {"region": "ire", "records": 30, "races": 6, "results": 6},
        ],
        "by_data_source": {"card": 60},
    }


async def test_the_summary_of_nothing_is_zero(api: RunningApi) -> None:
    body = await api.json(f"{URL}/summary")
    assert (body["total_records"], body["earliest_date"], body["by_year"]) == (0, None, [])
    assert (body["courses"], body["by_data_source"]) == (0, {})


async def test_the_summary_is_asked_of_the_database_once_a_minute(
    filled: RunningApi, connection: Connection
) -> None:
    assert (await filled.json(f"{URL}/summary"))["courses"] == 6
    await connection.execute("DELETE FROM ra_odds_historical WHERE track = 'Course 5'")
    filled.clock.forward(seconds=59)
    assert (await filled.json(f"{URL}/summary"))["courses"] == 6
    filled.clock.forward(seconds=1)
    assert (await filled.json(f"{URL}/summary"))["courses"] == 5


async def test_the_ledger_is_told_newest_day_first_with_each_days_status(
    filled: RunningApi, connection: Connection
) -> None:
    await connection.execute(
        "UPDATE race_days SET cards = 'missing' WHERE race_date = '2026-03-01' AND region = 'ire'"
    )
    body = await filled.json("/api/race-days")
    assert (body["count"], body["total"], body["limit"], body["offset"]) == (6, 6, 100, 0)
    assert [(row["race_date"], row["region"], row["status"]) for row in body["data"]] == [
        ("2026-03-03", "gb", "provisional"),
        ("2026-03-03", "ire", "provisional"),
        ("2026-03-02", "gb", "complete"),
        ("2026-03-02", "ire", "complete"),
        ("2026-03-01", "gb", "complete"),
        ("2026-03-01", "ire", "missing"),
    ]
    assert body["data"][0]["reason"] == "a race has no result yet"


@pytest.mark.parametrize(
    ("parameters", "total", "count"),
    [
        ("region=GB", 3, 3),
        ("status=provisional", 2, 2),
        ("status=missing", 0, 0),
        ("from=2026-03-02&to=2026-03-02", 2, 2),
        ("limit=2&offset=5", 6, 1),
        ("status=complete&limit=3", 4, 3),
    ],
)
async def test_the_ledgers_filters_choose_the_days(
    filled: RunningApi, parameters: str, total: int, count: int
) -> None:
    body = await filled.json(f"/api/race-days?{parameters}")
    assert (body["total"], body["count"]) == (total, count)


async def test_a_status_that_there_is_not_is_refused(filled: RunningApi) -> None:
    assert (await refused(filled, "/api/race-days?status=done"))[0] == "status"


async def test_a_question_that_takes_too_long_is_a_problem_that_says_so(
    filled: RunningApi, monkeypatch: pytest.MonkeyPatch, connection: Connection
) -> None:
    monkeypatch.setattr(
        "darkhorses.store.past_reading.LONGEST_QUESTION", timedelta(milliseconds=50)
    )
    async with connection.transaction():
        await connection.execute("LOCK TABLE ra_odds_historical")
        answer = await filled.get(URL)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "30"
    assert "did not answer in time" in answer.json()["detail"]
    assert (await filled.get(URL)).status_code == 200


async def test_the_live_market_never_waits_for_questions_about_history(
    filled: RunningApi,
    connection: Connection,
    writer: MarketWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("darkhorses.store.pool.LONGEST_TURN", timedelta(milliseconds=50))
    look = card(race(off_dt=NOON + timedelta(hours=1)), (runner("Ada", 1), {"Bet365": "4/1"}))
    async with connection.transaction():
        await connection.execute("LOCK TABLE ra_odds_historical")
        questions = [asyncio.create_task(filled.get(URL)) for _ in range(10)]
        _, waiting = await asyncio.wait(questions, return_when=asyncio.FIRST_COMPLETED)
        assert waiting
        await filled.seen(await writer.look(look, seen_at=NOON))
        assert (await filled.json("/api/live-odds"))["count"] == 1
        assert (await filled.get("/api/courses")).status_code == 200
    codes = sorted([(await question).status_code for question in questions])
    assert codes == [200, *[503] * 9]


async def test_prices_are_the_decimals_that_are_stored(filled: RunningApi) -> None:
    answer = await filled.get(f"{URL}?race_date=2026-03-02")
    rows = json.loads(answer.content, parse_float=Decimal)["data"]
    assert {row["sp_win_return"] for row in rows} == {Decimal("2.5"), Decimal(0)}
