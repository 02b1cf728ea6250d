import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import msgspec
import pytest

from darkhorses.domain.events import EventKind
from darkhorses.domain.gaps import SEEN_WITHIN, PricePoint
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.price_summaries import is_exchange
from darkhorses.domain.race_days import is_due
from darkhorses.domain.races import QuoteKey
from darkhorses.domain.repairs import Occasion, RepairState
from darkhorses.simulator import Options, Simulator, running_simulator
from darkhorses.simulator.generated import GeneratedSource
from darkhorses.simulator.schedule import OrdinarySchedule
from darkhorses.store.gap_repairs import GapRepair as StoredRepair
from darkhorses.store.gap_repairs import quote_logs_of, repairs_of
from darkhorses.store.pool import Database
from darkhorses.store.race_days import race_days_between
from darkhorses.store.writing import lease as leases
from darkhorses.store.writing.lease import Lease, writing_transaction
from darkhorses.upstream.client import FeedAccess, RacingApi
from darkhorses.upstream.errors import FeedError, NotFoundError
from darkhorses.upstream.pacing import Paces
from darkhorses.worker.collecting import Collector
from darkhorses.worker.gap_repair import GapRepair, Repaired
from darkhorses.worker.historical_odds import fill_due_days
from darkhorses.worker.live_odds import LiveOdds
from darkhorses.worker.past_days import PastDays
from tests.feeds import UNPACED, Feed
from tests.hooks import register
from tests.market import StoppedClock

DAY = date(2026, 10, 10)
MORNING = datetime(2026, 10, 10, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ODDS = "odds/{race_id}/{horse_id}"


class Yard:
    """A worker's parts by hand: a simulated feed, a collector, and the repair of its gaps."""

    def __init__(
        self, database: Database, lease: Lease, simulator: Simulator, clock: StoppedClock
    ) -> None:
        self.database = database
        self.lease = lease
        self.simulator = simulator
        self.clock = clock
        self.feed: RacingApi
        self.collector: Collector
        self.live: LiveOdds
        self.gaps: GapRepair

    def employ(self, feed: RacingApi) -> None:
        """Have a worker that knows nothing yet ask the feed this way."""
        self.feed = feed
        self.collector = Collector(self.database, self.clock)
        self.live = LiveOdds(feed, self.collector, regions=("ire",), clock=self.clock)
        self.gaps = GapRepair(feed, self.database, self.collector.writing, self.clock)

    async def look(self, race_id: RaceId, *, at: datetime) -> None:
        self.clock.now = at
        await self.live.poll_race(race_id, self.lease)

    async def off_of(self, race_id: RaceId) -> datetime:
        (card,) = (await self.feed.race(race_id)).cards
        return card.race.off_dt

    async def repair(self, *, at: datetime | None = None) -> Repaired:
        if at is not None:
            self.clock.now = at
        return await self.gaps.run(self.lease)

    async def stored(self, race_id: RaceId) -> StoredRepair:
        async with self.database.connection() as connection:
            return (await repairs_of(connection, [race_id]))[race_id]

    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *values)]

    def asked(self) -> int:
        return sum(self.simulator.requests.get(ODDS, {}).values())

    async def true_paths(self, race_id: RaceId) -> dict[QuoteKey, list[PricePoint]]:
        """The simulator's own path of every quote, repeats left out."""
        (card,) = (await self.feed.race(race_id)).cards
        paths: dict[QuoteKey, list[PricePoint]] = {}
        for horse_id in card.runners:
            try:
                history = await self.feed.odds_history(race_id, horse_id)
            except NotFoundError:
                continue
            for bookmaker_id, path in history.paths.items():
                found = changes(path)
                if found:
                    paths[horse_id, bookmaker_id] = found
        return paths

    async def logged_paths(self, race_id: RaceId) -> dict[QuoteKey, list[PricePoint]]:
        """What the log says of every quote, in the order in which its prices took effect."""
        async with self.database.connection() as connection:
            log = await quote_logs_of(connection, DAY, race_id)
        paths = {key: changes(entries) for key, entries in log.entries.items()}
        return {key: path for key, path in paths.items() if path}


