"""The spans of the log's months are those of its entries, whoever writes them and however."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import asyncpg
import pytest

from darkhorses.store.changes import (
    LAST_CHANGE,
    change_is_known,
    changes_after,
    newest_marks,
    oldest_change_id,
)
from darkhorses.store.lease import collecting
from darkhorses.store.migrations import migrate, migrations_directory
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries
from darkhorses.store.writing.change_log import NewEntry, append_changes
from darkhorses.store.writing.lease import Lease, acquire, writing_transaction
from tests.market import NOON, price
from tests.plans import scans_done_of_log
from tests.store.migrating import migrations_up_to

NAME = "0013_log_months"
MAY, JUNE, JULY = date(2026, 5, 31), date(2026, 6, 30), date(2026, 7, 1)
_SPANS = "SELECT first_day, oldest_change_id, newest_change_id FROM odds_log_months ORDER BY 1"
_TRUE_SPANS = """
    SELECT date_trunc('month', race_date)::date, min(change_id), max(change_id)
    FROM ra_odds_changes GROUP BY 1 ORDER BY 1
"""
_INSERT = """
    INSERT INTO ra_odds_changes (race_date, race_id, horse_id, bookmaker_id, seen_at, source)
    SELECT day, 'rac_' || day, 'hrs_' || n, 'bet365', $2, 'poll'
    FROM unnest($1::date[]) AS day, generate_series(1, $3::int) AS n
