import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.retention import Retention
from darkhorses.export.files import CannotWriteError
from darkhorses.export.formats import ExportFormat
from darkhorses.export.verifying import FileOfChanges, NotVerifiedError, read_back
from darkhorses.store.errors import DatabaseBusyError
from darkhorses.store.exporting import open_exports
from darkhorses.store.past_prices import change_log_of
from darkhorses.store.pool import Connection, Database
from darkhorses.store.writing.partitions import move_into_partition
from darkhorses.worker.retention import Months, MonthsKept, export_month
from tests.commands import darkhorses
from tests.market import NOON, MarketWriter, StoppedClock, card, race, runner

JUNE = "ra_odds_changes_2026_06"
AHEAD = [JUNE, "ra_odds_changes_2026_07", "ra_odds_changes_2026_08"]
APRIL, MAY = "ra_odds_changes_2026_04", "ra_odds_changes_2026_05"


async def add_changes(connection: Connection, *days: date, count: int = 100) -> None:
    """So many changes of a race on each day, wherever they land."""
    await connection.execute(
        "INSERT INTO ra_odds_changes (race_date, race_id, horse_id, bookmaker_id, odds_decimal,"
        " odds_fractional, changed_at, seen_at, source)"
        " SELECT day, 'rac_' || day, 'hrs_1', 'bet365', 1.5 + n, NULL, day + n * interval '1 min',"
        " day + n * interval '1 min', 'poll'"
        " FROM unnest($1::date[]) AS day, generate_series(1, $2) AS n",
        list(days),
        count,
    )


async def make(connection: Connection, *days: date) -> None:
    for day in days:
        await connection.execute("SELECT ensure_odds_changes_partition($1)", day)


def months(database: Database, retention: Retention | None = None) -> Months:
    return Months(database, retention, asyncio.Lock(), StoppedClock(NOON))


async def partitions(connection: Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
        " WHERE inhparent = 'odds_log'::regclass ORDER BY 1"
    )
    return [row["name"] for row in rows if row["name"] != "ra_odds_changes_default"]


async def count(connection: Connection, table: str = "ra_odds_changes") -> int:
    found: int = await connection.fetchval(f'SELECT count(*) FROM "{table}"')  # noqa: S608
    return found


async def test_the_coming_months_are_made_ahead_and_once(
    database: Database, connection: Connection
) -> None:
    assert await months(database).keep() == MonthsKept(made=AHEAD)
    assert await months(database).keep() == MonthsKept()
    assert await partitions(connection) == AHEAD


async def test_a_month_made_ahead_is_as_one_made_by_a_write(
    database: Database, connection: Connection
) -> None:
    await make(connection, date(2026, 5, 1))
    await months(database).keep()
    shapes = [
        await connection.fetch(
            """
            SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull, attidentity,
                (
                    SELECT string_agg(pg_get_constraintdef(oid), ';' ORDER BY conname)
                    FROM pg_constraint WHERE conrelid = attrelid
                ) AS constraints,
                (
                    SELECT string_agg(
                        regexp_replace(pg_get_indexdef(indexrelid), 'INDEX .* USING', ''), ';'
                        ORDER BY indisprimary
                    )
                    FROM pg_index WHERE indrelid = attrelid
                ) AS indexes
            FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0
            ORDER BY attnum
            """,
            name,
        )
        for name in (MAY, JUNE)
    ]

    assert shapes[0][0]["indexes"].count(";") == 1
    assert [[tuple(row) for row in shape] for shape in shapes] == [
        [tuple(row) for row in shapes[0]]
    ] * 2


async def test_rows_in_the_default_partition_move_to_their_month_and_stay_the_same(
    database: Database, connection: Connection
) -> None:
    await add_changes(connection, date(2026, 4, 1), date(2026, 4, 30), date(2026, 6, 20))
    before = await connection.fetch("SELECT * FROM ra_odds_changes ORDER BY change_id")

    done = await months(database).keep()

    assert done == MonthsKept(made=[APRIL, *AHEAD], moved=300)
    assert await connection.fetch("SELECT * FROM ra_odds_changes ORDER BY change_id") == before
    assert await count(connection, "ra_odds_changes_default") == 0
    assert (await count(connection, APRIL), await count(connection, JUNE)) == (200, 100)
    await add_changes(connection, date(2026, 4, 2))
    newest = await connection.fetchval("SELECT max(change_id) FROM ra_odds_changes")
    assert newest > before[-1]["change_id"]


