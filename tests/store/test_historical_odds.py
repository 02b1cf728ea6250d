"""How the database reads historical odds: by an index, and no more of it than a page needs."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.store.historical_odds import (
    HistoricalOddsFilters,
    Place,
    historical_odds_of_race,
    historical_odds_page,
)
from darkhorses.store.history_summary import history_summary
from darkhorses.store.past_reading import past_reading
from darkhorses.store.pool import Connection, Database
from darkhorses.store.results import revisions_of, winners_of
from tests.history import FIRST_DAY, fill_history
from tests.poolers import pgbouncer

DAYS, RACES, RUNNERS = 150, 20, 10
A_DAY = RACES * RUNNERS
MIDDLE = FIRST_DAY + timedelta(days=DAYS // 2)


class Explaining:
    """Stands where a connection does and keeps the plans of what is asked, run to their end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.plans: list[dict[str, Any]] = []

    async def fetch(self, sql: str, *parameters: object) -> list[object]:
        explained = await self._connection.fetchval(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", *parameters
        )
        self.plans.append(json.loads(explained)[0]["Plan"])
        return []

    async def fetchrow(self, sql: str, *parameters: object) -> None:
        await self.fetch(sql, *parameters)

    async def fetchval(self, sql: str, *parameters: object) -> int:
        await self.fetch(sql, *parameters)
        return 0

    def nodes(self) -> Iterator[dict[str, Any]]:
        waiting = [*self.plans]
        while waiting:
            node = waiting.pop()
            waiting += node.get("Plans", ())
            yield node

    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes() if "Index Name" in node}

    def scanned(self) -> set[str]:
        """Tables that are read from end to end."""
        return {node["Relation Name"] for node in self.nodes() if node["Node Type"] == "Seq Scan"}

    def rows_read(self) -> int:
        """Rows that the reading of tables brought up, those that a filter threw away included."""
        return sum(
            round(node["Actual Rows"] * node["Actual Loops"])
            + node.get("Rows Removed by Filter", 0)
            + node.get("Rows Removed by Index Recheck", 0)
            for node in self.nodes()
            if "Relation Name" in node
        )


async def add_revisions(connection: Connection) -> None:
    """A correction of every tenth row."""
    await connection.execute(
        """
        INSERT INTO ra_odds_historical_revisions (race_id, horse_id, superseded_at, said)
        SELECT race_id, horse_id, off_dt, '{"bsp": 2.5}'
        FROM ra_odds_historical WHERE horse_number = 1
        """
    )


async def settle(connection: Connection) -> None:
    """Let the planner know the tables as they are, once nobody sees them as they were."""
    visible = False
    while not visible:
        await connection.execute("VACUUM ANALYZE")
        visible = await connection.fetchval(
            "SELECT relallvisible = relpages FROM pg_class WHERE relname = 'ra_odds_historical'"
        )


@pytest.fixture
async def explaining(database: Database) -> AsyncIterator[Any]:
    async with database.connection() as connection:
        await fill_history(connection, days=DAYS, races=RACES, runners=RUNNERS)
        await add_revisions(connection)
        await settle(connection)
    async with past_reading(database) as connection:
        yield Explaining(connection)


def place_on(day: date) -> Place:
    """The middle of a day."""
    return Place(
        date_of_race=day,
        off_dt=datetime.combine(day, time(13), UTC) + RACES // 2 * timedelta(minutes=30),
        race_id=RaceId(f"rac_{(day - FIRST_DAY).days}_{RACES // 2}"),
        number=5,
        horse_id=HorseId("hrs"),
    )


@pytest.mark.parametrize(
    ("filters", "index", "most"),
    [
        ({}, "ra_odds_historical_by_date", 3 * A_DAY),
        ({"from_day": MIDDLE, "to_day": MIDDLE}, "ra_odds_historical_by_date", A_DAY),
        ({"from_day": MIDDLE}, "ra_odds_historical_by_date", 3 * A_DAY),
        ({"to_day": MIDDLE}, "ra_odds_historical_by_date", 3 * A_DAY),
        ({"course": "Course 3"}, "ra_odds_historical_by_track", 3 * A_DAY),
        ({"course": "Nowhere"}, "ra_odds_historical_by_track", 0),
        ({"horse": "Horse 75_3 4"}, "ra_odds_historical_by_horse", 1),
        ({"horse": "Nobody"}, "ra_odds_historical_by_horse", 0),
        ({"trainer": "Trainer 6"}, "ra_odds_historical_by_trainer", 3 * A_DAY),
        ({"jockey": "Jockey 10"}, "ra_odds_historical_by_jockey", 3 * A_DAY),
        (
            {"jockey": "Jockey 10", "from_day": MIDDLE, "to_day": MIDDLE + timedelta(days=6)},
            "ra_odds_historical_by_jockey",
            7 * A_DAY,
        ),
    ],
)
async def test_each_filter_is_served_by_its_index(
    explaining: Any, filters: dict[str, Any], index: str, most: int
) -> None:
    await historical_odds_page(explaining, HistoricalOddsFilters(**filters), limit=101)

    assert explaining.indexes() == {index}
    assert explaining.scanned() == set()
    assert explaining.rows_read() <= most


@pytest.mark.parametrize("filters", [{}, {"course": "Course 3"}, {"trainer": "Trainer 6"}])
async def test_a_page_deep_behind_a_cursor_reads_no_more_than_the_first(
    explaining: Any, filters: dict[str, Any]
) -> None:
    chosen = HistoricalOddsFilters(**filters)
    read = []
    for days in (1, DAYS // 2, DAYS - 40):
        day = FIRST_DAY + timedelta(days=DAYS - days)
        await historical_odds_page(explaining, chosen, limit=101, after=place_on(day))
        read.append(explaining.rows_read())
        assert explaining.scanned() == set()
        explaining.plans.clear()

    assert max(read) <= 3 * A_DAY


async def test_the_summary_reads_the_ledger_and_indexes_alone(explaining: Any) -> None:
    await history_summary(explaining)

    assert explaining.scanned() <= {"race_days"}
    assert "ra_odds_historical_by_source" in explaining.indexes()
    only = [n for n in explaining.nodes() if n.get("Index Name") == "ra_odds_historical_by_source"]
    assert [node["Node Type"] for node in only] == ["Index Only Scan"]
    assert sum(node["Heap Fetches"] for node in only) == 0


async def test_a_race_is_found_by_its_id(explaining: Any) -> None:
    await historical_odds_of_race(explaining, RaceId("rac_3_3"))
    await winners_of(explaining, [RaceId("rac_3_3"), RaceId("rac_3_4")])
    await revisions_of(explaining, RaceId("rac_3_3"))

    assert explaining.scanned() == set()
    assert explaining.rows_read() == 3 * RUNNERS + 1


async def test_pages_and_their_limits_work_through_a_transaction_pooler(
    database_url: str, connection: Connection
) -> None:
    await fill_history(connection)
    with pgbouncer(database_url, "transaction") as url:
        pooled = await Database.open(url, max_connections=2, transaction_pooler=True)
        for _ in range(10):
            async with past_reading(pooled) as reading:
                rows = await historical_odds_page(reading, HistoricalOddsFilters(), limit=7)
                assert await reading.fetchval("SHOW statement_timeout") == "5s"
            assert len(rows) == 7
            async with pooled.connection() as other:
                assert await other.fetchval("SHOW statement_timeout") == "0"
        await pooled.close()
