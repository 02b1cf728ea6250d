"""The read model against a real database, written to as the worker does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg
import pytest

from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.races import MarketStatus
from darkhorses.readmodel.follower import Follower, keep_listening
from darkhorses.readmodel.market import Market, MarketRace
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.errors import SchemaOutdatedError
from darkhorses.store.pool import Database, is_transaction_pooler
from tests.market import NOON, MarketWriter, StoppedClock, card, let_in, race, runner
from tests.poolers import direct

OFF = NOON + timedelta(hours=1)
RACE = race(off_dt=OFF)
ADA, BOB = runner("Ada", 1), runner("Bob", 2)
SOON = timedelta(milliseconds=20)


@asynccontextmanager
async def following(
    database: Database,
    *,
    clock: StoppedClock | None = None,
    poll_interval: timedelta = SOON,
    listening: bool = False,
) -> AsyncIterator[Follower]:
    follower = Follower(database, clock=clock or StoppedClock(), poll_interval=poll_interval)
    tasks = [asyncio.create_task(follower.run())]
    if listening:
        # Nobody listens through a pooler of transactions; the service does not try.
        pooled = is_transaction_pooler(database.url, "auto")
        url = direct(database.url) if pooled else database.url
        tasks.append(asyncio.create_task(keep_listening(url, follower)))
    try:
        async with asyncio.timeout(20):
            yield follower
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def caught_up(follower: Follower, revision: int) -> Market:
    await follower.until(lambda follower: follower.now.market.revision >= revision)
    return follower.now.market


def price_of(market: Market, horse: str, bookmaker: str) -> str | None:
    stored = the_race(market).quotes[HorseId(horse), bookmaker].quote  # type: ignore[index]
    return stored.price.fractional if stored.price is not None else None


def the_race(market: Market) -> MarketRace:
    return market.races[RaceId("rac_1")]


async def test_what_was_written_before_the_start_is_there(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    revision = await writer.look(
        card(RACE, (ADA, {"Bet365": "10/3", "Coral": None}), (BOB, {"Bet365": "17.5"})),
        seen_at=NOON,
    )
    async with following(database) as follower:
        market = await caught_up(follower, revision)
    assert the_race(market).race == RACE
    assert the_race(market).stored.checked_at == NOON
    assert {stored.runner for stored in the_race(market).runners.values()} == {ADA, BOB}
    assert price_of(market, "hrs_ada", "bet365") == "10/3"
    assert price_of(market, "hrs_ada", "coral") is None
    assert str(the_race(market).quotes[BOB.horse_id, "bet365"].quote.price.decimal) == "17.5"  # type: ignore[index, union-attr]


async def test_a_changed_price_arrives(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    await writer.look(card(RACE, (ADA, {"Bet365": "4/1"})), seen_at=NOON)
    async with following(database) as follower:
        revision = await writer.look(card(RACE, (ADA, {"Bet365": "7/2"})), seen_at=NOON)
        assert price_of(await caught_up(follower, revision), "hrs_ada", "bet365") == "7/2"


async def test_a_pulled_price_leaves_no_price_standing(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    await writer.look(card(RACE, (ADA, {"Bet365": "4/1"})), seen_at=NOON)
    async with following(database) as follower:
        revision = await writer.look(card(RACE, (ADA, {"Bet365": None})), seen_at=NOON)
        market = await caught_up(follower, revision)
    assert price_of(market, "hrs_ada", "bet365") is None
    quote = the_race(market).quotes[ADA.horse_id, "bet365"]  # type: ignore[index]
    assert the_race(market).status_of(quote, over=False) is MarketStatus.SUSPENDED


async def test_a_non_runner_arrives_and_has_no_place(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    await writer.look(card(RACE, (ADA, {}), (BOB, {})), seen_at=NOON)
    async with following(database) as follower:
        gone = runner("Bob", None, is_non_runner=True)
        revision = await writer.look(card(RACE, (ADA, {}), (gone, {})), seen_at=NOON)
        market = await caught_up(follower, revision)
    assert [stored.runner.horse_name for stored in the_race(market).active_runners()] == ["Ada"]
    assert the_race(market).runners[BOB.horse_id].non_runner_at == NOON


async def test_a_runner_that_left_the_card_has_no_place(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    await writer.look(card(RACE, (ADA, {}), (BOB, {"Bet365": "4/1"})), seen_at=NOON)
    async with following(database) as follower:
        revision = await writer.look(card(RACE, (ADA, {})), seen_at=NOON)
        market = await caught_up(follower, revision)
    assert [stored.runner.horse_name for stored in the_race(market).active_runners()] == ["Ada"]
    assert price_of(market, "hrs_bob", "bet365") is None


async def test_a_look_without_changes_moves_only_when_it_was_checked(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    same = card(RACE, (ADA, {"Bet365": "4/1"}))
    first = await writer.look(same, seen_at=NOON)
    later = NOON + timedelta(seconds=10)
    async with following(database) as follower:
        before = the_race(await caught_up(follower, first))
        revision = await writer.look(same, seen_at=later)
        after = the_race(await caught_up(follower, revision))
    assert after.stored.checked_at == later
    assert after.quotes is before.quotes
    assert after.runners is before.runners


async def test_changed_each_way_terms_arrive(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    await writer.look(card(RACE, (ADA, {"Bet365": "4/1"}), places=3), seen_at=NOON)
    async with following(database) as follower:
        revision = await writer.look(card(RACE, (ADA, {"Bet365": "4/1"}), places=4), seen_at=NOON)
        market = await caught_up(follower, revision)
    assert the_race(market).quotes[ADA.horse_id, "bet365"].quote.ew_places == 4  # type: ignore[index]


async def test_many_races_arrive_in_the_order_of_their_offs(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    offs = [OFF + timedelta(minutes=5 * ((7 * number) % 50)) for number in range(50)]
    cards = [
        card(race(f"rac_{number}", off_dt=off), (ADA, {"Bet365": "4/1"}))
        for number, off in enumerate(offs)
    ]
    revision = await writer.look(*cards, seen_at=NOON)
    async with following(database) as follower:
        market = await caught_up(follower, revision)
    assert [race.race.off_dt for race in market.races.values()] == sorted(offs)
    assert all(len(race.quotes) == 1 for race in market.races.values())


async def test_races_leave_when_the_day_after_next_begins_in_london(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    tomorrow = race("rac_2", off_dt=OFF + timedelta(days=1))
    revision = await writer.look(card(RACE, (ADA, {})), card(tomorrow, (BOB, {})), seen_at=NOON)
    clock = StoppedClock()
    async with following(database, clock=clock) as follower:
        assert len((await caught_up(follower, revision)).races) == 2
        # 23:30 UTC is half past midnight in London's summer.
        clock.now = NOON + timedelta(days=1, hours=11, minutes=30)
        await follower.until(lambda follower: len(follower.now.market.races) == 1)
        revision = await writer.look(card(tomorrow, (ADA, {}), (BOB, {})), seen_at=clock.now)
        market = await caught_up(follower, revision)
    assert list(market.races) == ["rac_2"]


async def test_a_notification_wakes_a_reader_that_polls_seldom(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    async with following(database, poll_interval=timedelta(hours=1), listening=True) as follower:
        await follower.until(lambda follower: follower.now.loaded)
        await listeners(database, 1)
        revision = await writer.look(card(RACE, (ADA, {"Bet365": "4/1"})), seen_at=NOON)
        assert price_of(await caught_up(follower, revision), "hrs_ada", "bet365") == "4/1"


async def test_a_killed_listener_costs_nothing_and_is_replaced(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    async with following(database, listening=True) as follower:
        await listeners(database, 1)
        async with database.connection() as connection:
            killed = await connection.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'darkhorses listener'"
            )
            await connection.execute("SELECT pg_terminate_backend($1)", killed)
        revision = await writer.look(card(RACE, (ADA, {"Bet365": "4/1"})), seen_at=NOON)
        assert price_of(await caught_up(follower, revision), "hrs_ada", "bet365") == "4/1"
        await listeners(database, 1, other_than=killed)


async def test_a_connection_that_is_cut_is_no_database_that_is_away(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    reader = await Database.open(database.url, max_connections=1, application_name="reader")
    async with following(reader) as follower:
        await follower.until(lambda follower: follower.now.loaded)
        away = asyncio.create_task(
            follower.until(lambda follower: follower.now.away_since is not None)
        )
        async with database.connection() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'reader'"
            )
        revision = await writer.look(card(RACE, (ADA, {"Bet365": "4/1"})), seen_at=NOON)
        await caught_up(follower, revision)
        assert not away.done()
        away.cancel()
    await reader.close()


async def test_a_database_that_goes_away_is_told_and_waited_for(
    database: Database, postgres: EmbeddedServer
) -> None:
    writer = await MarketWriter.leading(database)
    first = await writer.look(card(RACE, (ADA, {"Bet365": "4/1"})), seen_at=NOON)
    other = await asyncpg.connect(postgres.url)
    async with following(database) as follower:
        await caught_up(follower, first)
        await let_in(other, database.url, allowed=False)
        await follower.until(lambda follower: follower.now.away_since is not None)
        assert price_of(follower.now.market, "hrs_ada", "bet365") == "4/1"
        await let_in(other, database.url, allowed=True)
        await follower.until(lambda follower: follower.now.away_since is None)
        revision = await writer.look(card(RACE, (ADA, {"Bet365": "7/2"})), seen_at=NOON)
        assert price_of(await caught_up(follower, revision), "hrs_ada", "bet365") == "7/2"
    await other.close()


async def test_a_database_that_went_back_is_read_anew(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    later = race("rac_2", off_dt=OFF + timedelta(minutes=10))
    await writer.look(card(RACE, (ADA, {"Bet365": "4/1"})), seen_at=NOON)
    revision = await writer.look(card(later, (BOB, {"Bet365": "4/1"})), seen_at=NOON)
    async with following(database) as follower:
        await caught_up(follower, revision)
        async with database.connection() as connection:
            await connection.execute("DELETE FROM ra_races WHERE race_id = 'rac_2'")
        await follower.until(lambda follower: list(follower.now.market.races) == ["rac_1"])


async def test_an_old_schema_is_refused_with_what_to_run(empty_database_url: str) -> None:
    database = await Database.open(empty_database_url, max_connections=2)
    with pytest.raises(SchemaOutdatedError, match="darkhorses migrate"):
        await Follower(database, clock=StoppedClock()).run()
    await database.close()


async def listeners(database: Database, count: int, *, other_than: int = 0) -> None:
    """Wait until so many sessions listen to the market."""
    found = -1
    while found != count:
        async with database.connection() as connection:
            found = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' "
                "AND application_name = 'darkhorses listener' AND pid <> $1",
                other_than,
            )
