import asyncio
import csv
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from darkhorses.export.files import CannotWriteError, write_whole
from darkhorses.export.formats import ExportFormat
from darkhorses.export.parquet import ROWS_IN_A_GROUP
from darkhorses.export.streaming import exported
from darkhorses.store.errors import DatabaseUnavailableError
from darkhorses.store.exporting import ExportQuery, ExportTable, open_exports
from darkhorses.store.pool import Connection, Database
from tests.commands import darkhorses
from tests.history import FIRST_DAY, fill_changes, fill_history
from tests.poolers import pgbouncer

CHANGES = ExportQuery(table=ExportTable.ODDS_CHANGES)


@pytest.fixture
async def exports(database: Database) -> AsyncIterator[Database]:
    exports = await open_exports(database, connections=1)
    yield exports
    await exports.close()


async def text_of(exports: Database, query: ExportQuery, export_format: ExportFormat) -> str:
    return b"".join([piece async for piece in exported(exports, query, export_format)]).decode()


async def rows_of(connection: Connection, table: str, order: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY {order}")]  # noqa: S608  # names of ours


@pytest.mark.parametrize(
    ("table", "relation", "order"),
    [
        (ExportTable.HISTORICAL_ODDS, "ra_odds_historical", "date_of_race, race_id, horse_id"),
        (ExportTable.RESULTS, "ra_results", "race_date, off_dt, race_id"),
        (ExportTable.RACE_DAYS, "race_days", "race_date, region"),
        (ExportTable.ODDS_CHANGES, "ra_odds_changes", "change_id"),
    ],
)
async def test_every_table_reads_back_equal_from_parquet(
    exports: Database,
    connection: Connection,
    tmp_path: Path,
    *,
    table: ExportTable,
    relation: str,
    order: str,
) -> None:
    await fill_history(connection)
    await fill_changes(connection, 7_000)
    path = tmp_path / "export.parquet"

    await write_whole(exported(exports, ExportQuery(table=table), ExportFormat.PARQUET), path)

    expected = await rows_of(connection, relation, order)
    assert len(expected) > 5
    assert pq.read_table(path).to_pylist() == expected


async def test_duckdb_and_pandas_read_the_changes_back_equal(
    exports: Database, connection: Connection, tmp_path: Path
) -> None:
    await fill_changes(connection, ROWS_IN_A_GROUP + 5_000)
    path = tmp_path / "changes.parquet"
    await write_whole(exported(exports, CHANGES, ExportFormat.PARQUET), path)
    expected = await rows_of(connection, "ra_odds_changes", "change_id")

    with duckdb.connect() as duck:
        duck.execute("SET TimeZone = 'UTC'")
        found = duck.sql("SELECT * FROM read_parquet($1)", params=[str(path)])
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        table: Any = found.to_arrow_table()
        assert table.to_pylist() == expected
    assert (types["odds_decimal"], types["seen_at"], types["race_date"]) == (
        "DECIMAL(10,3)",
        "TIMESTAMP WITH TIME ZONE",
        "DATE",
    )

    frame = pd.read_parquet(path)
    assert frame["odds_decimal"].where(frame["odds_decimal"].notna(), None).tolist() == [
        row["odds_decimal"] for row in expected
    ]
    assert [at.to_pydatetime() for at in frame["seen_at"]] == [row["seen_at"] for row in expected]
    assert frame["race_date"].tolist() == [row["race_date"] for row in expected]
    assert frame["change_id"].tolist() == [row["change_id"] for row in expected]


async def test_ndjson_has_a_row_to_a_line_with_exact_numbers(
    exports: Database, connection: Connection
) -> None:
    await fill_history(connection)
    query = ExportQuery(table=ExportTable.RESULTS)

    lines = (await text_of(exports, query, ExportFormat.NDJSON)).splitlines()

    expected = await rows_of(connection, "ra_results", "race_date, off_dt, race_id")
    found = [json.loads(line, parse_float=Decimal) for line in lines]
    assert [row["race_id"] for row in found] == [row["race_id"] for row in expected]
    assert found[0].keys() == expected[0].keys()
    assert found[0]["distance_f"] == Decimal("16.5")
    assert found[0]["tote"] == {"win": "3.40"}
    assert found[0]["race_class"] is None
    assert datetime.fromisoformat(found[0]["off_dt"]) == expected[0]["off_dt"]
    assert found[0]["off_dt"].endswith("Z")


async def test_csv_has_a_header_empty_fields_for_null_and_quotes_where_needed(
    exports: Database, connection: Connection
) -> None:
    await fill_history(connection, days=1, races=1, runners=2)
    await connection.execute("""UPDATE ra_odds_historical SET race_name = 'The "Big", One'""")
    query = ExportQuery(table=ExportTable.HISTORICAL_ODDS)

    text = await text_of(exports, query, ExportFormat.CSV)

    first, second = csv.DictReader(io.StringIO(text, newline=""))
    expected, _ = await rows_of(connection, "ra_odds_historical", "race_id, horse_id")
    assert list(first) == list(expected)
    assert first["race_name"] == 'The "Big", One'
    assert (first["bsp"], first["is_non_runner"], first["date_of_race"]) == (
        "2.555",
        "false",
        "2026-03-01",
    )
    assert (second["bsp"], second["is_non_runner"]) == ("", "true")
    assert datetime.fromisoformat(first["off_dt"]) == expected["off_dt"]
    assert first["off_dt"].endswith("Z")


@pytest.mark.parametrize(
    ("table", "filters", "count"),
    [
        (ExportTable.HISTORICAL_ODDS, {"course": "course 1"}, 10),
        (ExportTable.HISTORICAL_ODDS, {"horse": "HORSE 1_2 3"}, 1),
        (ExportTable.HISTORICAL_ODDS, {"trainer": "Nobody"}, 0),
        (ExportTable.RESULTS, {"region": "gb"}, 4),
        (ExportTable.RACE_DAYS, {"region": "ire"}, 2),
        (ExportTable.ODDS_CHANGES, {"bookmaker": "bookmaker3"}, 36),
        (ExportTable.ODDS_CHANGES, {"race_id": "rac_0"}, 1_000),
    ],
)
async def test_days_and_filters_choose_the_rows(
    exports: Database,
    connection: Connection,
    table: ExportTable,
    filters: dict[str, str],
    count: int,
) -> None:
    await fill_history(connection)
    await fill_changes(connection, 1_000)
    last = date(2026, 3, 2)
    query = ExportQuery(table=table, from_day=FIRST_DAY, to_day=last, filters=filters)

    lines = (await text_of(exports, query, ExportFormat.NDJSON)).splitlines()

    assert len(lines) == count
    assert all(FIRST_DAY.isoformat() in line or last.isoformat() in line for line in lines)


async def test_an_export_is_one_snapshot_whatever_is_written_meanwhile(
    exports: Database, connection: Connection
) -> None:
    await fill_changes(connection, 12_000)
    totals: list[int] = []
    pieces = exported(exports, CHANGES, ExportFormat.NDJSON, on_total=totals.append)
    before = [await anext(pieces), await anext(pieces)]
    await fill_changes(connection, 500)

    text = b"".join([*before, *[piece async for piece in pieces]])

    assert (text.count(b"\n"), totals) == (12_000, [12_000])


async def test_no_rows_are_a_whole_file_too(exports: Database, tmp_path: Path) -> None:
    for export_format in ExportFormat:
        await write_whole(exported(exports, CHANGES, export_format), tmp_path / export_format)

    assert (tmp_path / "csv").read_text().startswith("change_id,race_date,")
    assert (tmp_path / "ndjson").read_text() == ""
    assert pq.read_table(tmp_path / "parquet").num_rows == 0


async def test_a_database_that_goes_away_leaves_no_file_and_what_stood_there(
    exports: Database, connection: Connection, tmp_path: Path
) -> None:
    await fill_changes(connection, 12_000)
    path = tmp_path / "changes.csv"
    path.write_text("of yesterday")

    async def cut_off() -> AsyncGenerator[bytes]:
        async for piece in exported(exports, CHANGES, ExportFormat.CSV):
            yield piece
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'darkhorses export'"
            )

    with pytest.raises(DatabaseUnavailableError):
        await write_whole(cut_off(), path)

    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == [path]
    assert path.read_text() == "of yesterday"


