import re
from datetime import datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from tests.api.processes import ApiProcess
from tests.market import MarketWriter, card, race, runner

pytestmark = pytest.mark.browser

ADA, BOB = runner("Ada", 1), runner("Bob", 2)


async def test_a_price_change_reaches_its_cell_and_the_best_is_marked(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    off_dt = now + timedelta(minutes=20)
    prices = {"Bet365": "4/1", "Coral": "9/2", "Betfair Exchange": "6.2"}
    await writer.look(
        card(race(off_dt=off_dt), (ADA, prices), (BOB, {"Bet365": "2/1"})), seen_at=now
    )
    await page.goto(f"{api.url}/races/rac_1")
    await expect(page).to_have_title(re.compile("Hereford"))
    row = page.locator("tr[data-key=hrs_ada]")
    await expect(row.locator(".quote")).to_have_text(["4/1", "9/2", "6.20"], use_inner_text=True)
    await expect(row.locator(".quote.best")).to_have_text("9/2", use_inner_text=True)
    await expect(row.locator(".quote.exchange")).to_have_text("6.20", use_inner_text=True)
    await page.evaluate("document.body.dataset.untouched = 'yes'")
    later = {**prices, "Bet365": "5/1", "Coral": None}
    await writer.look(
        card(race(off_dt=off_dt), (ADA, later), (BOB, {"Bet365": "2/1"})), seen_at=now
    )
    await expect(row.locator(".quote.best")).to_have_text("5/1", use_inner_text=True)
    await expect(row.locator(".quote.best .odds")).to_have_attribute("data-move", "longer")
    await expect(row.locator(".quote").nth(1)).to_have_text("\N{EN DASH}")
    assert await page.evaluate("document.body.dataset.untouched") == "yes"


async def test_the_slider_shows_the_board_as_it_stood_and_the_address_keeps_it(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    off_dt = now + timedelta(minutes=20)
    for minutes, fraction in ((40, "4/1"), (20, "5/1"), (1, "3/1")):
        await writer.look(
            card(race(off_dt=off_dt), (ADA, {"Bet365": fraction})),
            seen_at=now - timedelta(minutes=minutes),
        )
    await page.goto(f"{api.url}/races/rac_1")
    price = page.locator("tr[data-key=hrs_ada] .quote .odds")
    await expect(price).to_have_text("3/1", use_inner_text=True)
    await expect(page.locator("[data-spark=hrs_ada] svg")).to_be_visible()
    slider = page.locator("#at")
    await expect(slider).to_be_enabled()
    await slider.fill("750")
    await expect(price).to_have_text("5/1", use_inner_text=True)
    await expect(page.locator(".past-note")).to_contain_text("As it stood on")
    await expect(page).to_have_url(re.compile(r"\?at=\d{4}-\d\d-\d\dT[\d%A:]+Z"))
    await page.reload()
    await expect(price).to_have_text("5/1", use_inner_text=True)
    await expect(slider).to_have_value(re.compile(r"^7[45]\d$"))
    await page.locator("#at-now").click()
    await expect(price).to_have_text("3/1", use_inner_text=True)
    await expect(page.locator(".past-note")).to_have_count(0)


async def test_a_non_runner_is_struck_out_with_its_time_and_what_it_costs(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    off_dt = now + timedelta(minutes=20)
    prices = {"Bet365": "4/1", "Coral": "9/2"}
    early = now - timedelta(minutes=30)
    await writer.look(card(race(off_dt=off_dt), (ADA, prices), (BOB, prices)), seen_at=early)
    gone = runner("Bob", None, is_non_runner=True)
    pulled = dict.fromkeys(prices)
    await writer.look(card(race(off_dt=off_dt), (ADA, prices), (gone, pulled)), seen_at=now)
    await page.goto(f"{api.url}/races/rac_1")
    absent = page.locator(".absent-list li")
    await expect(absent.locator("s")).to_have_text("Bob")
    # The median of 5.0 and 5.5 is 5.25: 20p by the table, which ends that step at 5.40.
    await expect(absent).to_contain_text("Rule 4 20p in the pound")
    await expect(absent).to_contain_text("known since")
    await expect(page.locator("tbody tr")).to_have_count(1)


async def test_the_chart_has_a_line_a_runner_and_one_a_bookmaker_of_a_chosen_runner(
    api: ApiProcess, writer: MarketWriter, page: Page, now: datetime
) -> None:
    off_dt = now + timedelta(minutes=20)
    for minutes, fraction in ((40, "4/1"), (1, "3/1")):
        await writer.look(
            card(
                race(off_dt=off_dt),
                (ADA, {"Bet365": fraction, "Coral": "7/2"}),
                (BOB, {"Bet365": "2/1"}),
            ),
            seen_at=now - timedelta(minutes=minutes),
        )
    await page.goto(f"{api.url}/races/rac_1")
    legend = page.locator("#chart-legend button")
    await expect(legend.locator("span")).to_have_text(["Bob", "Ada"])
    await expect(legend.locator("b")).to_have_text(["2/1", "7/2"])
    await expect(page.locator("#chart path.line")).to_have_count(2)
    await legend.first.click()
    await expect(page.locator("#chart path.line")).to_have_count(1)
    await page.locator("#chart").focus()
    await page.keyboard.press("Home")
    await expect(legend.locator("b")).to_have_text(["2/1", "4/1"])
    await page.locator("#chart-runner").select_option("hrs_ada")
    await expect(legend.locator("span")).to_have_text(["best price", "Bet365", "Coral"])
    await expect(page).to_have_url(re.compile(r"\?runner=hrs_ada"))
    await page.locator("#chart").focus()
    await page.keyboard.press("+")
    await expect(page.locator("#chart-whole")).to_be_enabled()
    await page.locator("#chart-whole").click()
    await expect(page.locator("#chart-whole")).to_be_disabled()