def changes(path: Collection[PricePoint]) -> list[PricePoint]:
    found: list[PricePoint] = []
    for point in path:
        if point.price != (found[-1].price if found else None):
            found.append(PricePoint(at=point.at, price=point.price))
    return found


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(MORNING)


@pytest.fixture
async def simulator(clock: StoppedClock) -> AsyncIterator[Simulator]:
    # A refresh a minute: what a look sees is what the history of its minute says.
    async with running_simulator(Options(refresh=60, limits=False), clock=clock) as running:
        yield running


def access_to(simulator: Simulator, paces: Paces = UNPACED) -> FeedAccess:
    return FeedAccess(
        base_url=simulator.base_url,
        username="simulator",
        password="simulator",
        paces=paces,
        attempts=1,
    )


@pytest.fixture
async def yard(
    database: Database, simulator: Simulator, clock: StoppedClock
) -> AsyncIterator[Yard]:
    async with database.transaction() as connection:
        lease = await leases.acquire(connection, "market", "the test", ttl=HOUR)
    assert lease is not None
    async with RacingApi.open(access_to(simulator), clock=clock) as feed:
        yard = Yard(database, lease, simulator, clock)
        yard.employ(feed)
        yield yard


@pytest.fixture
async def race_id(yard: Yard) -> RaceId:
    """A race with a non-runner, from a card that was looked at."""
    page = await yard.feed.racecards(DAY, ("ire",))
    run = [card for card in page.cards if not card.race.is_abandoned]
    return min(run, key=lambda card: (card.race.off_dt, card.race.race_id)).race.race_id


async def look_now_and_then(yard: Yard, race_id: RaceId) -> datetime:
    """Look at a race eight times in its last three hours, which misses much; its off."""
    off_dt = await yard.off_of(race_id)
    for minutes in (180, 120, 90, 45, 20, 8, 3, -15):
        await yard.look(race_id, at=off_dt - minutes * MINUTE + timedelta(seconds=7))
    return off_dt


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
            while not await blocker.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ):
                continue
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


async def test_without_room_beside_live_odds_nothing_is_asked(yard: Yard, race_id: RaceId) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    yard.clock.now = off_dt + HOUR
    narrow = Paces(requests_per_ten_seconds=2)
    async with RacingApi.open(access_to(yard.simulator, narrow), clock=yard.clock) as feed:
        yard.employ(feed)
        await feed.regions()
        await feed.courses(("ire",))

        done = await yard.repair()

    assert (done.asked, done.left) == (0, 1)
    assert done.stopped == "the feed has no room beside live odds"
    assert yard.asked() == 0


async def test_while_live_odds_fail_nothing_is_asked(yard: Yard, race_id: RaceId) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    yard.clock.now = off_dt + HOUR
    yard.simulator.set_faults("500")
    with pytest.raises(FeedError):
        await yard.feed.regions()
    yard.simulator.set_faults()

    done = await yard.repair()

    assert (done.asked, done.left, yard.asked()) == (0, 1, 0)


async def test_a_throttled_pass_ends_and_the_next_one_goes_on(yard: Yard, race_id: RaceId) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    yard.simulator.set_faults("429")

    throttled = await yard.repair(at=off_dt + HOUR)
    yard.simulator.set_faults()
    done = await yard.repair()

    assert (throttled.asked, throttled.left) == (1, 1)
    assert throttled.stopped is not None
    assert throttled.stopped.startswith("the feed is asked too often")
    assert (done.races, done.failed) == (1, 0)
    assert (await yard.stored(race_id)).runners_failed == 0


@pytest.mark.parametrize("fault", ["500", "garbage"])
async def test_failures_of_the_feed_are_held_against_no_runner(
    yard: Yard, race_id: RaceId, fault: str
) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    yard.simulator.set_faults(fault)
    for hours in (1, 3, 24):
        failed = await yard.repair(at=off_dt + hours * HOUR)
        assert (failed.asked, failed.failed, failed.left) == (2, 2, 1)
    yard.simulator.set_faults()

    assert (await yard.repair()).races == 1
    assert (await yard.stored(race_id)).runners_failed == 0


