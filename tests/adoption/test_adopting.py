"""A database of the earlier system, migrated: nothing is lost, what fits is there, once."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from darkhorses.domain.london import instant_of
from darkhorses.store.adoption import Adoption, current_adoption
from darkhorses.store.errors import DatabaseBusyError, StoreError
from darkhorses.store.migrations import migrate, require_current_schema, schema_state
from darkhorses.store.pool import Database
from darkhorses.store.writing import adoption
from tests.commands import darkhorses
from tests.earlier import DAY, FIRST_PAST_DAY, TABLES, contents, make_earlier_system
from tests.market import StoppedClock

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)


@pytest.fixture
async def earlier(empty_database_url: str) -> AsyncIterator[Database]:
    """The earlier system's database, opened."""
    await make_earlier_system(empty_database_url)
    database = await Database.open(empty_database_url, max_connections=3)
    yield database
    await database.close()


async def adopt(database: Database, **options: Any) -> Adoption:
    await migrate(database)
    await adoption.bring_over(database, clock=StoppedClock(NOW), **options)
    async with database.connection() as connection:
        found = await current_adoption(connection)
    assert found is not None
    return found


async def rows(database: Database, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    async with database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(sql, *values)]


async def brought(database: Database) -> list[list[tuple[Any, ...]]]:
    """Everything that was brought over, but for numbers given and the present time."""
    return [
        await rows(database, "SELECT * FROM ra_bookmakers ORDER BY 1"),
        await rows(database, "SELECT * FROM ra_odds_historical ORDER BY race_id, horse_id"),
        await rows(database, "SELECT * FROM race_days ORDER BY 1, 2"),
        await rows(
            database,
            "SELECT fetch_timestamp, total_odds_fetched, bookmaker_list FROM ra_odds_statistics"
            " ORDER BY 1, 2",
        ),
    ]


async def test_every_row_is_kept_as_it_was_under_a_new_name(
    earlier: Database, empty_database_url: str
) -> None:
    before = await contents(empty_database_url, "public")

    found = await adopt(earlier)

    assert await contents(empty_database_url, "darkhorses_legacy") == before
    assert {table.name: table.rows_kept for table in found.tables} == {
        name: len(before[name]) for name in TABLES
    }
    assert [table.kept_as for table in found.tables] == [f"darkhorses_legacy.{n}" for n in TABLES]
    await require_current_schema(earlier)


async def test_what_became_of_every_row_is_told_with_its_reason(earlier: Database) -> None:
    found = {table.name: table for table in (await adopt(earlier)).tables}

    assert all(table.finished for table in found.values())
    assert {name: table.rows_seen for name, table in found.items()} == {
        name: table.rows_kept for name, table in found.items()
    }
    assert found["ra_bookmakers"].rows_left == {
        "a bookmaker name without a letter or digit": 1,
        "another row tells of the same": 1,
    }
    assert found["ra_odds_statistics"].rows_left == {
        "another row tells of the same": 1,
        "changed_count is not said": 1,
        "no time of the fetch": 1,
        "of a single race, not of a whole card": 1,
    }
    assert found["ra_odds_live"].rows_brought == 0
    assert found["ra_odds_historical"].rows_left == dict.fromkeys(
        (
            "another row tells of the same",
            "no country",
            "no course",
            "no day of the race",
            "no name of the horse",
            "no number of runners",
            "no time of the race",
        ),
        1,
    )
    assert found["ra_odds_historical"].facts_left_out == {
        "sp_win_return": 21, "age": 1, "finishing_position": 1, "industry_sp": 1, "weight": 1,
        "winning_distance": 1,
    }  # fmt: skip


async def test_bookmakers_come_over_under_the_ids_that_ours_have(earlier: Database) -> None:
    await adopt(earlier)

    quoted = datetime(2024, 6, 12, 12, tzinfo=UTC)
    found = await rows(
        earlier,
        "SELECT bookmaker_id, bookmaker_type, active, last_quoted_at FROM ra_bookmakers ORDER BY 1",
    )
    assert found == [
        ("bet365", "fixed", True, found[0][3]),
        ("betfairexchange", "exchange", True, quoted),
        ("nobodyknowsbet", "fixed", True, quoted),
        ("skybet", "fixed", False, None),
        ("x", "fixed", False, None),
    ]


