import asyncio
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from darkhorses.domain.events import EventKind
from darkhorses.domain.gaps import SEEN_WITHIN, PricePoint
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.races import QuoteKey
from darkhorses.domain.repairs import Occasion, RepairState
from darkhorses.worker.gap_repair import Repaired
from tests.hooks import register
from tests.waiting import somebody_waits
from tests.worker.repairs.conftest import (
    HOUR,
    MINUTE,
    Yard,
    look_now_and_then,
)


async def test_a_repair_brings_the_log_to_the_feeds_own_path(yard: Yard, race_id: RaceId) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    missed = await yard.logged_paths(race_id)

    done = await yard.repair(at=off_dt + HOUR)

    true, logged = await yard.true_paths(race_id), await yard.logged_paths(race_id)
    assert missed.keys() <= logged.keys() == true.keys()
    assert sum(map(len, missed.values())) < sum(map(len, logged.values()))
    for key, path in true.items():
        assert [point.price for point in logged[key]] == [point.price for point in path]
        for was, is_logged in zip(path, logged[key], strict=True):
            assert timedelta(0) <= is_logged.at - was.at <= SEEN_WITHIN
    stored = await yard.stored(race_id)
    assert (done.races, done.left, done.stopped) == (1, 0, None)
    assert (stored.occasion, stored.state) == (Occasion.END, RepairState.REPAIRED)
    assert stored.points == sum(map(len, true.values()))
    assert stored.added == done.added > 0
    assert stored.completeness == 1
    assert stored.completeness_polled == stored.seen / stored.points < 1
    assert stored.lag is not None
    assert 0 <= stored.lag.median <= stored.lag.p90 <= stored.lag.longest <= 20 * 60
    assert stored.lag.count == stored.seen


async def test_what_a_repair_adds_is_in_order_and_repeats_nothing(
    yard: Yard, race_id: RaceId
) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    polls = await yard.rows("SELECT max(change_id) FROM ra_odds_changes")

    await yard.repair(at=off_dt + HOUR)

    assert await yard.rows(
        "SELECT count(*) FROM (SELECT changed_at < lag(changed_at) OVER (ORDER BY change_id) AS"
        " wrong FROM ra_odds_changes WHERE source = 'history') AS steps WHERE wrong"
    ) == [(0,)]
    assert await yard.rows(
        "SELECT count(*), min(change_id) > $1, min(seen_at), max(seen_at) FROM ra_odds_changes"
        " WHERE source = 'history'",
        polls[0][0],
    ) == [((await yard.stored(race_id)).added, True, off_dt + HOUR, off_dt + HOUR)]
    repeated = await yard.rows(
        """
        SELECT source, count(*) FROM (
            SELECT source, (odds_decimal, odds_fractional) IS NOT DISTINCT FROM
                lag((odds_decimal, odds_fractional)) OVER quote AS same,
                row_number() OVER quote AS n
            FROM ra_odds_changes
            WINDOW quote AS (
                PARTITION BY horse_id, bookmaker_id
                ORDER BY coalesce(changed_at, seen_at), change_id
            )
        ) AS steps WHERE same AND n > 1 GROUP BY source
        """
    )
    # A poll that saw a price long after its change stays in the log, as what we saw then.
    assert {source for source, _ in repeated} <= {"poll"}


async def test_a_webhook_is_told_of_what_a_repair_adds(yard: Yard, race_id: RaceId) -> None:
    await register(yard.database, events=[EventKind.PRICE])
    off_dt = await look_now_and_then(yard, race_id)

    await yard.repair(at=off_dt + HOUR)

    told = [
        (change["change_id"], change["source"])
        for (payload,) in await yard.rows("SELECT payload FROM webhook_outbox ORDER BY sequence")
        for change in msgspec.json.decode(payload)["data"]["changes"]
    ]
    assert told == await yard.rows(
        "SELECT change_id, source FROM ra_odds_changes ORDER BY change_id"
    )
    assert {source for _, source in told} == {"poll", "history"}


async def test_a_repaired_race_is_not_asked_about_again(yard: Yard, race_id: RaceId) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    await yard.repair(at=off_dt + HOUR)
    asked = yard.asked()
    log = await yard.rows("SELECT * FROM ra_odds_changes ORDER BY change_id")

    again = await yard.repair(at=off_dt + 2 * HOUR)

    assert (again.races, again.asked, again.left) == (0, 0, 0)
    assert yard.asked() == asked
    assert await yard.rows("SELECT * FROM ra_odds_changes ORDER BY change_id") == log


async def test_live_quotes_stand_as_the_polls_saw_them(yard: Yard, race_id: RaceId) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    live = await yard.rows("SELECT * FROM ra_odds_live ORDER BY horse_id, bookmaker_id")

    await yard.repair(at=off_dt + HOUR)
    await yard.look(race_id, at=off_dt + HOUR)

    assert await yard.rows("SELECT * FROM ra_odds_live ORDER BY horse_id, bookmaker_id") == live