async def test_other_races_are_tried_before_a_pass_ends_for_failures(yard: Yard) -> None:
    page = await yard.feed.racecards(DAY, ("ire",))
    offs = []
    for card in page.cards:
        yard.clock.now = card.race.off_dt - HOUR
        await yard.live.poll_race(card.race.race_id, yard.lease)
        offs.append(card.race.off_dt)
    yard.simulator.set_faults("garbage")

    failed = await yard.repair(at=max(offs) + HOUR)

    assert (failed.asked, failed.failed) == (4, 4)
    assert failed.stopped is not None
    assert failed.stopped.startswith("the answer is no price history")
    assert await yard.rows(
        "SELECT count(*), count(DISTINCT race_id) FROM ra_gap_repair_runners"
    ) == [(4, 2)]


class SpoiltSource(GeneratedSource):
    """The simulator's own, save that one runner's history is no history."""

    def __init__(self, horse_id: str) -> None:
        super().__init__(seed=1, schedule=OrdinarySchedule(1), refresh=60)
        self._horse_id = horse_id

    async def runner_odds(self, race_id: str, horse_id: str, now: datetime) -> bytes | None:
        if horse_id == self._horse_id:
            return b"<html></html>"
        return await super().runner_odds(race_id, horse_id, now)


async def test_a_runner_that_cannot_be_read_is_given_up_and_the_race_says_so(
    yard: Yard, race_id: RaceId, clock: StoppedClock
) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    horse_id = (await yard.rows("SELECT horse_id FROM ra_runners ORDER BY 1 LIMIT 1"))[0][0]
    async with Feed.serving(SpoiltSource(horse_id), clock) as feed:
        yard.employ(feed.client)
        passes = [await yard.repair(at=off_dt + hours * HOUR) for hours in (1, 2, 24, 25, 26)]

    stored = await yard.stored(race_id)
    assert [each.failed for each in passes] == [1, 1, 1, 0, 0]
    assert [each.races for each in passes] == [0, 0, 0, 1, 0]
    assert (stored.state, stored.runners_failed) == (RepairState.REPAIRED, 1)
    assert stored.reason is not None
    assert stored.reason.startswith(f"1 of {stored.runners_asked} runners not read: the answer")


async def test_a_race_that_nobody_quoted_is_impossible_with_its_reason(yard: Yard) -> None:
    yard.clock.now = MORNING
    await yard.rows(
        "INSERT INTO ra_races (race_id, race_date, off_dt, off_time, course_id, course, region,"
        " race_name, checked_at, revision) VALUES ('rac_x', $1, $2, '', '', '', 'IRE', '', $2, 1)"
        " RETURNING 1",
        DAY,
        MORNING,
    )
    await yard.rows(
        "INSERT INTO ra_runners (race_id, horse_id, horse_name, revision)"
        " VALUES ('rac_x', 'hrs_x', 'X', 1) RETURNING 1"
    )

    done = await yard.repair(at=MORNING + HOUR)

    stored = await yard.stored(RaceId("rac_x"))
    assert (done.impossible, done.not_found, done.left) == (1, 1, 0)
    assert (stored.state, stored.reason) == (
        RepairState.IMPOSSIBLE,
        "the feed has no price history of its runners",
    )
    assert (stored.completeness, stored.completeness_polled, stored.lag) == (None, None, None)


async def test_an_account_without_price_histories_is_asked_once(
    yard: Yard, race_id: RaceId, clock: StoppedClock
) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    clock.now = off_dt + HOUR
    standard = Options(plan="standard", limits=False)
    async with (
        running_simulator(standard, clock=clock) as simulator,
        RacingApi.open(access_to(simulator), clock=clock) as feed,
    ):
        yard.employ(feed)
        first, second = await yard.repair(), await yard.repair()

    assert (first.asked, second.asked) == (1, 0)
    assert first.stopped == second.stopped
    assert first.stopped is not None
    assert first.stopped.startswith("the account's plan is too small")