async def test_live_odds_are_written_while_a_month_is_moved(
    database: Database, connection: Connection
) -> None:
    await make(connection, NOON.date())
    await add_changes(connection, date(2026, 4, 1))
    writer = await MarketWriter.leading(database)
    writing = asyncio.Lock()
    async with writing:
        moving = asyncio.create_task(
            move_into_partition(database, date(2026, 4, 1), writing=writing)
        )
        while not writing._waiters:
            await connection.fetchval("SELECT 1")
        # The rows are moved by now, in a transaction that waits to attach them.
        await writer.look(
            card(race(off_dt=NOON + timedelta(hours=1)), (runner("Ada", 1), {"Bet365": "4/1"})),
            seen_at=NOON,
        )
        await make(connection, date(2026, 4, 7))
    assert await moving == 100
    assert await count(connection) == 101
    assert await partitions(connection) == [APRIL, JUNE]


async def test_a_month_that_is_written_to_while_it_is_moved_stays_where_it_is(
    database: Database, connection: Connection
) -> None:
    await add_changes(connection, date(2026, 4, 1))
    writing = asyncio.Lock()
    async with writing:
        moving = asyncio.create_task(
            move_into_partition(database, date(2026, 4, 1), writing=writing)
        )
        while not writing._waiters:
            await connection.fetchval("SELECT 1")
        await add_changes(connection, date(2026, 4, 2))
    with pytest.raises(DatabaseBusyError, match="written while it was moved"):
        await moving
    assert await partitions(connection) == []
    assert await count(connection) == 200

    assert (await months(database).keep()).moved == 200


async def test_a_reader_that_does_not_let_go_holds_live_odds_up_for_seconds_only(
    database: Database, connection: Connection, database_url: str
) -> None:
    await add_changes(connection, date(2026, 4, 1))
    reader = await asyncpg.connect(database_url)
    try:
        async with reader.transaction():
            await reader.fetch("SELECT count(*) FROM ra_odds_changes_default")
            with pytest.raises(DatabaseBusyError):
                await months(database).keep()
    finally:
        await reader.close()
    assert await count(connection) == 100
    assert (await months(database).keep()).made == [APRIL, *AHEAD]


async def test_nothing_is_ever_retired_by_default(
    database: Database, connection: Connection
) -> None:
    await make(connection, date(2020, 1, 1))
    await add_changes(connection, date(2020, 1, 1))

    assert await months(database).keep() == MonthsKept(made=AHEAD)
    assert await count(connection) == 100


async def test_an_old_month_is_detached_and_readers_go_on_without_it(
    database: Database, connection: Connection
) -> None:
    await make(connection, date(2026, 4, 1), date(2026, 5, 1))
    await add_changes(connection, date(2026, 4, 1), date(2026, 5, 1))
    april = RaceId("rac_2026-04-01")
    assert await change_log_of(connection, date(2026, 4, 1), april)

    done = await months(database, Retention(months=1)).keep()

    assert (done.made, done.detached, done.dropped) == (AHEAD, [APRIL], [])
    # On the connection that has read it before, by a statement that was prepared then.
    assert await change_log_of(connection, date(2026, 4, 1), april) == {}
    assert await count(connection) == 100
    assert await count(connection, APRIL) == 100
    assert await months(database, Retention(months=1)).keep() == MonthsKept()


async def test_late_rows_of_a_detached_month_are_kept_in_the_default_partition(
    database: Database, connection: Connection
) -> None:
    await make(connection, date(2026, 4, 1))
    await months(database, Retention(months=1)).keep()

    await make(connection, date(2026, 4, 2))
    await add_changes(connection, date(2026, 4, 2))

    assert await months(database, Retention(months=1)).keep() == MonthsKept()
    assert await months(database).keep() == MonthsKept()
    assert await count(connection, "ra_odds_changes_default") == 100