async def test_readers_learn_that_a_race_has_more_in_its_log(yard: Yard, race_id: RaceId) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    before = await yard.rows("SELECT revision, checked_at FROM ra_races")

    await yard.repair(at=off_dt + HOUR)

    after = await yard.rows("SELECT revision, checked_at FROM ra_races")
    assert after == [(before[0][0] + 1, before[0][1])]


async def test_a_race_is_left_until_its_market_is_quiet(yard: Yard, race_id: RaceId) -> None:
    off_dt = await look_now_and_then(yard, race_id)

    assert await yard.repair(at=off_dt + 10 * MINUTE) == Repaired()
    assert (await yard.repair(at=off_dt + 36 * MINUTE)).races == 1


async def test_bookmakers_that_only_a_history_knows_are_let_in(yard: Yard, race_id: RaceId) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    await yard.rows("DELETE FROM ra_bookmakers WHERE bookmaker_id = 'bet365' RETURNING 1")
    others = await yard.rows("SELECT * FROM ra_bookmakers ORDER BY 1")

    await yard.repair(at=off_dt + HOUR)

    assert await yard.rows(
        "SELECT bookmaker_name, bookmaker_type, active, last_quoted_at <= $1 FROM ra_bookmakers"
        " WHERE bookmaker_id = 'bet365'",
        off_dt + HOUR,
    ) == [("Bet365", "fixed", True, True)]
    assert (
        await yard.rows("SELECT * FROM ra_bookmakers WHERE bookmaker_id <> 'bet365' ORDER BY 1")
        == others
    )


async def test_a_repair_that_is_stopped_between_two_runners_asks_nobody_twice(
    yard: Yard, race_id: RaceId
) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    yard.clock.now = off_dt + HOUR
    work = asyncio.create_task(yard.gaps.run(yard.lease))
    while not await yard.rows("SELECT FROM ra_gap_repair_runners OFFSET 1"):
        continue
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    answered = await yard.rows("SELECT count(*) FROM ra_gap_repair_runners")
    assert await yard.rows("SELECT count(*) FROM ra_odds_changes WHERE source = 'history'") == [
        (0,)
    ]

    yard.employ(yard.feed)
    done = await yard.repair()

    assert 2 <= answered[0][0] < (await yard.stored(race_id)).runners_asked
    assert done.asked == (await yard.stored(race_id)).runners_asked - answered[0][0]
    assert await yard.logged_paths(race_id) == await as_if_never_stopped(yard, race_id)


async def test_a_repair_that_is_stopped_while_it_writes_loses_and_doubles_nothing(
    yard: Yard, race_id: RaceId, database_url: str
) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    yard.clock.now = off_dt + HOUR
    blocker = await asyncpg.connect(database_url)
    try:
        async with blocker.transaction():
            # The last statement of the transaction waits for this: all else is done by then.
            await blocker.execute("SELECT FROM ra_races WHERE race_id = $1 FOR UPDATE", race_id)
            work = asyncio.create_task(yard.gaps.run(yard.lease))
            await somebody_waits(blocker)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
    finally:
        await blocker.close()
    assert not yard.collector.writing.locked()
    assert await yard.rows("SELECT count(*) FROM ra_odds_changes WHERE source = 'history'") == [
        (0,)
    ]

    done = await yard.repair()

    assert (done.races, done.asked) == (1, 0)
    assert await yard.logged_paths(race_id) == await as_if_never_stopped(yard, race_id)


async def as_if_never_stopped(yard: Yard, race_id: RaceId) -> dict[QuoteKey, list[PricePoint]]:
    """The paths after a repair from the start, of the same polls."""
    await yard.rows("DELETE FROM ra_odds_changes WHERE source = 'history' RETURNING 1")
    await yard.rows("DELETE FROM ra_gap_repairs RETURNING 1")
    await yard.repair()
    return await yard.logged_paths(race_id)


async def test_a_log_that_moves_while_a_race_is_laid_beside_it_is_read_again(
    yard: Yard, race_id: RaceId
) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    yard.clock.now = off_dt + HOUR
    async with yard.collector.writing:
        work = asyncio.create_task(yard.gaps.run(yard.lease))
        while not yard.collector.writing._waiters:
            await yard.rows("SELECT 1")
        # As a poll would: another price, after the log was read.
        await yard.rows(
            "INSERT INTO ra_odds_changes (race_date, race_id, horse_id, bookmaker_id, changed_at,"
            " seen_at, source) SELECT race_date, race_id, horse_id, bookmaker_id, $1, $1, 'poll'"
            " FROM ra_odds_changes LIMIT 1 RETURNING 1",
            off_dt + 20 * MINUTE,
        )
    done = await work

    assert (done.races, done.left) == (1, 0)
    assert (await yard.stored(race_id)).completeness == 1