async def test_a_file_that_is_not_to_be_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    path.write_text("mine")

    async def pieces() -> AsyncGenerator[bytes]:
        yield b"yours"

    with pytest.raises(CannotWriteError, match="exists already"):
        await write_whole(pieces(), path, replace=False)

    assert path.read_text() == "mine"


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        yield b"x"

    with pytest.raises(CannotWriteError, match="cannot write"):
        await write_whole(pieces(), tmp_path / "nowhere" / "x.csv")


async def test_exports_work_through_a_transaction_pooler(
    database_url: str, connection: Connection
) -> None:
    await fill_history(connection)
    await fill_changes(connection, 12_000)
    with pgbouncer(database_url, "transaction") as url:
        pooled = await Database.open(url, max_connections=2, transaction_pooler=True)
        exports = await open_exports(pooled, connections=2)
        for table in (*ExportTable, *ExportTable):
            text = await text_of(exports, ExportQuery(table=table), ExportFormat.NDJSON)
            assert text
        await exports.close()
        await pooled.close()


async def test_the_command_writes_a_file_by_its_name_and_says_what_it_holds(
    connection: Connection, database_url: str, tmp_path: Path
) -> None:
    await fill_changes(connection, 40_000)
    path = tmp_path / "changes.parquet"

    done = darkhorses(
        "export", "odds-changes", "--from", "2026-03-02", "--out", str(path),
        DATABASE_URL=database_url,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "20,000 rows" in done.stderr.splitlines()[-1]
    table = pq.read_table(path)
    assert set(table["race_date"].to_pylist()) == {date(2026, 3, 2)}
    assert str(table.schema.field("seen_at").type) == "timestamp[us, tz=UTC]"


async def test_the_command_writes_to_stdout(connection: Connection, database_url: str) -> None:
    await fill_history(connection)

    done = darkhorses(
        "export", "race-days", "--format", "ndjson", "--out", "-", DATABASE_URL=database_url
    )

    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["region"] for line in done.stdout.splitlines()] == ["gb", "ire"] * 3