async def test_a_past_runner_of_the_live_prices_gets_the_feeds_ids(earlier: Database) -> None:
    await adopt(earlier)

    found = await rows(
        earlier,
        "SELECT race_id, horse_id, off_dt, age, weight, race_class, industry_sp, position_no,"
        " sp_win_return, ip_max, data_source FROM ra_odds_historical WHERE date_of_race = $1"
        " ORDER BY race_id, horse_id LIMIT 2",
        DAY,
    )
    off = instant_of(DAY, time(14, 30))
    winner, second = found
    assert [str(value) for value in winner] == [
        "rac_1", "hrs_11", str(off), "5", "9-1", "Class 4", "3.000", "1", "3.0000", "20.000",
        "earlier",
    ]  # fmt: skip
    # -1 is the profit of a loser, and no return.
    assert (second[1], second[7], second[8]) == ("hrs_12", 2, None)


async def test_other_past_runners_get_ids_made_of_their_words(earlier: Database) -> None:
    await adopt(earlier)

    (row,) = await rows(
        earlier,
        "SELECT race_id, horse_id, country, race_time, runners_count, weight,"
        " industry_sp_fractional, finishing_position, sp_win_return FROM ra_odds_historical"
        " WHERE horse_name = 'Past 0-5-1'",
    )
    assert [str(value) for value in row] == [
        "earlier_20150103_course5_1315", "earlier_past051", "IRE", "13:15", "10", "9-4", "9/4",
        "1", "3.2500",
    ]  # fmt: skip


async def test_days_of_the_earlier_system_stand_in_the_ledger_as_missing_with_their_rows(
    earlier: Database,
) -> None:
    await adopt(earlier)

    assert await rows(
        earlier,
        "SELECT race_date, region, cards, results, races_count, rows_count, checked_at"
        " FROM race_days WHERE race_date = ANY($1) ORDER BY 1, 2",
        [FIRST_PAST_DAY, date(2016, 1, 2), DAY],
    ) == [
        (FIRST_PAST_DAY, "gb", "missing", "missing", 4, 40, None),
        (FIRST_PAST_DAY, "ire", "missing", "missing", 1, 10, None),
        (date(2016, 1, 2), "gb", "missing", "missing", 1, 2, None),
        (date(2016, 1, 2), "ire", "missing", "missing", 1, 1, None),
        (DAY, "gb", "missing", "missing", 3, 24, None),
    ]


async def test_last_prices_do_not_pretend_to_be_the_path_of_prices(earlier: Database) -> None:
    await adopt(earlier)

    assert await rows(earlier, "SELECT * FROM ra_odds_changes") == []
    assert await rows(earlier, "SELECT * FROM ra_odds_live") == []


async def test_views_and_tables_that_refer_to_the_old_ones_go_on_and_are_named(
    earlier: Database,
) -> None:
    found = await adopt(earlier)

    assert [(each.kind, each.what, each.refers_to) for each in found.dependents] == [
        ("foreign key", "my_bets", "ra_bookmakers"),
        ("view", "ra_odds_live_latest", "ra_odds_live"),
    ]
    assert len(await rows(earlier, "SELECT * FROM ra_odds_live_latest")) > 24
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await rows(earlier, "INSERT INTO my_bets (bookmaker_id) VALUES ('unheard of')")


async def test_running_it_again_brings_nothing_twice_and_reports_the_same(
    earlier: Database,
) -> None:
    first = await adopt(earlier)
    before = await brought(earlier)

    assert await adopt(earlier) == first
    assert await brought(earlier) == before


async def test_block_by_block_it_brings_what_it_brings_at_once(earlier: Database) -> None:
    stretches: list[adoption.Stretch] = []
    found = await adopt(earlier, blocks_at_once=1, progress=stretches.append)
    step_by_step = await brought(earlier)

    assert len(stretches) > 8
    async with earlier.transaction() as connection:
        await connection.execute(
            "TRUNCATE ra_bookmakers, ra_odds_historical, race_days, ra_odds_statistics,"
            " adoption_outcomes, adoption_runners;"
            "UPDATE adopted_tables SET next_block = 0, finished_at = NULL"
        )
    assert await adopt(earlier) == found
    at_once = await brought(earlier)
    # Who quotes is known since when, not when it was written here.
    assert at_once[1:] == step_by_step[1:]
    assert [row[:5] for row in at_once[0]] == [row[:5] for row in step_by_step[0]]


async def test_two_at_once_take_turns(earlier: Database) -> None:
    await migrate(earlier)
    bring = adoption.bring_over

    await asyncio.gather(
        *(bring(earlier, clock=StoppedClock(NOW), blocks_at_once=1) for _ in range(2))
    )

    found = {table.name: table for table in (await adopt(earlier)).tables}
    assert {name: table.rows_seen for name, table in found.items()} == {
        name: table.rows_kept for name, table in found.items()
    }


