"""A race with its log in one statement, beside the same read row by row in a snapshot."""

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta

import pytest

from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.market_at import PriceChange, board_at, board_with
from darkhorses.domain.race_board import RaceBoard
from darkhorses.domain.repairs import Occasion, RepairableRace
from darkhorses.readmodel.boards import board_of, board_without_quotes
from darkhorses.readmodel.loading import loaded_race
from darkhorses.readmodel.market import Market
from darkhorses.store.gap_repairs import repairs_of
from darkhorses.store.logged_races import RaceAt, race_at, race_changes
from darkhorses.store.pool import Connection, Database
from darkhorses.store.price_changes import price_changes_of
from darkhorses.store.race_marks import mark_of
from darkhorses.store.writing.gap_repairs import begin_repair
from tests.history import fill_changes
from tests.market import NOON, MarketWriter
from tests.replay.days import DAY, OFF, live_through

RACES = tuple(RaceId(f"rac_{number}") for number in range(3))
LET_LOOKS_BE_LATE = """
    UPDATE odds_log SET changed_at = seen_at - interval '90 seconds' WHERE change_id % 4 > 0
"""
ADD_WHAT_NO_LOOK_SAW = """
    INSERT INTO ra_odds_changes (
        race_date, race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional, changed_at,
        seen_at, source
    )
    SELECT race_date, race_id, horse_id, bookmaker_id, odds_decimal + 1, NULL,
        coalesce(changed_at, seen_at) + interval '20 seconds' * (change_id / 9 % 3), $1, 'history'
    FROM ra_odds_changes
    WHERE change_id % 9 = 0 AND odds_decimal IS NOT NULL
"""
MONTHS_IN_USE = """
    SELECT array_agg(DISTINCT relname::text) FROM pg_locks JOIN pg_class ON relation = pg_class.oid
    WHERE pid = pg_backend_pid() AND relname ~ '^ra_odds_changes_([0-9_]+|default)$'
"""


@pytest.fixture
async def lived(database: Database) -> AsyncIterator[Connection]:
    """A day that is over: prices that were seen late, and repairs, some as old as a look's."""
    writer = await MarketWriter.leading(database)
    await live_through(writer)
    of = RepairableRace(
        race_id=RACES[0], race_date=DAY, off_dt=OFF, region="gb", race_status=None,
        is_abandoned=False, last_change_at=NOON, runners=5,
    )  # fmt: skip
    await begin_repair(database, writer.lease, of, Occasion.END, OFF)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE ra_odds_live SET ew_places = NULL WHERE bookmaker_id = 'coral';"
            "UPDATE ra_odds_live SET ew_places = NULL, ew_denom = NULL WHERE horse_id LIKE '%x3'"
        )
        await connection.execute(LET_LOOKS_BE_LATE)
        await connection.execute(ADD_WHAT_NO_LOOK_SAW, NOON + timedelta(minutes=30.1))
        yield connection


async def _row_by_row(connection: Connection, race_id: RaceId) -> tuple[Market, list[PriceChange]]:
    market = await loaded_race(connection, race_id)
    assert market is not None
    return market, await price_changes_of(connection, market.races[race_id].race)


def _board(found: RaceAt, at: datetime) -> RaceBoard:
    bare = board_without_quotes(found.stored, found.runners, found.bookmakers, as_of=at)
    return board_with(bare, found.quotes, last_look=found.last_look, at=at)


async def test_a_race_at_any_moment_of_its_day_is_what_its_whole_log_says(
    lived: Connection,
) -> None:
    boards = set()
    for race_id in RACES:
        market, changes = await _row_by_row(lived, race_id)
        of = market.races[race_id]
        for seconds in range(-60, 80 * 60, 41):
            at = NOON + timedelta(seconds=seconds)
            found = await race_at(lived, race_id, at)
            assert found is not None
            whole = board_at(board_of(of, market.bookmakers, as_of=at), changes, at)
            assert _board(found, at) == whole
            assert found.known_from == changes[0].at
            boards.add(len(found.quotes))
    assert len(boards) > 1