"""


def entry(day: date, number: int = 0) -> NewEntry:
    return NewEntry(day, f"rac_{day}", f"hrs_{number}", "bet365", price("4/1"), NOON)  # type: ignore[arg-type]


async def logged(connection: Connection, *days: date, times: int = 1) -> None:
    """Append as the worker does."""
    entries = [entry(day, number) for number in range(times) for day in days]
    await append_changes(connection, entries, seen_at=NOON, is_repair=False)


async def told(connection: Connection, *days: date, times: int = 1) -> None:
    """Write into the view, as whoever knows its columns does."""
    await connection.execute(_INSERT, list(days), NOON, times)


async def spans_are_true(connection: Connection) -> bool:
    """Whether the spans are those of the entries; also what is asked of them."""
    true = [tuple(row) for row in await connection.fetch(_TRUE_SPANS)]
    spans = [tuple(row) for row in await connection.fetch(_SPANS)]
    newest = (await newest_marks(connection, from_day=JULY)).change_id
    oldest = await oldest_change_id(connection)
    assert newest == max([last for _, _, last in true], default=0)
    assert oldest == min([first for _, first, _ in true], default=None)
    return spans == true


async def test_spans_follow_every_way_of_writing(connection: Connection) -> None:
    assert await spans_are_true(connection)
    await logged(connection, MAY, JUNE, JULY, times=70)
    assert await spans_are_true(connection)
    assert len(await connection.fetch(_SPANS)) == 3
    await told(connection, JULY, MAY, times=5)
    assert await spans_are_true(connection)
    await logged(connection, MAY)
    assert await spans_are_true(connection)
    newest = (await newest_marks(connection, from_day=JULY)).change_id
    for gone in (f"change_id = {newest}", "race_date = '2026-06-30'", "change_id < 40"):
        await connection.execute(f"DELETE FROM ra_odds_changes WHERE {gone}")  # noqa: S608
        assert await spans_are_true(connection)
    await connection.execute("DELETE FROM odds_log WHERE race_no >= first_race_no('2026-07-01')")
    assert await spans_are_true(connection)
    assert len(await connection.fetch(_SPANS)) == 1
    await connection.execute("TRUNCATE odds_log")
    assert await connection.fetch(_SPANS) == []
    assert await spans_are_true(connection)


async def test_what_is_rolled_back_leaves_no_span(connection: Connection) -> None:
    await logged(connection, JUNE)
    transaction = connection.transaction()
    await transaction.start()
    await logged(connection, JUNE, JULY)
    await transaction.rollback()
    assert await spans_are_true(connection)
    assert (await newest_marks(connection, from_day=JULY)).change_id == 1


async def test_spans_follow_months_that_move_and_go(connection: Connection) -> None:
    await connection.execute(
        "INSERT INTO odds_log (seen_at, race_no, bookmaker_no, runner_no, is_repair)"
        " SELECT now(), first_race_no($1) + n, 1, 1, false FROM generate_series(1, 9) AS n",
        MAY,
    )
    assert await connection.fetchval("SELECT count(*) FROM ra_odds_changes_default") == 9
    await told(connection, JULY)
    assert await spans_are_true(connection)
    for month in (date(2026, 5, 1), date(2026, 6, 1)):
        async with connection.transaction():
            await connection.fetchval("SELECT begin_odds_changes_partition($1)", month)
            await connection.fetchval("SELECT attach_odds_changes_partition($1)", month)
    assert await connection.fetchval("SELECT count(*) FROM ra_odds_changes_default") == 1
    assert await spans_are_true(connection)
    await told(connection, JUNE)
    newest = await connection.fetchval("SELECT detach_odds_changes_partition('2026-06-01')")
    assert newest == 11
    assert await spans_are_true(connection)
    await connection.fetchval("SELECT detach_odds_changes_partition('2026-05-01')")
    await connection.fetchval("SELECT drop_detached_odds_changes('2026-05-01')")
    assert await spans_are_true(connection)
    assert await oldest_change_id(connection) == 10


async def test_a_change_is_known_where_it_is_logged_or_older_than_all(
    connection: Connection,
) -> None:
    await told(connection, MAY, JUNE, JULY, times=4)
    await connection.execute("DELETE FROM ra_odds_changes WHERE change_id IN (1, 2, 6)")
    known = [number for number in range(16) if await change_is_known(connection, number)]
    assert known == [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]


async def _somebody_waits_for_the_turn(connection: Connection) -> None:
    while not await connection.fetchval(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    ):
        pass


async def test_two_leaders_are_read_in_the_order_of_their_commits(
    database: Database, connection: Connection
) -> None:
    # Made ahead, as the daily job does: a month that is made keeps readers of the log waiting.
    for day in (MAY, JULY):
        await connection.execute("SELECT ensure_odds_changes_partition($1)", day)
    leases: list[Lease] = []
    for region in ("gb", "ire"):
        of = collecting((region,))
        lease = await acquire(connection, of.name, region, timedelta(minutes=5), duties=of.duties)
        assert lease is not None
        leases.append(lease)

    async def write(lease: Lease, day: date, *, hold: asyncio.Event | None) -> None:
        async with writing_transaction(database, lease) as writing:
            await queries.next_revision(writing)
            await logged(writing, day, times=3)
            has_written.set()
            if hold is not None:
                await hold.wait()

    has_written, let_go = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(write(leases[0], JULY, hold=let_go))
    await has_written.wait()
    second = asyncio.create_task(write(leases[1], MAY, hold=None))
    async with asyncio.timeout(20):
        await _somebody_waits_for_the_turn(connection)
        assert await changes_after(connection, 0, until=LAST_CHANGE, most=10) == []
        assert (await newest_marks(connection, from_day=JULY)).change_id == 0
        let_go.set()
        await asyncio.gather(first, second)
    told = await changes_after(connection, 0, until=LAST_CHANGE, most=10)
    assert [(one.change_id, one.race_id) for one in told] == [
        *[(number, f"rac_{JULY}") for number in (1, 2, 3)],
        *[(number, f"rac_{MAY}") for number in (4, 5, 6)],
    ]


async def _months_looked_at(connection: Connection, name: str, *values: object) -> list[str]:
    """The months that a statement reads, which is asked often enough to be planned for good."""
    async with scans_done_of_log(connection) as done:
        for _ in range(8):
            await connection.fetch(getattr(queries, name).sql, *values)
    return list(done)


async def test_what_is_new_is_found_without_a_look_at_other_months(connection: Connection) -> None:
    await connection.execute(
        "SELECT ensure_odds_changes_partition(day::date)"
        " FROM generate_series('2024-08-01'::date, '2026-09-01', interval '1 month') AS day"
    )
    days = [date(2024 + month // 12, month % 12 + 1, 5) for month in range(7, 31)]
    for day in days:
        await told(connection, day, times=300)
    await connection.execute("ANALYZE")
    await connection.execute(
        "INSERT INTO webhooks (webhook_id, url, events, filter, secret, created_at)"
        " VALUES ('wh_1', 'https://example.org', '{price}', '{}', 'secret', now())"
    )
    newest = (await newest_marks(connection, from_day=JULY)).change_id
    assert newest == 24 * 300
    july = ["ra_odds_changes_2026_07"]
    for name, values, found in (
        ("newest_marks", (JULY,), []),
        ("oldest_change_id", (), []),
        ("outbox_audience", (), []),
        ("statistics_newest_change", (), []),
        ("statistics_behind", (newest,), []),
        ("changes_after", (newest - 100, LAST_CHANGE, 500), july),
        ("changes_after", (newest, LAST_CHANGE, 500), []),
        ("changes_after", (610, 710, 500), ["ra_odds_changes_2024_10"]),
        ("change_is_known", (newest,), july),
        ("change_is_known", (newest + 1,), []),
        ("outbox_logged_prices", (newest - 100,), july),
        ("statistics_count_changes", (newest - 100, newest, JULY, date(2026, 8, 1)), july),
    ):
        assert await _months_looked_at(connection, name, *values) == found, (name, values)


@pytest.fixture
async def before(empty_database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """A database as it was before, with two months, one without changes, and a default one."""
    directory = migrations_up_to(NAME, tmp_path / "before", inclusive=False)
    database = await Database.open(empty_database_url, max_connections=1)
    await migrate(database, directory)
    async with database.connection() as connection:
        for month in (JUNE, JULY, date(2026, 8, 1)):
            await connection.execute("SELECT ensure_odds_changes_partition($1)", month)
        await told(connection, MAY, JULY, JUNE, date(2025, 1, 1), MAY, times=200)
    yield database
    await database.close()


_DETACH = "SELECT pg_get_functiondef('detach_odds_changes_partition'::regproc)"
_THERE = """
    SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT tgname FROM pg_trigger
    ORDER BY name
"""


async def test_a_log_that_stands_is_measured_and_untouched_there_and_back(
    before: Database, tmp_path: Path
) -> None:
    log = "SELECT ctid, * FROM odds_log ORDER BY change_id"
    async with before.connection() as connection:
        entries, detach = await connection.fetch(log), await connection.fetchval(_DETACH)
        there = await connection.fetch(_THERE)

    migrations = migrations_up_to(NAME, tmp_path / "after", inclusive=True)
    assert await migrate(before, migrations) == [NAME]

    async with before.connection() as connection:
        assert await connection.fetch(log) == entries
        assert len(await connection.fetch(_SPANS)) == 4
        assert await spans_are_true(connection)
        text = (migrations_directory() / f"{NAME}.sql").read_text()
        async with connection.transaction():
            await connection.execute(text.partition("-- migrate: rollback")[2])
        await connection.reload_schema_state()
        assert await connection.fetch(log) == entries
        assert await connection.fetchval(_DETACH) == detach
        assert await connection.fetch(_THERE) == there
        await told(connection, JULY)
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.fetch(_SPANS)
