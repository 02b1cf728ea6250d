import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from darkhorses.domain.race_days import Completeness
from darkhorses.store.pool import Database
from darkhorses.upstream.errors import BadCredentialsError
from tests import market
from tests.cards import quote
from tests.feeds import Feed, StagedSource
from tests.market import MarketWriter, StoppedClock
from tests.past_days import table
from tests.worker.days import NEXT_NIGHT, SETTLED, Desk, ended, five_ran, horse


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    clock = StoppedClock(NEXT_NIGHT)
    source = StagedSource()
    async with Feed.serving(source, clock) as feed:
        yield Desk(database, source, feed, clock)


async def test_a_day_is_written_once_and_reading_it_again_writes_nothing(desk: Desk) -> None:
    desk.stage(*five_ran())
    (first,) = await desk.fill()
    before = await desk.sums()
    stamped = await table(desk.database, "SELECT updated_at, xmin::text FROM ra_odds_historical")
    desk.clock.forward(hours=2)
    (second,) = await desk.fill()

    assert (first.races, first.rows, first.written, first.revised) == (1, 5, 5, 0)
    assert (second.races, second.rows, second.written, second.revised) == (1, 5, 0, 0)
    assert await desk.sums() == before
    assert before[-2:] == (5, 0)
    assert stamped == await table(
        desk.database, "SELECT updated_at, xmin::text FROM ra_odds_historical"
    )
    assert await desk.ledger() == (
        "complete", "provisional", "results may be amended until 2026-06-23",
    )  # fmt: skip


async def test_an_amended_result_changes_its_rows_and_what_they_said_is_kept(desk: Desk) -> None:
    desk.stage(*five_ran())
    await desk.fill()
    desk.source.results_of_all[0]["runners"][:2] = [ended(1, "DSQ"), ended(2, "1")]
    desk.clock.forward(days=1)
    (again,) = await desk.fill()

    assert (again.written, again.revised) == (2, 2)
    assert await desk.rows("finishing_position, sp_win_return") == {
        "hrs_1": ("DSQ", 0),
        "hrs_2": ("1", 5),
        "hrs_3": ("3", 0),
        "hrs_4": ("4", 0),
        "hrs_5": ("5", 0),
    }
    kept = await table(
        desk.database,
        "SELECT horse_id, superseded_at, said->>'finishing_position', said->>'sp_win_return',"
        " said ? 'horse_name' FROM ra_odds_historical_revisions",
    )
    assert kept == [
        ("hrs_1", desk.clock.now, "1", "5.0000", False),
        ("hrs_2", desk.clock.now, "2", "0.0000", False),
    ]
    (stamps,) = await table(
        desk.database,
        "SELECT created_at, updated_at FROM ra_odds_historical WHERE horse_id = 'hrs_1'",
    )
    assert stamps == (NEXT_NIGHT, desk.clock.now)


async def test_a_horse_that_was_taken_for_another_leaves_its_row_to_the_revisions(
    desk: Desk,
) -> None:
    desk.stage(*five_ran())
    await desk.fill()
    desk.source.results_of_all[0]["runners"][0] |= {"horse_id": "hrs_9", "horse": "Horse 9 (GB)"}
    desk.source.cards[0]["runners"][0] |= {"horse_id": "hrs_9", "horse": "Horse 9"}
    desk.clock.forward(days=1)
    (again,) = await desk.fill()

    assert sorted(await desk.rows("1")) == ["hrs_2", "hrs_3", "hrs_4", "hrs_5", "hrs_9"]
    assert (again.written, again.revised) == (1, 1)
    assert await table(
        desk.database,
        "SELECT horse_id, said->>'horse_name', said->>'finishing_position'"
        " FROM ra_odds_historical_revisions",
    ) == [("hrs_1", "Horse 1", "1")]


async def test_a_horse_that_a_broken_card_does_not_show_keeps_its_row(desk: Desk) -> None:
    desk.stage(*five_ran(), (horse(6), None))
    await desk.fill()
    desk.source.cards[0]["runners"][5]["horse_id"] = None
    desk.clock.forward(days=1)
    (again,) = await desk.fill()

    assert (await desk.rows("is_non_runner"))["hrs_6"] is True
    assert again.gap == ("not understood: 1 cards; results may be amended until 2026-06-23")
    assert (await desk.ledger())[:2] == ("missing", "provisional")


