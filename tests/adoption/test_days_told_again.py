"""When the feed tells a day that the earlier system told: the same runners, with the feed's ids."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from darkhorses.domain.history import HistoricalRow
from darkhorses.domain.identifiers import CourseId, HorseId, RaceId
from darkhorses.domain.price_summaries import DataSource
from darkhorses.domain.race_days import Completeness, RaceDay
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Database
from darkhorses.store.writing import adoption
from darkhorses.store.writing.history import PastDay, write_past_day
from tests.earlier import FIRST_PAST_DAY, make_earlier_system
from tests.market import StoppedClock

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
TOLD = HistoricalRow(
    race_id=RaceId("rac_100"),
    horse_id=HorseId("hrs_200"),
    date_of_race=FIRST_PAST_DAY,
    off_dt=datetime(2015, 1, 3, 13, 11, tzinfo=UTC),
    country="GB",
    course_id=CourseId("crs_1"),
    track="Course 1 (AW)",
    race_time="13:11",
    race_name="A Race",
    going=None,
    race_type="Flat",
    distance="5f",
    race_class="Class 4",
    runners_count=10,
    horse_name="Past 0-1-1",
    horse_number=1,
    official_rating=None,
    age=4,
    weight="9-4",
    jockey=None,
    jockey_id=None,
    trainer=None,
    trainer_id=None,
    headgear=None,
    stall_number=None,
    finishing_position="2",
    position_no=2,
    data_source=DataSource.CARD,
)
CARD_ALONE = msgspec.structs.replace(
    TOLD,
    horse_id=HorseId("hrs_201"),
    horse_name="Past 0-1-2 (IRE)",
    finishing_position=None,
    position_no=None,
)


@pytest.fixture
async def adopted(empty_database_url: str) -> AsyncIterator[Database]:
    """The earlier system's database, migrated, with what fits."""
    await make_earlier_system(empty_database_url, past_days=2)
    database = await Database.open(empty_database_url, max_connections=2)
    await migrate(database)
    await adoption.bring_over(database, clock=StoppedClock(NOW))
    async with database.connection() as connection:
        await connection.execute("UPDATE ra_odds_historical SET ip_min = 1.5")
    yield database
    await database.close()


async def tell(database: Database, *rows: HistoricalRow, at: datetime = NOW) -> None:
    ledger = RaceDay(
        race_date=FIRST_PAST_DAY,
        region="gb",
        cards=Completeness.COMPLETE,
        results=Completeness.COMPLETE,
        rows_count=len(rows),
        checked_at=at,
    )
    past = PastDay(ledger=ledger, rows=rows, results=(), provisional=False)
    assert await write_past_day(database.transaction, past) is not None


async def rows(database: Database, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    async with database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(sql, *values)]


async def of_horse(database: Database, name: str) -> list[tuple[Any, ...]]:
    return await rows(
        database,
        "SELECT race_id, horse_id, finishing_position, ip_min, data_source FROM ra_odds_historical"
        " WHERE horse_name = $1 ORDER BY race_id",
        name,
    )


async def test_a_runner_is_there_once_with_the_feeds_ids_and_words(adopted: Database) -> None:
    before = await rows(adopted, "SELECT count(*) FROM ra_odds_historical")

    await tell(adopted, TOLD)

    assert await of_horse(adopted, "Past 0-1-1") == [
        ("rac_100", "hrs_200", "2", Decimal("1.500"), "card"),
    ]
    assert await rows(adopted, "SELECT count(*) FROM ra_odds_historical") == before
    ((said,),) = await rows(
        adopted, "SELECT said ->> 'finishing_position' FROM ra_odds_historical_revisions"
    )
    assert said == "1"


async def test_its_result_stands_until_the_feed_has_one(adopted: Database) -> None:
    await tell(adopted, CARD_ALONE)

    assert await of_horse(adopted, "Past 0-1-2") == [
        ("rac_100", "hrs_201", "2", Decimal("1.500"), "earlier"),
    ]


async def test_told_the_same_twice_nothing_is_written_the_second_time(adopted: Database) -> None:
    await tell(adopted, TOLD, CARD_ALONE)
    before = await rows(adopted, "SELECT xmin::text, * FROM ra_odds_historical ORDER BY 2, 3")

    await tell(adopted, TOLD, CARD_ALONE, at=NOW + timedelta(days=1))

    after = await rows(adopted, "SELECT xmin::text, * FROM ra_odds_historical ORDER BY 2, 3")
    assert after == before
    assert await rows(adopted, "SELECT count(*) FROM ra_odds_historical_revisions") == [(1,)]


async def test_a_row_that_came_after_the_feed_told_the_day_gives_way_to_it(
    adopted: Database,
) -> None:
    await tell(adopted, TOLD)
    await rows(
        adopted,
        "INSERT INTO ra_odds_historical SELECT (r).* FROM (SELECT jsonb_populate_record(h,"
        ' \'{"race_id": "earlier_20150103_course1_1311", "horse_id": "earlier_past011"}\')'
        " AS r FROM ra_odds_historical AS h WHERE horse_id = 'hrs_200') AS copied",
    )

    await tell(adopted, TOLD, at=NOW + timedelta(days=1))

    assert [row[0] for row in await of_horse(adopted, "Past 0-1-1")] == ["rac_100"]


async def test_horses_of_another_course_or_day_keep_their_rows(adopted: Database) -> None:
    await tell(adopted, msgspec.structs.replace(TOLD, horse_name="Past 0-2-1"))

    assert [row[0] for row in await of_horse(adopted, "Past 0-2-1")] == [
        "earlier_20150103_course2_1312",
        "rac_100",
    ]
    assert await rows(
        adopted,
        "SELECT DISTINCT left(race_id, 8) FROM ra_odds_historical WHERE date_of_race = $1",
        date(2015, 1, 4),
    ) == [("earlier_",)]
