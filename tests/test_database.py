import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from darkhorses.database import open_database
from darkhorses.migrating import look_at_schema, migrate_database
from darkhorses.settings import Settings
from darkhorses.store.errors import DatabaseUnavailableError, SchemaOutdatedError
from darkhorses.store.migrations import require_current_schema
from darkhorses.worker.app import clock
from tests.commands import darkhorses


@pytest.fixture
def embedded() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory(prefix="dh-") as name:
        Path(name).chmod(0o755)
        yield Settings(data_dir=name)


def serves(settings: Settings) -> bool:
    assert settings.data_dir is not None
    return (Path(settings.data_dir) / "postgres18" / "postmaster.pid").exists()


async def test_the_embedded_database_is_migrated_used_and_stopped(embedded: Settings) -> None:
    async with open_database(embedded, max_connections=1, application_name="test") as database:
        await require_current_schema(database)
        assert serves(embedded)

    assert not serves(embedded)


async def test_the_embedded_server_is_let_go_when_its_use_fails(embedded: Settings) -> None:
    async def fail() -> None:
        async with open_database(embedded, max_connections=1, application_name="test"):
            raise KeyError

    with pytest.raises(KeyError):
        await fail()

    assert not serves(embedded)


async def test_a_look_at_the_embedded_schema_does_not_migrate_it(embedded: Settings) -> None:
    before, _ = await look_at_schema(embedded)
    migrated = await migrate_database(embedded, clock=clock)
    after, adoption = await look_at_schema(embedded)

    assert (before.is_current, after.is_current) == (False, True)
    assert (migrated.applied, migrated.adoption) == (before.pending, None)
    assert adoption is None


async def test_a_database_of_somebody_is_not_migrated_by_opening_it(
    empty_database_url: str,
) -> None:
    settings = Settings(database_url=empty_database_url)

    async with open_database(settings, max_connections=1, application_name="test") as database:
        with pytest.raises(SchemaOutdatedError):
            await require_current_schema(database)


async def test_a_database_that_is_away_is_met_by_its_first_use() -> None:
    settings = Settings(database_url="postgresql://nobody@127.0.0.1:1/none")

    async with open_database(settings, max_connections=1, application_name="test") as database:
        with pytest.raises(DatabaseUnavailableError):
            await require_current_schema(database)


def test_migrating_tells_what_it_did_and_what_is_left(empty_database_url: str) -> None:
    def current() -> tuple[int, object]:
        result = darkhorses("migrate", "--status", "--json", DATABASE_URL=empty_database_url)
        return result.returncode, msgspec.json.decode(result.stdout)["current"]

    assert current() == (3, False)
    applied = darkhorses("migrate", DATABASE_URL=empty_database_url).stdout.splitlines()
    assert applied[0] == "applied 0001_live_odds"
    assert darkhorses("migrate", "--json", DATABASE_URL=empty_database_url).stdout == (
        '{"applied":[]}\n'
    )
    assert current() == (0, True)