async def test_exchange_starting_prices_come_with_a_later_reading(desk: Desk) -> None:
    desk.stage(*five_ran())
    await desk.fill()
    for ran in desk.source.results_of_all[0]["runners"]:
        ran["bsp"] = "5.37"
    desk.clock.forward(days=1)
    (again,) = await desk.fill()

    assert set((await desk.rows("bsp")).values()) == {Decimal("5.37")}
    assert (again.written, again.revised) == (5, 5)
    assert await table(desk.database, "SELECT DISTINCT said FROM ra_odds_historical_revisions") == [
        ('{"bsp": null}',)
    ]


async def test_two_who_write_a_day_at_once_write_it_once(desk: Desk) -> None:
    desk.stage(*five_ran())
    both = await asyncio.gather(desk.fill("gb", "ire"), desk.fill("gb", "ire"))

    assert sum(day.written for found in both for day in found) == 5
    assert (await desk.sums())[-2:] == (5, 0)
    assert await table(desk.database, "SELECT attempts FROM race_days") == [(2,), (2,)]


async def test_an_older_reading_never_overwrites_a_newer_one(desk: Desk) -> None:
    desk.stage(*five_ran())
    desk.clock.now = SETTLED
    await desk.fill()
    before = await desk.sums()
    desk.source.results_of_all[0]["runners"][0]["position"] = "DSQ"
    desk.clock.now = NEXT_NIGHT
    (late,) = await desk.fill()

    assert (late.written, late.revised) == (0, 0)
    assert await desk.sums() == before
    assert await desk.ledger() == ("complete", "complete", None)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("429", "the feed is asked too often: /racecards/pro gave 429: Too Many Requests"),
        ("500", "the feed failed: /racecards/pro gave 500"),
        ("truncated", "the feed cannot be reached for /racecards/pro"),
        ("garbage", "the racecards are not JSON"),
    ],
)
async def test_a_day_that_could_not_be_read_is_missing_and_says_why(
    fault: str, said: str, desk: Desk
) -> None:
    desk.stage(*five_ran())
    desk.feed.fail(fault)
    found = await desk.fill("gb", "ire")

    assert [(day.region, day.failed) for day in found] == [("gb", True), ("ire", True)]
    for region in ("gb", "ire"):
        cards, results, reason = await desk.ledger(region)
        assert (cards, results) == ("missing", "missing")
        assert reason is not None
        assert reason.startswith(said)
    assert await desk.rows("1") == {}

    desk.feed.fail()
    await desk.fill()
    assert (await desk.ledger())[:2] == ("complete", "provisional")
    assert (await desk.ledger("ire"))[:2] == ("missing", "missing")


async def test_a_failed_reading_leaves_what_an_earlier_one_brought(desk: Desk) -> None:
    desk.stage(*five_ran())
    await desk.fill()
    before = await desk.rows("finishing_position, updated_at")
    desk.feed.fail("429")
    desk.clock.forward(days=1)
    await desk.fill()

    assert await desk.rows("finishing_position, updated_at") == before
    assert (await desk.ledger())[:2] == ("complete", "provisional")


async def test_a_refusal_is_noted_and_ends_everything(desk: Desk) -> None:
    desk.feed.client._requests._connections._current.http.auth = ("simulator", "mistyped")
    with pytest.raises(BadCredentialsError):
        await desk.fill()

    assert "user name and password" in str(await desk.ledger())


async def test_results_that_were_announced_and_not_sent_leave_a_gap(desk: Desk) -> None:
    desk.stage(*five_ran())
    desk.source.unsent["results"] = 3
    desk.clock.now = SETTLED
    (found,) = await desk.fill()

    assert found.gap == "announced by the feed and not sent: 3 results"
    assert await desk.ledger() == ("complete", "missing", found.gap)
    assert found.rows == 5


