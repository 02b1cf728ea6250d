"""The feed's clock before or after ours, and London's clocks as they change."""

from datetime import UTC, datetime, timedelta

import pytest

from darkhorses.store.pool import Database
from tests.faults.feed_desk import MORNING, FeedDesk


@pytest.mark.parametrize("apart", [-300, 300], ids=["behind", "ahead"])
async def test_a_feed_five_minutes_off_changes_neither_prices_nor_their_order(
    apart: int, database: Database
) -> None:
    async with FeedDesk.open(database, MORNING, apart=timedelta(seconds=apart)) as desk:
        for _ in range(8):
            assert await desk.look()
            assert await desk.on_offer() == await desk.truth()
            await desk.check_log()
            desk.clock.forward(minutes=20)
        late = "SELECT count(*) FROM ra_odds_changes WHERE changed_at > seen_at"
        assert await desk.rows(late) == [(0,)]


@pytest.mark.parametrize(
    "start",
    [datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 10, 24, 23, 30, tzinfo=UTC)],
    ids=["spring", "autumn"],
)
async def test_prices_keep_their_order_while_the_clocks_of_london_change(
    start: datetime, database: Database
) -> None:
    async with FeedDesk.open(database, start) as desk:
        refreshed: list[datetime] = []
        for _ in range(9):
            assert await desk.look()
            assert await desk.on_offer() == await desk.truth()
            await desk.check_log()
            ((newest,),) = await desk.rows("SELECT max(odds_refreshed_at) FROM ra_races")
            assert timedelta(0) <= desk.clock() - newest < timedelta(minutes=1)
            refreshed.append(newest)
            desk.clock.forward(minutes=15)
        assert refreshed == sorted(refreshed)