def test_days_in_the_wrong_order_are_a_wrong_usage() -> None:
    done = darkhorses(
        "export", "results", "--from", "2026-03-02", "--to", "2026-03-01", "--out", "-"
    )

    assert done.returncode == 2
    assert "--from is after --to" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["historical-odds", "--course", "Course 1", "--from", "2026-03-01"], 10),
        (["historical-odds", "--trainer", "trainer 6", "--jockey", "jockey 10"], 3),
        (["results", "--region", "ire"], 6),
        (["odds-changes", "--bookmaker", "BOOKMAKER 3", "--race-id", "rac_1"], 36),
    ],
)
async def test_the_commands_filters_choose_the_rows(
    connection: Connection, database_url: str, arguments: list[str], count: int
) -> None:
    await fill_history(connection)
    await fill_changes(connection, 2_000)

    done = darkhorses(
        "export", *arguments, "--format", "ndjson", "--out", "-", DATABASE_URL=database_url
    )

    assert (done.returncode, len(done.stdout.splitlines())) == (0, count), done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["results", "--bookmaker", "Bet365"], "--bookmaker does not apply to results, only to "),
        (["odds-changes", "--bookmaker", "!"], "--bookmaker "),
        (["race-days", "--race-id", "rac_1"], "--race-id does not apply to race-days"),
    ],
)
def test_a_filter_of_another_table_is_a_wrong_usage(arguments: list[str], said: str) -> None:
    done = darkhorses("export", *arguments, "--out", "-")

    assert done.returncode == 2
    assert said in done.stderr
