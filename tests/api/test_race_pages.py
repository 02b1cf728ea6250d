"""One race with every price: now, and at a moment of the past."""

from datetime import timedelta

import msgspec
import pytest

from tests.api.boards import (
    ADA,
    BOB,
    CIT,
    OFF,
    cell_of,
    column_of,
    page,
    page_at,
    row_of,
)
from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, card, race, runner


async def test_a_race_has_every_price_with_its_terms_age_and_best_flag(
    api: RunningApi, writer: MarketWriter
) -> None:
    first = card(
        race(off_dt=OFF, race_name="A Handicap Hurdle"),
        (ADA, {"Bet365": "10/3", "Coral": "3/1", "Betfair Exchange": "4.7"}),
        (BOB, {"Bet365": "1/1", "Coral": "1/1"}),
    )
    second = card(
        race(off_dt=OFF, race_name="A Handicap Hurdle"),
        (ADA, {"Bet365": "10/3", "Coral": "10/3", "Betfair Exchange": "4.7"}),
        (BOB, {"Bet365": "1/1", "Coral": None}),
    )
    await writer.look(first, seen_at=NOON)
    await api.seen(await writer.look(second, seen_at=NOON + timedelta(seconds=60)))
    api.clock.forward(seconds=75)
    body = await page(api)

    assert (body["success"], body["at"], body["as_of"]) == (True, None, "2026-06-20T12:01:15Z")
    assert (body["runners"], body["is_handicap"], body["is_over"]) == (2, True, False)
    assert (body["race_time"], body["stage"], body["stale"]) == ("16:00", "early_market", False)
    assert cell_of(body, "Ada", "coral") == {
        "bookmaker_id": "coral",
        "odds_decimal": 4.33,
        "odds_fractional": "10/3",
        "ew_places": 3,
        "ew_denom": 5,
        "is_best": True,
        "changed_at": "2026-06-20T12:01:00Z",
        "changed_seconds_ago": 15,
        "fetched_at": "2026-06-20T12:01:00Z",
        "checked_at": "2026-06-20T12:01:00Z",
        "checked_seconds_ago": 15,
    }
    assert (cell_of(body, "Ada", "bet365")["is_best"]) is True
    assert (cell_of(body, "Ada", "bet365")["changed_seconds_ago"]) == 75
    assert (cell_of(body, "Bob", "bet365")["odds_fractional"]) == "1/1"
    assert (cell_of(body, "Bob", "coral")["odds_decimal"]) is None
    exchange = cell_of(body, "Ada", "betfairexchange")
    assert (exchange["odds_decimal"], exchange["odds_fractional"]) == (4.7, None)
    assert exchange["is_best"] is False
    ada = row_of(body, "Ada")
    assert [cell["bookmaker_id"] for cell in ada["exchange_prices"]] == ["betfairexchange"]
    assert (ada["best_odds_fractional"], ada["best_bookmakers"]) == ("10/3", ["Bet365", "Coral"])
    assert (ada["draw"], ada["weight"], ada["form"], ada["jockey"]) == (
        3,
        158,
        "1-2",
        "Ada's jockey",
    )