async def test_an_open_race_is_repaired_after_an_outage_and_again_at_its_end(
    yard: Yard, race_id: RaceId
) -> None:
    off_dt = await yard.off_of(race_id)
    for minutes in (118, 114, 110):
        await yard.look(race_id, at=off_dt - minutes * MINUTE)
    assert await yard.repair() == Repaired()
    yard.employ(yard.feed)  # a worker that was killed, and another one after 50 minutes
    await yard.look(race_id, at=off_dt - HOUR)

    after_outage = await yard.repair()

    stored = await yard.stored(race_id)
    assert (stored.occasion, stored.state) == (Occasion.OUTAGE, RepairState.REPAIRED)
    assert (stored.outage_from, stored.outage_to) == (off_dt - 110 * MINUTE, off_dt - HOUR)
    assert await yard.rows(
        "SELECT max(changed_at) <= $1 FROM ra_odds_changes WHERE source = 'history'",
        off_dt - HOUR - SEEN_WITHIN,
    ) == [(True,)]
    assert (await yard.repair()).asked == 0
    for minutes in (55, 30, 10, 1, -15):
        await yard.look(race_id, at=off_dt - minutes * MINUTE)
    at_end = await yard.repair(at=off_dt + HOUR)

    stored = await yard.stored(race_id)
    assert (stored.occasion, stored.state) == (Occasion.END, RepairState.REPAIRED)
    assert stored.added == after_outage.added + at_end.added
    true, logged = await yard.true_paths(race_id), await yard.logged_paths(race_id)
    assert {key: [p.price for p in path] for key, path in logged.items()} == {
        key: [p.price for p in path] for key, path in true.items()
    }


async def test_a_day_that_was_read_before_its_races_were_repaired_is_due_again(
    yard: Yard, race_id: RaceId
) -> None:
    off_dt = await look_now_and_then(yard, race_id)
    read_at = off_dt + 4 * timedelta(days=1)
    await yard.rows(
        "INSERT INTO race_days (race_date, region, cards, results, checked_at, completed_at)"
        " SELECT $1, region, 'complete', 'complete', $2, $2 FROM unnest(ARRAY['gb', 'ire'])"
        " AS region RETURNING 1",
        DAY,
        read_at,
    )

    await yard.repair(at=read_at + HOUR)

    async with yard.database.connection() as connection:
        ledger = await race_days_between(connection, DAY, DAY, ["gb", "ire"])
    assert is_due(DAY, ledger[DAY, "ire"], yard.clock.now)
    assert not is_due(DAY, ledger[DAY, "gb"], yard.clock.now)


async def test_the_nightly_job_reads_a_repaired_day_again_with_its_better_prices(
    yard: Yard, race_id: RaceId
) -> None:
    async def opening_prices() -> dict[str, Any]:
        await fill_due_days(
            past,
            yard.database,
            partial(writing_transaction, yard.database, yard.lease),
            regions=["ire"],
            now=yard.clock.now,
        )
        return dict(
            await yard.rows(
                "SELECT horse_id, opening_price FROM ra_odds_historical WHERE race_id = $1"
                " AND data_source = 'change_log'",
                race_id,
            )
        )

    past = PastDays(yard.feed, yard.database, yard.clock)
    off_dt = await look_now_and_then(yard, race_id)
    yard.clock.now = off_dt + 4 * timedelta(days=1)
    polled = await opening_prices()
    yard.clock.now += HOUR
    await yard.repair()
    yard.clock.now += HOUR

    repaired = await opening_prices()

    true = await yard.true_paths(race_id)
    first = min(path[0].at for path in true.values())
    assert repaired.keys() == polled.keys()
    assert repaired != polled
    for horse_id, opening in repaired.items():
        quoted = [
            path[0].price.decimal
            for (horse, bookmaker_id), path in true.items()
            if horse == horse_id
            and path[0].at == first
            and path[0].price is not None
            and not is_exchange(bookmaker_id)
        ]
        assert round(float(opening), 1) == round(float(max(quoted)), 1)
