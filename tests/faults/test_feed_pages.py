"""Lists that change between two of their pages, and races that come twice."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from darkhorses.domain.london import race_day
from darkhorses.store.pool import Database
from darkhorses.upstream.reading import CardReader
from tests.cards import page_of, race
from tests.faults.feed_desk import MORNING, REGIONS, FeedDesk
from tests.market import NOON


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[FeedDesk]:
    async with FeedDesk.open(database, MORNING) as desk:
        yield desk


async def test_a_race_that_comes_twice_is_stored_once(desk: FeedDesk) -> None:
    desk.simulator.set_faults("twice")
    for _ in range(3):
        assert await desk.look()
        assert await desk.on_offer() == await desk.truth()
        await desk.check_log()
        desk.clock.forward(minutes=20)


async def test_a_race_missed_between_two_pages_is_told_and_comes_with_the_next_look(
    desk: FeedDesk,
) -> None:
    whole = await desk.feed.racecards(race_day(MORNING), REGIONS)
    desk.simulator.set_faults("shrunk")
    page = await desk.feed.racecards(race_day(MORNING), REGIONS, limit=4)
    assert len(page.cards) < len(whole.cards)
    assert page.missing == len(whole.cards) - len(page.cards)
    found = await desk.collector.collect(page, desk.lease, asked_at=MORNING, seen_at=MORNING)
    assert found.missing == page.missing

    desk.simulator.set_faults()
    desk.clock.forward(minutes=1)
    assert await desk.look()
    assert await desk.on_offer() == await desk.truth()
    await desk.check_log()


def test_a_race_that_comes_again_on_the_next_page_does_not_stand_for_one_that_did_not_come() -> (
    None
):
    def named(*numbers: int) -> list[Any]:
        return [race(race_id=f"rac_{number}") for number in numbers]

    reader = CardReader(now=NOON)
    reader.read_page(page_of(*named(1, 2), total=4))
    # A race has come in before the others: the second page begins with what the first ended with.
    reader.read_page(page_of(*named(2, 3, 4), total=5))

    page = reader.page()
    assert [card.race.race_id for card in page.cards] == ["rac_1", "rac_2", "rac_3", "rac_4"]
    assert page.missing == 1