async def test_the_feeds_own_refresh_says_how_old_the_prices_were_when_looked_at(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = msgspec.structs.replace(
        card(race(off_dt=OFF), (ADA, {"Bet365": "1/1"})), refreshed_at=NOON - timedelta(seconds=90)
    )
    await api.seen(await writer.look(look, seen_at=NOON))
    body = await page(api)
    assert (body["feed_refreshed_at"], body["feed_lag_seconds"]) == ("2026-06-20T11:58:30Z", 90)
    cell = cell_of(body, "Ada", "bet365")
    assert (cell["changed_at"], cell["changed_seconds_ago"]) == ("2026-06-20T11:58:30Z", 90)
    assert (cell["fetched_at"], cell["checked_seconds_ago"]) == ("2026-06-20T12:00:00Z", 0)


async def test_a_book_has_its_overround_or_says_why_not(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(
        race(off_dt=OFF),
        (ADA, {"Bet365": "10/3", "Coral": "3/1", "Betfair Exchange": "4.7"}),
        (BOB, {"Bet365": "1/2", "Coral": None, "Betfair Exchange": "1.5"}),
    )
    await api.seen(await writer.look(look, seen_at=NOON))
    body = await page(api)

    bet365, coral = column_of(body, "bet365"), column_of(body, "coral")
    assert bet365["overround"] == pytest.approx(3 / 13 + 2 / 3 - 1, abs=1e-6)
    assert (bet365["no_overround"], bet365["unpriced_runners"]) == (None, [])
    assert bet365["each_way"] == [{"places": 3, "denominator": 5, "runners": 2}]
    assert (coral["overround"], coral["unpriced_runners"]) == (None, ["hrs_bob"])
    assert coral["no_overround"] == "no price on 1 of 2 runners"
    assert [column["bookmaker_id"] for column in body["exchanges"]] == ["betfairexchange"]
    assert body["best_book"]["percentage"] == pytest.approx(100 * (3 / 13 + 2 / 3), abs=1e-4)
    assert (body["best_book"]["stale"], body["best_book"]["unpriced_runners"]) == (False, [])
    assert body["completeness"] == {
        "bookmakers": 2,
        "complete_bookmakers": 1,
        "priced": 3,
        "possible": 4,
        "share": 0.75,
        "unpriced_runners": [],
    }


async def test_fair_chances_are_of_the_whole_books_that_have_a_margin(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(
        race(off_dt=OFF),
        (ADA, {"Bet365": "1/1", "Coral": "4/5", "William Hill": "1/1"}),
        (BOB, {"Bet365": "4/5", "Coral": "1/1", "William Hill": None}),
    )
    await api.seen(await writer.look(look, seen_at=NOON))
    body = await page(api)

    assert body["fair_books"] == 2
    for name in ("Ada", "Bob"):
        fair = row_of(body, name)["fair"]
        assert fair == pytest.approx({"proportional": 0.5, "power": 0.5, "shin": 0.5})
    without = card(race(off_dt=OFF), (ADA, {"Bet365": "1/1"}), (BOB, {}))
    await api.seen(await writer.look(without, seen_at=NOON))
    body = await page(api)
    assert (body["fair_books"], row_of(body, "Ada")["fair"]) == (0, None)
    assert (body["best_book"]["percentage"], body["best_book"]["unpriced_runners"]) == (
        None,
        ["hrs_bob"],
    )


async def test_non_runners_are_shown_with_their_time_and_count_for_nothing(
    api: RunningApi, writer: MarketWriter
) -> None:
    prices = {"Bet365": "1/1"}
    await writer.look(
        card(race(off_dt=OFF), (ADA, prices), (BOB, {"Bet365": "1/4"}), (CIT, prices)),
        seen_at=NOON,
    )
    look = card(
        race(off_dt=OFF),
        (ADA, prices),
        # Its bookmaker has not pulled the price yet.
        (runner("Bob", None, is_non_runner=True), {"Bet365": "1/4"}),
        (CIT, prices),
    )
    await api.seen(await writer.look(look, seen_at=NOON + timedelta(minutes=1)))
    api.clock.forward(minutes=1)
    body = await page(api)

    assert (body["runners"], body["non_runners"]) == (2, 1)
    assert [row["horse_name"] for row in body["runners_data"]] == ["Ada", "Cit", "Bob"]
    bob = row_of(body, "Bob")
    assert (bob["is_non_runner"], bob["in_market"], bob["horse_number"]) == (True, False, 2)
    assert bob["non_runner_at"] == "2026-06-20T12:01:00Z"
    assert (bob["favorite_rank"], bob["fair"], bob["best_odds_decimal"]) == (None, None, None)
    assert cell_of(body, "Bob", "bet365")["is_best"] is False
    assert [row_of(body, name)["favorite_mark"] for name in ("Ada", "Cit")] == ["JF", "JF"]
    assert column_of(body, "bet365")["overround"] == pytest.approx(0)
    before = await page_at(api, NOON + timedelta(seconds=59))
    assert (before["runners"], before["non_runners"]) == (3, 0)
    assert row_of(before, "Bob")["favorite_mark"] == "F"


async def test_a_runner_that_was_removed_later_still_stands_in_the_past(
    api: RunningApi, writer: MarketWriter
) -> None:
    both = card(race(off_dt=OFF), (ADA, {"Bet365": "1/1"}), (BOB, {"Bet365": "2/1"}))
    await writer.look(both, seen_at=NOON)
    alone = card(race(off_dt=OFF), (ADA, {"Bet365": "1/1"}))
    await api.seen(await writer.look(alone, seen_at=NOON + timedelta(minutes=5)))
    api.clock.forward(minutes=6)

    assert [row["horse_name"] for row in (await page(api))["runners_data"]] == ["Ada"]
    past = await page_at(api, NOON + timedelta(minutes=4))
    assert [row["horse_name"] for row in past["runners_data"]] == ["Ada", "Bob"]
    assert cell_of(past, "Bob", "bet365")["odds_decimal"] == 3


async def test_an_abandoned_race_and_one_with_a_result_are_over_and_never_stale(
    api: RunningApi, writer: MarketWriter
) -> None:
    abandoned = card(race("rac_1", off_dt=OFF, is_abandoned=True), (ADA, {"Bet365": "1/1"}))
    run = card(race("rac_2", off_dt=NOON, race_status="result"), (ADA, {"Bet365": "1/1"}))
    await api.seen(await writer.look(abandoned, run, seen_at=NOON))
    api.clock.forward(hours=4)
    for race_id in ("rac_1", "rac_2"):
        body = await page(api, race_id=race_id)
        assert (body["is_over"], body["stale"]) == (True, False)
    assert (await page(api))["is_abandoned"] is True


async def test_a_race_nobody_looks_at_any_more_is_stale_and_so_is_its_best_book(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(race(off_dt=NOON + timedelta(minutes=3)), (ADA, {"Bet365": "1/1"}))
    await api.seen(await writer.look(look, seen_at=NOON))
    assert (await page(api))["stale"] is False
    api.clock.forward(seconds=46)
    body = await page(api)
    assert (body["stale"], body["best_book"]["stale"]) == (True, True)


async def test_a_page_is_made_once_for_each_state_of_the_market(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(race(off_dt=OFF + timedelta(seconds=30)), (ADA, {"Bet365": "1/1"}))
    await api.seen(await writer.look(look, seen_at=NOON))
    first = await api.get("/api/races/rac_1")
    api.clock.forward(seconds=20)
    again = await api.get("/api/races/rac_1", if_none_match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    await api.seen(await writer.look(look, seen_at=NOON + timedelta(seconds=20)))
    moved = await api.get("/api/races/rac_1", if_none_match=first.headers["etag"])
    assert (moved.status_code, moved.json()["checked_at"]) == (200, "2026-06-20T12:00:20Z")


async def test_a_race_of_a_past_day_comes_from_the_database(
    api: RunningApi, writer: MarketWriter
) -> None:
    off = OFF - timedelta(days=30)
    look = card(race("rac_old", off_dt=off), (ADA, {"Bet365": "10/3"}), (BOB, {"Coral": "1/1"}))
    await writer.look(look, seen_at=off - timedelta(hours=1))
    body = await page(api, race_id="rac_old")

    assert (body["race_date"], body["is_over"], body["stale"]) == ("2026-05-21", True, False)
    assert cell_of(body, "Ada", "bet365")["odds_fractional"] == "10/3"