async def test_a_card_that_was_announced_and_not_sent_takes_no_price_away(desk: Desk) -> None:
    desk.stage(*five_ran())
    desk.stage(*five_ran(), race_id="rac_2")
    await desk.fill()
    before = (await desk.sums())[0]
    desk.source.cards[1]["_hidden"] = True
    desk.source.unsent["racecards"] = 1
    desk.clock.now = SETTLED
    (found,) = await desk.fill()

    assert found.gap == (
        "announced by the feed and not sent: 1 cards; known by its result alone: rac_2"
    )
    assert (await desk.ledger())[:2] == ("missing", "complete")
    assert (await desk.sums())[0] == before


async def test_a_day_without_any_card_is_known_by_its_results_and_has_a_gap(desk: Desk) -> None:
    desk.stage(*five_ran())
    desk.source.cards.clear()
    desk.clock.now = SETTLED
    (found,) = await desk.fill()

    assert (found.rows, found.gap) == (5, "no card: rac_1")
    assert set((await desk.rows("data_source")).values()) == {"result"}


async def test_a_meeting_that_was_abandoned_half_way_is_complete_and_its_bets_are_void(
    desk: Desk,
) -> None:
    desk.stage(*five_ran())
    desk.stage(*((horse(n), None) for n in (11, 12)), race_id="rac_2", is_abandoned=True)
    desk.clock.now = SETTLED
    (found,) = await desk.fill()

    assert (found.races, found.rows, found.gap) == (2, 7, None)
    assert await desk.ledger() == ("complete", "complete", "abandoned: rac_2")
    rows = await desk.rows("sp_win_return, finishing_position")
    assert (rows["hrs_1"], rows["hrs_11"]) == ((5, "1"), (1, None))


async def test_a_race_without_a_result_is_a_gap_until_the_feed_is_sure_to_have_none(
    desk: Desk,
) -> None:
    desk.stage(*five_ran())
    desk.stage(*((horse(n), None) for n in (11, 12)), race_id="rac_2")
    (first,) = await desk.fill()

    assert first.gap is not None
    assert first.gap.startswith("no result yet: rac_2")
    assert (await desk.ledger())[:2] == ("complete", "missing")
    assert sorted(await desk.rows("1")) == ["hrs_1", "hrs_2", "hrs_3", "hrs_4", "hrs_5"]

    desk.feed.asked()
    desk.clock.now = SETTLED
    (settled,) = await desk.fill()

    assert desk.feed.asked()["results/{race_id}"] == 1
    assert settled.gap is None
    assert await desk.ledger() == (
        "complete", "complete", "void, the feed never had a result: rac_2",
    )  # fmt: skip
    assert (await desk.rows("sp_win_return"))["hrs_11"] == 1


async def test_a_late_result_that_the_day_leaves_out_is_asked_for_by_itself(desk: Desk) -> None:
    desk.stage(*five_ran())
    desk.stage((horse(11), ended(11, "1")), (horse(12), ended(12, "2")), race_id="rac_2")
    desk.source.results_of_all[1]["_hidden"] = True
    desk.clock.now = SETTLED
    (found,) = await desk.fill()

    assert (found.rows, found.gap) == (7, None)
    assert (await desk.rows("finishing_position"))["hrs_11"] == "1"


async def test_a_day_without_a_single_result_is_not_taken_for_void(desk: Desk) -> None:
    desk.stage(*((horse(n), None) for n in (11, 12)))
    desk.clock.now = SETTLED
    (found,) = await desk.fill()

    assert found.gap == "no result yet: rac_1"
    assert await desk.rows("1") == {}


async def test_a_day_without_racing_is_complete(desk: Desk) -> None:
    desk.clock.now = SETTLED
    (found,) = await desk.fill()

    assert (found.races, found.gap) == (0, None)
    assert await desk.ledger() == ("complete", "complete", None)


