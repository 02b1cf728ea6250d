import json
from datetime import date, datetime, timedelta

import pytest

from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.price_paths import PricePath
from darkhorses.readmodel.loading import refreshed
from darkhorses.readmodel.market import Market
from darkhorses.readmodel.price_paths import PricePaths
from darkhorses.readmodel.tail import Tail
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries
from tests.history import FIRST_DAY, fill_changes
from tests.market import NOON, MarketWriter, card, price, race, runner
from tests.plans import scans_of_log

OFF = NOON + timedelta(hours=2)
ADA = runner("Ada", 1)
BET365 = bookmaker_named("Bet365").bookmaker_id
FIRST, SECOND = RaceId("rac_1"), RaceId("rac_2")


@pytest.fixture
async def writer(database: Database) -> MarketWriter:
    return await MarketWriter.leading(database)


async def market_of(database: Database) -> Market:
    day = NOON.date()
    return await refreshed(database, Market(from_day=day), Tail(day), NOON)


def path_of(paths: PricePaths, race_id: RaceId = FIRST) -> PricePath:
    return paths.of(race_id).of_runner(HorseId("hrs_ada"))[BookmakerId(BET365)]


async def look(
    writer: MarketWriter, text: str, at: datetime, *, race_id: str = "rac_1", off: datetime = OFF
) -> None:
    await writer.look(card(race(race_id, off_dt=off), (ADA, {"Bet365": text})), seen_at=at)


async def test_paths_are_read_once_and_then_brought_up_to_date_by_what_is_new(
    database: Database, writer: MarketWriter
) -> None:
    await look(writer, "4/1", NOON)
    await look(writer, "3/1", NOON + timedelta(minutes=1))
    paths = PricePaths(database)
    await paths.follow(await market_of(database), NOON)
    known = path_of(paths)
    assert (len(known), known.newest()) == (2, price("3/1"))
    await look(writer, "2/1", NOON + timedelta(minutes=2))
    await look(writer, "9/1", NOON + timedelta(minutes=2), race_id="rac_2")
    await paths.follow(await market_of(database), NOON)
    assert (len(known), known.newest()) == (3, price("2/1"))
    assert path_of(paths, SECOND).newest() == price("9/1")
    before = paths.position
    await paths.follow(await market_of(database), NOON)
    assert (paths.position, len(known)) == (before, 3)


async def test_a_race_that_is_over_is_forgotten(database: Database, writer: MarketWriter) -> None:
    await look(writer, "4/1", NOON)
    await look(writer, "5/1", NOON, race_id="rac_2", off=OFF + timedelta(hours=1))
    paths = PricePaths(database)
    market = await market_of(database)
    await paths.follow(market, NOON)
    assert paths.of(FIRST).of_runner(HorseId("hrs_ada"))
    await paths.follow(market, OFF + timedelta(minutes=21))
    assert paths.of(FIRST).of_runner(HorseId("hrs_ada")) == {}
    assert path_of(paths, SECOND).newest() == price("5/1")


async def test_a_change_found_later_in_the_feeds_own_history_takes_its_place(
    database: Database, writer: MarketWriter, connection: Connection
) -> None:
    await look(writer, "4/1", NOON)
    await look(writer, "3/1", NOON + timedelta(minutes=10))
    paths = PricePaths(database)
    await paths.follow(await market_of(database), NOON)
    await connection.execute(
        """
        INSERT INTO ra_odds_changes (race_date, race_id, horse_id, bookmaker_id, odds_decimal,
            odds_fractional, changed_at, seen_at, source)
        VALUES ($1, 'rac_1', 'hrs_ada', 'bet365', 4.5, '7/2', $2, $3, 'history')
        """,
        NOON.date(),
        NOON + timedelta(minutes=5),
        NOON + timedelta(minutes=20),
    )
    await paths.follow(await market_of(database), NOON)
    path = path_of(paths)
    assert path.at(NOON + timedelta(minutes=6)) == price("7/2")
    assert path.newest() == price("3/1")


async def test_a_log_that_went_back_is_read_anew(
    database: Database, writer: MarketWriter, connection: Connection
) -> None:
    await look(writer, "4/1", NOON)
    await look(writer, "3/1", NOON + timedelta(minutes=10))
    paths = PricePaths(database)
    await paths.follow(await market_of(database), NOON)
    await connection.execute("DELETE FROM ra_odds_changes WHERE odds_fractional = '3/1'")
    await paths.follow(await market_of(database), NOON)
    assert path_of(paths).newest() == price("4/1")


async def test_what_is_new_is_found_by_index_in_the_partitions_of_the_days(
    connection: Connection,
) -> None:
    await fill_changes(connection, 60_000)
    await fill_changes(connection, 20_000, first_day=date(2026, 4, 1))
    await connection.execute("ANALYZE")
    for name, arguments in (
        ("changes_of_races", (["rac_7", "rac_8"], FIRST_DAY, FIRST_DAY, 59_000, 60_000, 1000)),
        ("newest_change_id", (date(2026, 4, 1),)),
    ):
        sql = getattr(queries, name).sql
        plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *arguments))
        found = scans_of_log(plan)
        assert "ra_odds_changes_2026_04" in found or "ra_odds_changes_2026_03" in found, plan
        assert "Seq Scan" not in found.values(), plan
        assert all("Index" in kind for kind in found.values()), plan
