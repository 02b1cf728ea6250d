import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from darkhorses.store.errors import (
    DatabaseBusyError,
    SchemaOutdatedError,
    SchemaTooNewError,
    StoreError,
)
from darkhorses.store.migrations import (
    migrate,
    migrations_directory,
    require_current_schema,
    schema_state,
)
from darkhorses.store.pool import Database
from tests.poolers import direct, pgbouncer

NAMES = sorted(path.stem for path in migrations_directory().glob("*.sql"))

CONTRACT = {
    "ra_courses": "course_id course region_code region",
    "ra_bookmakers": "bookmaker_id bookmaker_name bookmaker_type active created_at",
    "ra_races": (
        "race_id race_date off_dt off_time course_id course region race_name race_class race_type "
        "pattern distance distance_f going surface age_band rating_band prize field_size "
        "race_status is_abandoned checked_at created_at updated_at"
    ),
    "ra_runners": (
        "race_id horse_id horse_name horse_number draw jockey jockey_id trainer trainer_id age "
        "weight_lbs headgear form official_rating silk_url is_non_runner non_runner_at updated_at"
    ),
    "ra_odds_live": (
        "race_id horse_id bookmaker_id odds_decimal odds_fractional ew_places ew_denom "
        "market_status in_play odds_timestamp fetched_at updated_at"
    ),
    "ra_odds_changes": (
        "change_id race_date race_id horse_id bookmaker_id odds_decimal odds_fractional changed_at "
        "seen_at source"
    ),
    "ra_odds_historical": (
        "race_id horse_id date_of_race country track race_time race_name going race_type distance "
        "race_class runners_count horse_name official_rating age weight jockey trainer headgear "
        "stall_number sp_favorite_position industry_sp finishing_position winning_distance ip_min "
        "ip_max pre_race_min pre_race_max forecasted_odds sp_win_return ew_return place_return "
        "data_source created_at updated_at match_timestamp bsp position_no opening_price "
        "closing_price"
    ),
    "ra_odds_statistics": (
        "id fetch_timestamp races_count horses_count bookmakers_found total_odds_fetched "
        "changed_count bookmaker_list fetch_duration_ms errors_count"
    ),
    "quarantine": "kind race_id horse_id reason payload",
    "worker_heartbeats": "worker_id hostname pid version role started_at beat_at jobs",
    "worker_lease": "name holder epoch expires_at",
    "job_runs": "job race_day started_at finished_at status detail error",
}


@pytest.fixture
async def empty(empty_database_url: str) -> AsyncIterator[Database]:
    database = await Database.open(empty_database_url, max_connections=4)
    yield database
    await database.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    copy = tmp_path / "migrations"
    shutil.copytree(migrations_directory(), copy)
    return copy


def add_migration(directory: Path, name: str, statement: str) -> None:
    (directory / f"{name}.sql").write_text(
        f"-- A later one.\n-- depends: {NAMES[-1]}\n\n-- migrate: apply\n\n{statement};\n\n"
        f"-- migrate: rollback\n"
    )


async def tables(database: Database) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    async with database.connection() as connection:
        for row in await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        ):
            found.setdefault(row["table_name"], set()).add(row["column_name"])
    return found


async def test_the_migrations_make_every_table_and_column_that_others_rely_on(
    database: Database,
) -> None:
    found = await tables(database)

    missing = {
        table: set(columns.split()) - found.get(table, set()) for table, columns in CONTRACT.items()
    }
    assert missing == {table: set() for table in CONTRACT}


async def test_migrating_applies_what_is_pending_once(empty: Database) -> None:
    assert await migrate(empty) == NAMES
    assert await migrate(empty) == []
    await require_current_schema(empty)


async def test_a_look_at_the_schema_writes_nothing(empty: Database) -> None:
    async with empty.connection() as connection:
        state = await schema_state(connection)

    assert (state.applied, list(state.pending), state.is_current) == ((), NAMES, False)
    assert await tables(empty) == {}


async def test_an_old_schema_is_refused_with_what_to_run(empty: Database) -> None:
    with pytest.raises(
        SchemaOutdatedError, match=f"lacks {', '.join(NAMES)}: run `darkhorses migrate`"
    ):
        await require_current_schema(empty)


async def test_a_newer_schema_is_refused_and_left_alone(
    database: Database, directory: Path
) -> None:
    add_migration(directory, "0099_future", "CREATE TABLE future ()")
    assert await migrate(database, directory) == ["0099_future"]

    with pytest.raises(SchemaTooNewError, match="0099_future"):
        await require_current_schema(database)
    with pytest.raises(SchemaTooNewError, match="install that version"):
        await migrate(database)


async def test_a_failed_migration_changes_nothing_at_all(empty: Database, directory: Path) -> None:
    add_migration(directory, "0099_wrong", "SELECT no_such_column FROM ra_races")

    with pytest.raises(StoreError, match=r"0099_wrong.*no_such_column"):
        await migrate(empty, directory)

    assert await tables(empty) == {}


async def test_of_several_runs_at_once_one_applies_and_the_others_find_nothing_left(
    empty: Database,
) -> None:
    answers = await asyncio.gather(*(migrate(empty) for _ in range(3)))

    assert sorted(answers) == [[], [], NAMES]


async def test_a_run_that_waits_too_long_for_another_says_so(
    empty: Database, directory: Path, empty_database_url: str
) -> None:
    add_migration(directory, "0099_slow", "SELECT pg_advisory_xact_lock(1)")
    holder = await asyncpg.connect(direct(empty_database_url))
    await holder.execute("SELECT pg_advisory_lock(1)")
    slow = asyncio.create_task(migrate(empty, directory))
    while not await holder.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        pass

    with pytest.raises(DatabaseBusyError, match="another migration has been running"):
        await migrate(empty, lock_timeout=timedelta(milliseconds=20))

    await holder.close()
    assert await slow == [*NAMES, "0099_slow"]


async def test_runs_at_once_are_safe_through_a_transaction_pooler(empty_database_url: str) -> None:
    with pgbouncer(empty_database_url, "transaction") as url:
        databases = [
            await Database.open(url, max_connections=1, transaction_pooler=True) for _ in range(3)
        ]

        answers = await asyncio.gather(*(migrate(database) for database in databases))

        assert sorted(answers) == [[], [], NAMES]
        for database in databases:
            await database.close()


def test_a_wheel_brings_the_migrations_along(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=migrations_directory().parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    unpacked = tmp_path / "unpacked"
    shutil.unpack_archive(next(tmp_path.glob("*.whl")), unpacked, "zip")

    assert sorted(path.stem for path in (unpacked / "darkhorses/migrations").iterdir()) == NAMES
    assert (unpacked / "darkhorses/store/sql/migrations.sql").is_file()
