from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from darkhorses.domain.gaps import SEEN_WITHIN
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.price_summaries import is_exchange
from darkhorses.domain.race_days import is_due
from darkhorses.domain.repairs import Occasion, RepairState
from darkhorses.simulator import Options, running_simulator
from darkhorses.simulator.generated import GeneratedSource
from darkhorses.simulator.schedule import OrdinarySchedule
from darkhorses.store.race_days import race_days_between
from darkhorses.store.writing.lease import writing_transaction
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.errors import FeedError
from darkhorses.upstream.pacing import Paces
from darkhorses.worker.gap_repair import Repaired
from darkhorses.worker.historical_odds import fill_due_days
from darkhorses.worker.past_days import PastDays
from tests.feeds import Feed
from tests.market import StoppedClock
from tests.worker.repairs.conftest import (
    DAY,
    HOUR,
    MINUTE,
    MORNING,
    Yard,
    access_to,
    look_now_and_then,
)


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


async def test_races_of_regions_that_another_worker_collects_are_left_to_it(yard: Yard) -> None:
    yard.clock.now = MORNING
    await yard.rows(
        "INSERT INTO ra_races (race_id, race_date, off_dt, off_time, course_id, course, region,"
        " race_name, checked_at, revision) VALUES ('rac_x', $1, $2, '', '', '', 'GB', '', $2, 1)"
        " RETURNING 1",
        DAY,
        MORNING,
    )
    done = await yard.repair(at=MORNING + HOUR)
    assert (done.impossible, done.left, done.asked) == (0, 0, 0)

    await yard.rows("UPDATE ra_races SET region = 'IRE' RETURNING 1")
    assert (await yard.repair()).impossible == 1


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
