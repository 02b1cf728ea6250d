import csv
import io
import json
from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from darkhorses.store.pool import Connection
from tests.api.conftest import RunningApi
from tests.history import fill_changes, fill_history

URL = "/api/export/odds-changes"
CHANGES = 60_000
MOMENT = timedelta(milliseconds=50)
LAST_CHUNK = b"\r\n0\r\n\r\n"
"""What a whole answer of HTTP/1.1 in chunks ends in."""


@pytest.mark.parametrize(
    ("table", "rows"),
    [("historical-odds", 60), ("results", 12), ("race-days", 6), ("odds-changes", 7_000)],
)
async def test_every_table_comes_in_every_format(
    api: RunningApi, connection: Connection, table: str, rows: int
) -> None:
    await fill_history(connection)
    await fill_changes(connection, 7_000)
    as_csv = await api.get(f"/api/export/{table}")
    as_ndjson = await api.get(f"/api/export/{table}?format=ndjson")
    as_parquet = await api.get(f"/api/export/{table}?format=parquet")
    assert [a.headers["content-type"] for a in (as_csv, as_ndjson, as_parquet)] == [
        "text/csv; charset=utf-8; header=present",
        "application/x-ndjson",
        "application/vnd.apache.parquet",
    ]
    assert [a.headers["content-disposition"] for a in (as_csv, as_ndjson, as_parquet)] == [
        f'attachment; filename="{table}.csv"',
        f'attachment; filename="{table}.ndjson"',
        f'attachment; filename="{table}.parquet"',
    ]
    lines = list(csv.reader(io.StringIO(as_csv.text, newline="")))
    objects = [json.loads(line) for line in as_ndjson.text.splitlines()]
    read = pq.read_table(io.BytesIO(as_parquet.content))
    assert (len(lines) - 1, len(objects), read.num_rows) == (rows, rows, rows)
    assert lines[0] == list(objects[0]) == read.column_names


@pytest.mark.parametrize(
    ("address", "rows"),
    [
        ("historical-odds?from=2026-03-02&to=2026-03-02", 20),
        ("historical-odds?course=course%201", 10),
        ("historical-odds?horse=Horse%201_2%203", 1),
        ("results?region=gb", 6),
        ("race-days?region=ire&from=2026-03-02", 2),
        ("odds-changes?bookmaker=BookMaker%203", 36),
        ("odds-changes?race_id=rac_0", 1_000),
    ],
)
async def test_days_and_filters_choose_the_rows(
    api: RunningApi, connection: Connection, address: str, rows: int
) -> None:
    await fill_history(connection)
    await fill_changes(connection, 1_000)
    joint = "&" if "?" in address else "?"
    answer = await api.get(f"/api/export/{address}{joint}format=ndjson")
    assert (answer.status_code, len(answer.text.splitlines())) == (200, rows)


async def test_the_file_is_named_by_its_days(api: RunningApi) -> None:
    answer = await api.get(f"{URL}?from=2026-03-01&to=2026-03-02")
    named = 'attachment; filename="odds-changes-from-2026-03-01-to-2026-03-02.csv"'
    assert answer.headers["content-disposition"] == named


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("historical-odds?bookmaker=Bet365", "bookmaker"),
        ("results?horse=Ada", "horse"),
        ("race-days?course=Ascot", "course"),
        ("odds-changes?region=gb", "region"),
        ("odds-changes?bookmaker=%21", "bookmaker"),
        ("results?from=2026-03-02&to=2026-03-01", "from"),
        ("results?from=March", "from"),
        ("results?format=xlsx", "format"),
        ("results?limit=5", "limit"),
        ("results?course=", "course"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_does_not_apply_is_named(
    api: RunningApi, method: str, address: str, field: str
) -> None:
    answer = await api.client.request(method, f"/api/export/{address}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    if method == "GET":
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_filter_of_another_table_is_refused_with_the_table_that_has_it(
    api: RunningApi,
) -> None:
    errors = (await api.get("/api/export/results?bookmaker=Bet365")).json()["errors"]
    assert errors[0]["message"] == "does not apply to results, only to odds-changes"


async def test_a_table_that_there_is_not_is_a_404_with_those_that_there_are(
    api: RunningApi,
) -> None:
    answer = await api.get("/api/export/worker_lease")
    assert answer.status_code == 404
    assert "historical-odds, results, race-days, odds-changes" in answer.json()["detail"]


async def test_parquet_is_refused_by_name_where_it_cannot_be_written(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkhorses.export.formats.find_spec", lambda _: None)
    answer = await api.get(f"{URL}?format=parquet")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "format"
    assert (await api.get(URL)).status_code == 200


async def test_head_tells_what_would_come_without_reading_it(
    api: RunningApi, connection: Connection
) -> None:
    async with connection.transaction():
        # Who read the table would wait.
        await connection.execute("LOCK TABLE ra_odds_changes")
        head = await api.client.head(f"{URL}?format=parquet")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == "application/vnd.apache.parquet"
    assert "odds-changes.parquet" in head.headers["content-disposition"]


async def test_a_database_that_fails_before_the_first_row_is_a_problem(
    api: RunningApi, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkhorses.store.exporting._STATEMENT_LIMIT", MOMENT)
    async with connection.transaction():
        await connection.execute("LOCK TABLE ra_odds_changes")
        answer = await api.get(URL)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (await api.get(URL)).status_code == 200
