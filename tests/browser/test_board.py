import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.async_api import Page, expect

from darkhorses.domain.races import Card
from darkhorses.domain.workers import FeedState
from darkhorses.store.heartbeats import FeedStatus
from darkhorses.store.pool import Database
from tests.api.processes import ApiProcess, running_api
from tests.market import MarketWriter, beat_now, card, race, runner

pytestmark = pytest.mark.browser

ADA, BOB = runner("Ada", 1), runner("Bob", 2)
STAGES = {"at_post": 3, "going_to_post": 15, "pre_race": 60, "early_market": 150}


def one_race_a_stage(now: datetime) -> list[Card]:
    return [
        card(
            race(f"rac_{stage}", off_dt=now + timedelta(minutes=left), course=stage),
            (runner(f"Horse {number}", number), {"Bet365": "4/1"}),
        )
        for number, (stage, left) in enumerate(STAGES.items(), start=1)
    ]


async def test_each_race_stands_in_the_column_of_its_stage(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    await writer.look(*one_race_a_stage(now), seen_at=now)
    await page.goto(api.url)
    for stage in STAGES:
        await expect(page.locator(f"#{stage} .course")).to_have_text([stage])
        await expect(page.locator(f"#{stage} header .count span").first).to_have_text("1")
    await expect(page.locator("#at_post .countdown")).to_have_text(re.compile(r"in 2:\d\d|in 3:00"))


async def test_a_written_price_reaches_its_card_without_reload(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    off_dt = now + timedelta(minutes=20)
    await writer.look(card(race(off_dt=off_dt), (ADA, {"Bet365": "4/1"})), seen_at=now)
    await page.goto(api.url)
    leader = page.locator("#going_to_post .leaders li")
    price = leader.locator(".odds")
    await expect(price).to_have_text("4/1", use_inner_text=True)
    await page.evaluate("document.body.dataset.untouched = 'yes'")
    await expect(page.locator("#going_to_post .checked")).to_contain_text("ago")
    await writer.look(
        card(race(off_dt=off_dt), (ADA, {"Bet365": "4/1", "Coral": "9/2"})), seen_at=now
    )
    await expect(price).to_have_text("9/2", use_inner_text=True)
    await expect(leader.locator(".holders")).to_have_text("Coral")
    await expect(price).to_have_attribute("data-move", "longer")
    await writer.look(
        card(race(off_dt=off_dt), (ADA, {"Bet365": "4/1", "Coral": "3/1"})), seen_at=now
    )
    await expect(price).to_have_attribute("data-move", "shorter")
    await expect(leader.locator(".holders")).to_have_text("Bet365")
    assert await page.evaluate("document.body.dataset.untouched") == "yes"


async def test_the_whole_board_is_walked_by_keyboard(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    await writer.look(*one_race_a_stage(now), seen_at=now)
    await page.goto(api.url)
    await expect(page.locator("#pause")).to_be_visible()
    await expect(page.locator("#early_market .card a")).to_be_visible()
    await page.keyboard.press("j")
    await expect(page.locator("#at_post .card a")).to_be_focused()
    await page.keyboard.press("j")
    await expect(page.locator("#going_to_post .card a")).to_be_focused()
    await page.keyboard.press("k")
    await expect(page.locator("#at_post .card a")).to_be_focused()
    await page.keyboard.press("4")
    await expect(page.locator("#early_market .card a")).to_be_focused()
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#keys")).to_be_hidden()
    await page.keyboard.press("/")
    await expect(page.locator("input[name=horse]")).to_be_focused()
    await page.keyboard.type("horse 2")
    await expect(page.locator(".card")).to_have_count(1)
    await expect(page).to_have_url(re.compile(r"\?horse=horse\+2$"))


async def test_filters_stand_in_the_address_and_hold_after_a_reload(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    off_dt = now + timedelta(minutes=20)
    prices = {"Bet365": "4/1", "Coral": "9/2"}
    await writer.look(
        card(race("rac_1", off_dt=off_dt, course="Ascot"), (ADA, prices)),
        card(race("rac_2", off_dt=off_dt, course="Dundalk", region="IRE"), (BOB, prices)),
        seen_at=now,
    )
    await page.goto(api.url)
    await expect(page.locator(".card")).to_have_count(2)
    await page.locator("select[name=region]").select_option("IRE")
    await expect(page.locator(".card .course")).to_have_text(["Dundalk"])
    await page.locator("select[name=bookmaker]").select_option("bet365")
    await expect(page.locator(".card .odds")).to_have_text("4/1", use_inner_text=True)
    await expect(page).to_have_url(re.compile(r"region=IRE&bookmaker=bet365"))
    await page.reload()
    await expect(page.locator(".card .course")).to_have_text(["Dundalk"])
    await expect(page.locator("select[name=region]")).to_have_value("IRE")
    await expect(page.locator(".card .odds")).to_have_text("4/1", use_inner_text=True)
    await expect(page.locator(".shown")).to_have_text("1 of 2 races shown")


async def test_a_paused_board_stands_still_until_it_goes_on(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    off_dt = now + timedelta(minutes=20)
    await writer.look(card(race(off_dt=off_dt), (ADA, {"Bet365": "4/1"})), seen_at=now)
    await page.goto(api.url)
    await expect(page.locator(".card .odds")).to_have_text("4/1", use_inner_text=True)
    await page.locator("#pause").click()
    await expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    revision = await writer.look(card(race(off_dt=off_dt), (ADA, {"Bet365": "5/1"})), seen_at=now)
    assert revision
    other = await page.context.new_page()
    await other.goto(api.url)
    await expect(other.locator(".card .odds")).to_have_text("5/1", use_inner_text=True)
    await expect(page.locator(".card .odds")).to_have_text("4/1", use_inner_text=True)
    await page.locator("#pause").click()
    await expect(page.locator(".card .odds")).to_have_text("5/1", use_inner_text=True)


async def test_kinds_of_odds_and_theme_are_chosen_and_remembered(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    look = card(race(off_dt=now + timedelta(minutes=20)), (ADA, {"Bet365": "10/3"}))
    await writer.look(look, seen_at=now)
    await page.goto(api.url)
    price = page.locator(".card .odds")
    await expect(price).to_have_text("10/3", use_inner_text=True)
    await page.locator("#odds-switch").click()
    await expect(price).to_have_text("4.33", use_inner_text=True)
    await page.keyboard.press("t")
    await page.keyboard.press("t")
    await page.reload()
    await expect(price).to_have_text("4.33", use_inner_text=True)
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")


async def test_a_non_runner_leaves_the_betting_and_is_counted(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    off_dt = now + timedelta(minutes=20)
    prices = {"Bet365": "4/1"}
    await writer.look(card(race(off_dt=off_dt), (ADA, prices), (BOB, prices)), seen_at=now)
    await page.goto(api.url)
    board = page.locator("#going_to_post")
    await expect(board.locator(".mark")).to_have_text(["JF", "JF"])
    gone = runner("Bob", None, is_non_runner=True)
    await writer.look(card(race(off_dt=off_dt), (ADA, prices), (gone, {})), seen_at=now)
    await expect(board.locator(".non-runners")).to_have_text("1 non-runner")
    await expect(board.locator(".mark")).to_have_text(["F"])
    await expect(board.locator(".looks")).to_contain_text("1 runner,")


async def test_a_card_moves_on_when_its_time_comes_and_keeps_the_focus(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    off_dt = now + timedelta(minutes=5, seconds=8)
    await writer.look(card(race(off_dt=off_dt), (ADA, {"Bet365": "4/1"})), seen_at=now)
    await page.goto(api.url)
    await page.locator("#going_to_post .card a").focus()
    await expect(page.locator("#at_post .card a")).to_be_focused()
    await expect(page.locator("#going_to_post .empty")).to_be_visible()
    await expect(page.locator("#at_post header .count span").first).to_have_text("1")


async def test_every_card_says_what_the_api_says(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    cards = [
        card(
            race(f"rac_{number}", off_dt=now + timedelta(minutes=4 + 17 * number)),
            *((runner(f"Horse {n} {number}", n), _some_prices(number, n)) for n in range(1, 8)),
        )
        for number in range(12)
    ]
    await writer.look(*cards, seen_at=now)
    await page.goto(api.url)
    await expect(page.locator(".card")).to_have_count(12)
    async with httpx.AsyncClient() as http:
        body = (await http.get(f"{api.url}/api/live-odds/races-by-stage")).json()
    for stage, races in body["stages"].items():
        for told in races:
            shown = page.locator(f"#{stage} .card[data-key={told['race_id']}]")
            leaders = told["runners_data"][:3]
            await expect(shown.locator(".horse")).to_have_text([r["horse_name"] for r in leaders])
            decimals = [f"{runner['best_odds_decimal']:.2f}" for runner in leaders]
            assert await shown.locator(".decimal").all_text_contents() == decimals
            holders = [runner["best_bookmakers"] for runner in leaders]
            titles = [
                (await one.get_attribute("title")) for one in await shown.locator(".holders").all()
            ]
            assert [set((title or "").split(", ")) for title in titles] == [set(h) for h in holders]
            marks = [r["favorite_mark"] for r in leaders if r["favorite_mark"]]
            assert await shown.locator(".mark").all_text_contents() == marks
            left = datetime.fromisoformat(told["off_dt"]) - datetime.now(UTC)  # noqa: TID251
            said = await shown.locator(".countdown").inner_text()
            assert abs(left - _read_countdown(said)) < timedelta(seconds=62 if "h" in said else 5)


def _some_prices(number: int, horse: int) -> dict[str, str]:
    fractions = ("6/4", "2/1", "5/2", "10/3", "9/2", "8/1", "12/1", "25/1", "1/1")
    books = ("Bet365", "Coral", "William Hill")
    start = number * 5 + horse * 3
    prices = {book: fractions[(start + place) % 9] for place, book in enumerate(books)}
    return {**prices, "Betfair Exchange": "7.4"}


def _read_countdown(text: str) -> timedelta:
    """What a countdown says, to the second or, from an hour on, to the minute."""
    if found := re.fullmatch(r"in (\d+) h (\d\d) min", text):
        return timedelta(hours=int(found[1]), minutes=int(found[2]))
    found = re.fullmatch(r"in (\d+):(\d\d)", text)
    assert found is not None, text
    return timedelta(minutes=int(found[1]), seconds=int(found[2]))


async def test_refused_credentials_are_plainly_said(
    api: ApiProcess, database: Database, page: Page
) -> None:
    said = "the feed refuses the user name and password"
    await page.goto(api.url)
    await expect(page.locator("#reasons")).to_contain_text("No worker is reporting")
    await beat_now(database, feed=FeedStatus(state=FeedState.REFUSED, detail=said))
    await expect(page.locator("#reasons")).to_have_text(f"T{said[1:]}.")
    await expect(page.locator("#state")).to_have_text("Degraded")


async def test_a_service_that_goes_away_is_told_and_comes_back_by_itself(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime, database_url: str
) -> None:
    off_dt = now + timedelta(minutes=20)
    await writer.look(card(race(off_dt=off_dt), (ADA, {"Bet365": "4/1"})), seen_at=now)
    await page.goto(api.url)
    await expect(page.locator(".card")).to_have_count(1)
    api.kill()
    await expect(page.locator("#offline")).to_contain_text("Offline")
    await writer.look(card(race(off_dt=off_dt), (ADA, {"Bet365": "5/1"})), seen_at=now)
    async with running_api(api.port, DATABASE_URL=database_url) as again:
        await again.until("market.loaded")
        await expect(page.locator(".card .odds")).to_have_text("5/1", use_inner_text=True)
        await expect(page.locator("#offline")).to_be_empty()


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
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
    await expect(page.locator(".card .fraction")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
