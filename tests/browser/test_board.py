import re
from datetime import datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from darkhorses.store.heartbeats import FeedState, FeedStatus
from darkhorses.store.pool import Database
from tests.api.processes import ApiProcess
from tests.market import MarketWriter, beat_now, card, race, runner

pytestmark = pytest.mark.browser

ADA, BOB = runner("Ada", 1), runner("Bob", 2)


async def test_each_race_stands_in_the_column_of_its_stage(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    minutes = {"early_market": 150, "pre_race": 60, "going_to_post": 15, "at_post": 3}
    cards = [
        card(race(stage, off_dt=now + timedelta(minutes=left), course=stage), (ADA, {}))
        for stage, left in minutes.items()
    ]
    await writer.look(*cards, seen_at=now)
    await page.goto(api.url)
    for stage in minutes:
        await expect(page.locator(f"#{stage} .course")).to_have_text([stage])
        await expect(page.locator(f"#{stage} header [data-count]")).to_have_text("1")
    await expect(page.locator("#at_post .countdown")).to_have_text(re.compile(r"in 2:\d\d"))
    await expect(page.locator("#at_post .next")).to_have_text("Last stage")


async def test_a_written_price_reaches_an_open_card_without_reload(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    off_dt = now + timedelta(minutes=20)
    await writer.look(card(race(off_dt=off_dt), (ADA, {"Bet365": "4/1"})), seen_at=now)
    await page.goto(api.url)
    board = page.locator("#going_to_post")
    await board.locator("summary").click()
    price = board.locator("[data-horse-id=hrs_ada] .price")
    await expect(price.locator(".fraction")).to_have_text("4/1")
    await page.evaluate("document.body.dataset.untouched = 'yes'")
    await expect(board.locator(".checked")).to_contain_text("ago")
    await writer.look(
        card(race(off_dt=off_dt), (ADA, {"Bet365": "4/1", "Coral": "9/2"})), seen_at=now
    )
    await expect(price.locator(".fraction")).to_have_text("9/2")
    await expect(price.locator(".decimal")).to_have_text("5.50")
    await expect(price.locator(".bookmaker")).to_have_text("Coral")
    await expect(price.locator(".move")).to_have_text("▲ longer, was 4/1")
    await writer.look(
        card(race(off_dt=off_dt), (ADA, {"Bet365": "4/1", "Coral": "3/1"})), seen_at=now
    )
    await expect(price.locator(".move")).to_have_text("▼ shorter, was 9/2")
    assert await board.locator("details").get_attribute("open") is not None
    assert await page.evaluate("document.body.dataset.untouched") == "yes"


async def test_a_card_is_opened_and_closed_by_keyboard(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    look = card(race(off_dt=now + timedelta(minutes=20)), (ADA, {"Bet365": "4/1"}))
    await writer.look(look, seen_at=now)
    await page.goto(api.url)
    summary = page.locator("#going_to_post summary")
    row = page.locator("[data-horse-id=hrs_ada]")
    await summary.focus()
    await expect(row).to_be_hidden()
    await page.keyboard.press("Enter")
    await expect(row).to_be_visible()
    await page.keyboard.press("Space")
    await expect(row).to_be_hidden()


async def test_a_non_runner_is_struck_through_and_the_favourite_marked(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    off_dt = now + timedelta(minutes=20)
    prices = {"Bet365": "4/1"}
    await writer.look(card(race(off_dt=off_dt), (ADA, prices), (BOB, prices)), seen_at=now)
    await page.goto(api.url)
    board = page.locator("#going_to_post")
    await board.locator("summary").click()
    await expect(board.locator(".mark")).to_have_text(["JF", "JF"])
    gone = runner("Bob", None, is_non_runner=True)
    await writer.look(card(race(off_dt=off_dt), (ADA, prices), (gone, {})), seen_at=now)
    row = board.locator("[data-horse-id=hrs_bob]")
    await expect(row.locator(".why")).to_have_text("Non-runner")
    await expect(row.locator("s")).to_have_text("Bob")
    await expect(board.locator(".mark")).to_have_text(["F"])
    await expect(board.locator(".facts")).to_contain_text("1 runner ·")


async def test_a_card_moves_on_when_its_time_comes_and_stays_open(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    off_dt = now + timedelta(minutes=5, seconds=8)
    await writer.look(card(race(off_dt=off_dt), (ADA, {"Bet365": "4/1"})), seen_at=now)
    await page.goto(api.url)
    await page.locator("#going_to_post summary").click()
    await expect(page.locator("#at_post details[open]")).to_have_count(1)
    await expect(page.locator("#going_to_post .empty")).to_be_visible()
    await expect(page.locator("#at_post header [data-count]")).to_have_text("1")


async def test_refused_credentials_are_plainly_said(
    api: ApiProcess, database: Database, page: Page
) -> None:
    said = "the feed refuses the user name and password"
    await page.goto(api.url)
    await expect(page.locator("#reasons")).to_contain_text("No worker is reporting")
    await beat_now(database, feed=FeedStatus(state=FeedState.REFUSED, detail=said))
    await expect(page.locator("#reasons")).to_have_text(f"T{said[1:]}.")
    await expect(page.locator("#state")).to_have_text("Degraded")


async def test_a_service_that_goes_away_is_told_and_prices_are_marked(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    look = card(race(off_dt=now + timedelta(minutes=20)), (ADA, {"Bet365": "4/1"}))
    await writer.look(look, seen_at=now)
    await page.goto(api.url)
    await expect(page.locator(".card")).to_have_count(1)
    api.kill()
    await expect(page.locator(".strip")).to_have_attribute("data-status", "offline")
    await expect(page.locator("#state")).to_contain_text("Offline")
    await expect(page.locator(".card.stale .checked")).to_contain_text("stale")


@pytest.mark.parametrize("width", [390, 768, 1440])
async def test_nothing_is_wider_than_the_screen(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime, width: int
) -> None:
    horse = runner("A Horse With Quite The Longest Of All Possible Names", 1)
    facts = {
        "course": "Bangor-on-Dee and a Long Way Round",
        "race_name": "The Very Long Name of a Sponsor's Annual Memorial Handicap Hurdle (Div II)",
    }
    look = card(race(off_dt=now + timedelta(minutes=20), **facts), (horse, {"Bet365": "85/40"}))
    await writer.look(look, seen_at=now)
    await page.set_viewport_size({"width": width, "height": 800})
    await page.goto(api.url)
    await page.locator("#going_to_post summary").click()
    await expect(page.locator(".card .fraction")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
