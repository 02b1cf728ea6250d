from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta

import pytest

from darkhorses.simulator.generated import GeneratedSource
from darkhorses.simulator.schedule import OrdinarySchedule
from darkhorses.store.pool import Database
from darkhorses.upstream.pacing import Paces
from darkhorses.worker.backfill import Backfilled, beside_a_worker, fill_days
from darkhorses.worker.historical_odds import DueDay
from darkhorses.worker.past_days import FilledDay, PastDays
from tests.feeds import Feed
from tests.market import NOON, StoppedClock
from tests.past_days import table

LAST = NOON.date() - timedelta(days=10)
NO_REST = timedelta(0)


def last(count: int) -> list[DueDay]:
    return [DueDay(day=LAST - timedelta(days=n), regions=("ire",)) for n in range(count)]


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    source = GeneratedSource(seed=7, schedule=OrdinarySchedule(7))
    async with Feed.serving(source, StoppedClock()) as feed:
        yield feed


@pytest.fixture
def past(feed: Feed, database: Database) -> PastDays:
    return PastDays(feed.client, database, StoppedClock())


async def test_days_that_fail_for_a_while_are_read_at_the_end(
    feed: Feed, past: PastDays, database: Database
) -> None:
    failed: list[date] = []

    def on_day(due: DueDay, found: Sequence[FilledDay]) -> None:
        if any(day.failed for day in found):
            failed.append(due.day)
        if len(failed) == 3:
            feed.fail()

    feed.fail("500")
    done = await fill_days(past, database, last(10), on_day=on_day, rest=NO_REST)

    assert len(failed) >= 3
    assert (done.filled.days, done.filled.gaps, done.is_whole) == (10, {}, True)
    assert await table(database, "SELECT DISTINCT cards, results FROM race_days") == [
        ("complete", "complete")
    ]


async def test_a_feed_that_stays_away_ends_it_and_the_days_not_come_to_are_untouched(
    feed: Feed, past: PastDays, database: Database
) -> None:
    feed.fail("500")
    done = await fill_days(past, database, last(60), on_day=lambda _due, _found: None, rest=NO_REST)

    assert done.error is not None
    assert done.error.startswith("30 days in a row could not be read: the feed failed: ")
    assert done.left >= 60 - 30 - 6
    ((noted,),) = await table(database, "SELECT count(*) FROM race_days")
    # Days in hand when it ended may have been noted as failed, others were not come to.
    assert 60 - done.left <= noted <= 60 - done.left + 6
    assert not done.is_whole


async def test_nothing_to_do_is_whole(past: PastDays, database: Database) -> None:
    done = await fill_days(
        past, database, [], on_day=lambda _due, _found: None, rest=NO_REST, skipped=7
    )

    assert done == Backfilled(filled=done.filled, skipped=7)
    assert done.is_whole


def test_beside_a_worker_it_asks_for_cards_and_results_half_as_fast() -> None:
    paces = beside_a_worker(Paces())

    assert (paces.racecards_per_second, paces.races_per_second) == (1.0, 2.5)
    assert paces.requests_per_ten_seconds == 25
