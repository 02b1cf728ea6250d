"""The change log stored in numbers says what it said in texts, on the way there and back."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import asyncpg
import pytest

from darkhorses.store.migrations import migrate, migrations_directory
from darkhorses.store.pool import Connection, Database
from tests.store.migrating import migrations_up_to

NAME = "0012_change_log_storage"
_LOG = "SELECT * FROM ra_odds_changes ORDER BY change_id"
_TELL = """
    INSERT INTO ra_odds_changes (
        race_date, race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional, changed_at,
        seen_at, source
    )
    VALUES
        ('2026-03-31', 'rac_1', 'hrs_1', 'bet365', 4.333, '10/3', '2026-03-31T12:00:00.000001Z',
            '2026-03-31T12:00:01Z', 'poll'),
        ('2026-03-31', 'rac_1', 'hrs_2', 'bet365', 4.33, '10/3', NULL, '2026-03-31T12:00:01Z',
            'poll'),
        ('2026-03-31', 'rac_1', 'hrs_1', 'betfair_exchange', 4.33, NULL, NULL,
            '2026-03-31T12:00:02Z', 'poll'),
        ('2026-04-01', 'rac_1', 'hrs_1', 'bet365', NULL, NULL, NULL, '2026-04-01T12:00:00Z',
            'poll'),
        ('2026-04-01', 'rac_0', 'hrs_1', 'bet365', NULL, '-', NULL, '2026-04-01T12:00:00Z',
            'poll'),
        ('2026-07-01', 'rac_9', 'hrs_1', 'coral', 1.5, '1/2', '2026-07-01T11:59:00Z',
            '2026-07-01T15:00:00Z', 'history')
"""
_MONTHS = "SELECT tableoid::regclass::text, count(*) FROM {} GROUP BY 1 ORDER BY 1"


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """The migrations up to this one: the way back begins there."""
    return migrations_up_to(NAME, tmp_path / "migrations", inclusive=True)


@pytest.fixture
async def before(empty_database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """A database as it was before, with a log in two months and a third that has no partition."""
    directory = migrations_up_to(NAME, tmp_path / "before", inclusive=False)
    database = await Database.open(empty_database_url, max_connections=1)
    await migrate(database, directory)
    async with database.connection() as connection:
        for month in (date(2026, 3, 1), date(2026, 4, 1)):
            await connection.execute("SELECT ensure_odds_changes_partition($1)", month)
        # Numbers that were given and taken back stay given.
        async with connection.transaction():
            await connection.execute(_TELL)
            await connection.execute("DELETE FROM ra_odds_changes")
        await connection.execute(_TELL)
    yield database
    await database.close()


async def numbered_next(connection: Connection) -> int:
    number: int = await connection.fetchval(
        "INSERT INTO ra_odds_changes (race_date, race_id, horse_id, bookmaker_id, seen_at, source)"
        " VALUES ('2026-04-01', 'rac_1', 'hrs_3', 'new', now(), 'poll') RETURNING change_id"
    )
    return number


async def test_what_is_stored_says_the_same_after_it_and_after_the_way_back(
    before: Database, migrations: Path
) -> None:
    async with before.connection() as connection:
        told = await connection.fetch(_LOG)
        months = await connection.fetch(_MONTHS.format("ra_odds_changes"))
    assert [row["change_id"] for row in told] == [7, 8, 9, 10, 11, 12]

    assert await migrate(before, migrations) == [NAME]

    async with before.connection() as connection:
        assert await connection.fetch(_LOG) == told
        assert await connection.fetch(_MONTHS.format("odds_log")) == months
        assert await numbered_next(connection) == 13
        told = await connection.fetch(_LOG)
        assert dict(told[-1])["bookmaker_id"] == "new"

        text = (migrations_directory() / f"{NAME}.sql").read_text()
        async with connection.transaction():
            await connection.execute(text.partition("-- migrate: rollback")[2])
        await connection.reload_schema_state()

        assert await connection.fetch(_LOG) == told
        assert [row[0] for row in await connection.fetch(_MONTHS.format("ra_odds_changes"))] == [
            row[0] for row in months
        ]
        assert await numbered_next(connection) == 14
        left = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relname LIKE 'odds_log%' OR relname LIKE '%_before'"
        )
        assert left == []
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(
                "INSERT INTO ra_odds_changes OVERRIDING SYSTEM VALUE"
                " SELECT * FROM ra_odds_changes WHERE change_id = 7"
            )


async def test_a_detached_month_is_still_read_in_texts_and_is_one_after_the_way_back(
    before: Database, migrations: Path
) -> None:
    await migrate(before, migrations)
    async with before.connection() as connection:
        march = await connection.fetch(f"{_LOG} LIMIT 3")
        newest = await connection.fetchval("SELECT detach_odds_changes_partition('2026-03-01')")
        assert newest == 9
        assert await connection.fetch(_LOG.replace("changes", "changes_2026_03", 1)) == march

        text = (migrations_directory() / f"{NAME}.sql").read_text()
        async with connection.transaction():
            await connection.execute(text.partition("-- migrate: rollback")[2])
        await connection.reload_schema_state()

        assert await connection.fetch(_LOG.replace("changes", "changes_2026_03", 1)) == march


async def test_nothing_that_is_no_entry_is_logged(before: Database) -> None:
    await migrate(before)
    async with before.connection() as connection:
        for column, value in (("source", "'rumour'"), ("odds_decimal", "1"), ("seen_at", "NULL")):
            told = {
                "race_date": "'2026-04-01'",
                "race_id": "'rac_1'",
                "horse_id": "'hrs_1'",
                "bookmaker_id": "'bet365'",
                "odds_decimal": "2",
                "seen_at": "now()",
                "source": "'poll'",
            } | {column: value}
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await connection.execute(
                    f"INSERT INTO ra_odds_changes ({', '.join(told)})"  # noqa: S608
                    f" VALUES ({', '.join(told.values())})"
                )