async def test_a_races_changes_are_those_of_its_log_in_its_order(lived: Connection) -> None:
    for race_id in RACES:
        market, changes = await _row_by_row(lived, race_id)
        of = market.races[race_id]
        found = await race_changes(lived, race_id)
        assert found is not None
        horses = {change.horse_id for change in changes}
        assert {
            horse_id: [(one.at, one.price, one.bookmaker_id) for one in listed]
            for horse_id, listed in found.changes.items()
        } == {
            horse_id: [
                (one.at, one.price, one.bookmaker_id) for one in changes if one.horse_id == horse_id
            ]
            for horse_id in horses
        }
        assert (found.stored, found.runners) == (of.stored, of.runners)
        assert found.bookmakers == market.bookmakers
        assert found.quoting == {who for _, who in of.quotes}
        assert found.repair == (await repairs_of(lived, [race_id])).get(race_id)
        for horse_id in sorted(horses)[:2]:
            alone = await race_changes(lived, race_id, horse_id=horse_id)
            assert alone is not None
            assert alone.changes == {horse_id: found.changes[horse_id]}
            assert alone.mark == found.mark


async def test_the_mark_of_what_is_read_is_the_one_that_is_asked_for(lived: Connection) -> None:
    marks = set()
    for race_id in RACES:
        for found in (
            await race_changes(lived, race_id),
            await race_at(lived, race_id, NOON + timedelta(minutes=7)),
        ):
            assert found is not None
            assert found.mark == await mark_of(lived, race_id)
            marks.add(found.mark)
    assert len(marks) == len(RACES)
    assert {mark.repair is None for mark in marks} == {True, False}


async def test_a_race_before_its_first_price_has_no_log_and_an_unknown_one_is_none(
    lived: Connection,
) -> None:
    await lived.execute(
        "INSERT INTO ra_races SELECT (r).* FROM ("
        'SELECT jsonb_populate_record(race, \'{"race_id": "rac_9"}\') AS r FROM ra_races AS race'
        " WHERE race_id = 'rac_0') AS made"
    )
    found = await race_changes(lived, RaceId("rac_9"))
    at = await race_at(lived, RaceId("rac_9"), OFF)

    assert found is not None
    assert (found.changes, found.quoting, found.mark.newest_change) == ({}, frozenset(), None)
    assert at is not None
    assert (at.quotes, at.last_look, at.known_from) == ({}, None, None)
    assert await race_changes(lived, RaceId("rac_10")) is None
    assert await race_at(lived, RaceId("rac_10"), OFF) is None


async def test_a_race_that_moved_to_another_day_has_the_log_of_that_day(lived: Connection) -> None:
    await lived.execute("UPDATE ra_races SET race_date = race_date + 1 WHERE race_id = 'rac_0'")
    found = await race_changes(lived, RACES[0])

    assert found is not None
    assert (found.changes, found.mark) == ({}, await mark_of(lived, RACES[0]))


async def test_a_races_log_is_read_in_the_partition_of_its_month(connection: Connection) -> None:
    await fill_changes(connection, 20_000)
    await fill_changes(connection, 20_000, first_day=date(2026, 4, 1))
    await connection.execute(
        "INSERT INTO ra_races (race_id, race_date, off_dt, off_time, course_id, course, region,"
        " race_name, checked_at, revision) VALUES ('rac_7', '2026-03-01', $1, '1:00', 'crs_1',"
        " 'Hereford', 'GB', 'A Race', $1, 1)",
        NOON,
    )
    await connection.execute("ANALYZE")
    async with connection.transaction():
        entries = await connection.fetchval("SELECT count(*) FROM odds_log_of_race('rac_7')")
        months = await connection.fetchval(MONTHS_IN_USE)

    assert (entries, months) == (1_000, ["ra_odds_changes_2026_03"])