async def test_a_result_that_cannot_be_read_is_a_gap_and_set_aside_once(desk: Desk) -> None:
    desk.stage(*five_ran())
    desk.source.results_of_all[0]["runners"][0]["horse_id"] = None
    found = await desk.fill("gb", "ire")
    await desk.fill("gb", "ire")

    assert all("not understood: 1 results" in (day.gap or "") for day in found)
    assert await desk.rows("1") == {}
    assert await table(
        desk.database, "SELECT kind, race_id, reason, seen_count FROM quarantine"
    ) == [("race", "rac_1", "result: horse_id is empty", 2)]


async def test_regions_are_read_together_and_written_apart(desk: Desk) -> None:
    desk.stage(*five_ran())
    desk.stage((horse(11), ended(11, "1")), race_id="rac_2", region="IRE", course_id="crs_2")
    gb, ire = await desk.fill("ire", "gb")

    assert (gb.region, gb.races, ire.region, ire.races) == ("gb", 1, "ire", 1)
    assert desk.feed.asked() == {"racecards/pro": 1, "results": 1}
    assert await table(
        desk.database,
        "SELECT region, races_count, results_count, rows_count, attempts FROM race_days ORDER BY 1",
    ) == [("gb", 1, 1, 5, 1), ("ire", 1, 1, 1, 1)]
    prizes = await table(
        desk.database, "SELECT DISTINCT country, prize_currency FROM ra_odds_historical ORDER BY 1"
    )
    assert prizes == [("GB", "GBP"), ("IRE", "EUR")]


async def test_prices_are_those_of_our_own_log_and_a_withdrawal_counts_for_rule_4(
    desk: Desk,
) -> None:
    off_dt = datetime(2026, 6, 20, 13, 12, tzinfo=UTC)
    of = market.race(off_dt=off_dt)
    writer = await MarketWriter.leading(desk.database)

    async def look(minutes: float, ada: str | None, bea: str | None) -> None:
        await writer.look(
            market.card(
                of,
                (market.runner("1", 1), {"Bet365": ada, "Betfair Exchange": "17.5"}),
                (market.runner("2", 2), {"Bet365": bea}),
            ),
            seen_at=off_dt - timedelta(minutes=minutes),
        )

    await look(60, "4/1", "2/1")
    await look(40, "5/1", None)
    await look(20, "7/2", None)
    await look(-3, "10/3", None)
    await look(-9, None, None)
    desk.stage(
        (horse(1), ended(1)),
        (horse(2, number="NR", jockey="NON-RUNNER", odds=[quote(decimal="-")]), None),
    )
    await desk.fill()

    rows = await desk.rows(
        "data_source, opening_price, closing_price, pre_race_min, pre_race_max, forecasted_odds,"
        " rule_4_pence, horse_number, is_non_runner"
    )
    assert rows["hrs_1"] == (
        "change_log", 5, Decimal("4.333"), Decimal("4.333"), 6, Decimal("4.333"), 30, 1, False,
    )  # fmt: skip
    # Its card has lost the number; we had seen it.
    assert rows["hrs_2"] == ("change_log", 3, 3, 3, 3, 3, None, 2, True)


async def test_without_a_log_prices_are_those_of_the_card(desk: Desk) -> None:
    odds = [
        quote(),
        quote("Coral", decimal="5.50", fractional="9/2"),
        quote("Smarkets", decimal="9", fractional="9"),
    ]
    desk.stage((horse(1, odds=odds), ended(1)))
    await desk.fill()

    assert await desk.rows(
        "data_source, opening_price, closing_price, pre_race_min, pre_race_max, forecasted_odds"
    ) == {
        "hrs_1": (
            "card", None, Decimal("5.5"), Decimal("4.333"), Decimal("5.5"), Decimal("4.917"),
        ),
    }  # fmt: skip


async def test_the_ledger_is_complete_when_a_provisional_day_is_read_as_settled(desk: Desk) -> None:
    desk.stage(*five_ran())
    await desk.fill()
    desk.clock.now = SETTLED
    (found,) = await desk.fill()

    assert (found.written, found.revised) == (0, 0)
    assert await desk.ledger() == ("complete", Completeness.COMPLETE, None)
    assert await table(desk.database, "SELECT attempts, completed_at FROM race_days") == [
        (2, SETTLED)
    ]
    assert await table(desk.database, "SELECT is_provisional FROM ra_results") == [(False,)]