async def test_a_status_names_what_would_be_adopted_and_touches_nothing(
    earlier: Database, empty_database_url: str
) -> None:
    before = await contents(empty_database_url, "public")

    told = await asyncio.to_thread(
        darkhorses, "migrate", "--status", "--json", DATABASE_URL=empty_database_url
    )

    assert told.returncode == 3
    waiting = msgspec.json.decode(told.stdout)["adoption"]["waiting"]
    assert [table["name"] for table in waiting] == list(TABLES)
    assert await contents(empty_database_url, "public") == before
    async with earlier.connection() as connection:
        assert (await schema_state(connection)).applied == ()


async def test_a_table_of_somebody_else_in_the_way_stops_it_before_anything_is_changed(
    earlier: Database, empty_database_url: str
) -> None:
    await rows(earlier, "CREATE TABLE ra_races (race_id text)")
    before = await contents(empty_database_url, "public")

    with pytest.raises(StoreError, match="others of names that we need, ra_races"):
        await migrate(earlier)

    assert await contents(empty_database_url, "public") == before


async def test_a_database_without_the_earlier_system_has_nothing_to_adopt(
    database: Database,
) -> None:
    async with database.connection() as connection:
        assert await current_adoption(connection) is None
    await adoption.bring_over(database, clock=StoppedClock(NOW))


async def test_workers_of_the_earlier_system_that_still_write_are_waited_for(
    earlier: Database, empty_database_url: str
) -> None:
    before = await contents(empty_database_url, "public")
    async with earlier.transaction() as writing:
        await writing.execute("UPDATE ra_odds_live SET odds_decimal = odds_decimal")
        other = await Database.open(empty_database_url, max_connections=1)
        with pytest.raises(DatabaseBusyError, match="stop its workers"):
            await migrate(other, lock_timeout=timedelta(milliseconds=50))
        await other.close()

    assert await contents(empty_database_url, "public") == before


async def test_killed_in_the_middle_it_goes_on_where_it_was(empty_database_url: str) -> None:
    await make_earlier_system(empty_database_url, past_days=60)
    database = await Database.open(empty_database_url, max_connections=3)
    whole = await contents(empty_database_url, "public")
    killed = 0
    async with database.transaction() as reading:
        await reading.execute("SELECT FROM ra_odds_live")
        process = await _migrating(empty_database_url)
        await _until_waiting(database, "ra_odds_live")
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert await contents(empty_database_url, "public") == whole
    for table in ("ra_bookmakers", "ra_odds_statistics", "ra_odds_historical"):
        await migrate(database)
        async with database.transaction() as holding:
            await holding.execute(f"LOCK TABLE public.{table} IN SHARE MODE")
            process = await _migrating(empty_database_url)
            await _until_waiting(database, table)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            killed += 1
    await _until_alone(database)

    last = await _migrating(empty_database_url)
    output, _ = await last.communicate()
    assert last.returncode == 0
    found = msgspec.json.decode(output)["adoption"]["tables"]

    assert killed == 3
    assert await contents(empty_database_url, "darkhorses_legacy") == whole
    assert all(table["finished"] for table in found)
    historical = next(table for table in found if table["name"] == "ra_odds_historical")
    assert historical["rows_brought"] == 24 + 60 * 50 + 3
    assert [(historical["rows_brought"],)] == await rows(
        database, "SELECT count(*) FROM ra_odds_historical"
    )
    await database.close()


async def _migrating(url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "darkhorses", "migrate", "--json",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.defpath, "DATABASE_URL": url},
    )  # fmt: skip


async def _until_waiting(database: Database, table: str) -> None:
    waits = "SELECT count(*) FROM pg_locks WHERE relation = $1::text::regclass AND NOT granted"
    async with asyncio.timeout(60), database.connection() as watching:
        while not await watching.fetchval(waits, f"public.{table}"):
            await watching.execute("SELECT pg_sleep(0.01)")


async def _until_alone(database: Database) -> None:
    """Until the server has noticed that those who were killed are gone."""
    others = (
        "SELECT count(*) FROM pg_locks WHERE relation = 'adopted_tables'::regclass"
        " AND pid <> pg_backend_pid()"
    )
    async with asyncio.timeout(60), database.connection() as watching:
        while await watching.fetchval(others):
            await watching.execute("SELECT pg_sleep(0.01)")