@pytest.mark.parametrize("export_format", [ExportFormat.PARQUET, ExportFormat.NDJSON])
async def test_an_old_month_is_dropped_once_it_stands_in_a_file(
    database: Database,
    connection: Connection,
    tmp_path: Path,
    export_format: ExportFormat,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("darkhorses.worker.retention.best_for_archives", lambda: export_format)
    await make(connection, date(2026, 4, 1), date(2026, 5, 1))
    await add_changes(connection, date(2026, 4, 1), date(2026, 4, 30), date(2026, 5, 1))
    newest = await connection.fetchval("SELECT max(change_id) FROM ra_odds_changes_2026_04")
    archive = tmp_path / "archive"

    done = await months(database, dropping(archive)).keep()

    path = archive / f"{APRIL}.{export_format}"
    assert (done.detached, done.dropped, done.files) == ([], [APRIL], [str(path)])
    assert read_back(path, export_format) == FileOfChanges(rows=200, newest=newest)
    assert await count(connection) == 100
    assert await connection.fetchval("SELECT to_regclass($1) IS NULL", APRIL)


def dropping(archive: Path) -> Retention:
    return Retention(months=1, drop_into=archive)


async def export_april(database: Database, path: Path) -> None:
    exports = await open_exports(database, connections=1)
    await export_month(exports, date(2026, 4, 1), path, ExportFormat.PARQUET)
    await exports.close()


async def test_a_file_from_a_run_that_was_stopped_is_taken_if_it_is_the_month(
    database: Database, connection: Connection, tmp_path: Path
) -> None:
    await make(connection, date(2026, 4, 1))
    await add_changes(connection, date(2026, 4, 1))
    one = months(database, dropping(tmp_path))
    path = tmp_path / f"{APRIL}.parquet"
    await export_april(database, path)
    written = path.stat().st_mtime_ns

    assert (await one.keep()).dropped == [APRIL]
    assert path.stat().st_mtime_ns == written


async def test_a_file_that_is_not_the_month_is_left_and_nothing_is_dropped(
    database: Database, connection: Connection, tmp_path: Path
) -> None:
    await make(connection, date(2026, 4, 1))
    await add_changes(connection, date(2026, 4, 1))
    one = months(database, dropping(tmp_path))
    path = tmp_path / f"{APRIL}.parquet"
    await export_april(database, path)
    before = path.read_bytes()
    await add_changes(connection, date(2026, 4, 1), count=1)

    with pytest.raises(NotVerifiedError, match=r"holds 100 changes .* has 101 .* nothing was"):
        await one.keep()
    assert await count(connection) == 101
    path.write_bytes(before[:-100])
    with pytest.raises(NotVerifiedError, match="cannot be read back"):
        await one.keep()
    assert await count(connection, APRIL) == 101


async def test_a_folder_that_cannot_be_made_drops_nothing(
    database: Database, connection: Connection, tmp_path: Path
) -> None:
    await make(connection, date(2026, 4, 1))
    (tmp_path / "file").touch()

    with pytest.raises(CannotWriteError, match="cannot make"):
        await months(database, dropping(tmp_path / "file" / "archive")).keep()
    assert await partitions(connection) == [APRIL, *AHEAD]


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    database: Database, connection: Connection, tmp_path: Path
) -> None:
    await make(connection, date(2026, 4, 1))
    await add_changes(connection, date(2026, 5, 1))

    done = await months(database, dropping(tmp_path)).keep(dry_run=True)

    assert (done.made, done.dropped) == ([MAY, *AHEAD], [APRIL])
    assert await partitions(connection) == [APRIL]
    assert not (tmp_path / done.files[0]).exists()


async def test_the_command_does_the_same_once(database: Database, database_url: str) -> None:
    old = datetime.now(UTC).date() - timedelta(days=200)  # noqa: TID251  # a process's clock
    name = f"ra_odds_changes_{old:%Y_%m}"
    async with database.connection() as connection:
        await make(connection, old)
    environment = {"DATABASE_URL": database_url, "DARKHORSES_RETENTION_MONTHS": "3"}

    dry = await asyncio.to_thread(darkhorses, "retention", "--dry-run", **environment)
    done = await asyncio.to_thread(darkhorses, "retention", "--json", **environment)

    assert (dry.returncode, done.returncode) == (0, 0)
    assert f"would be detached: {name}" in dry.stdout
    found = json.loads(done.stdout)
    assert (found["dry_run"], found["detached"], len(found["made"])) == (False, [name], 3)


def test_dropping_without_a_folder_is_a_wrong_setting(database_url: str) -> None:
    refused = darkhorses(
        "retention",
        DATABASE_URL=database_url,
        DARKHORSES_RETENTION_MONTHS="3",
        DARKHORSES_RETENTION_ACTION="drop",
    )

    assert refused.returncode == 2
    assert refused.stderr.startswith("darkhorses: DARKHORSES_RETENTION_DIR: not set, expected")
