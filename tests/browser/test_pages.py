"""Every page: accessible in both themes, within the screen, and of this service alone."""

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from darkhorses.store.pool import Database
from darkhorses.store.writing.lease import acquire
from darkhorses.worker.statistics import Updater
from tests.api.processes import ApiProcess
from tests.history import fill_history
from tests.market import MarketWriter, beat_now, card, race, runner

pytestmark = pytest.mark.browser

PAST = "/results?date=2026-03-01"
PAGES = (
    "/", "/races/rac_1", "/movers", PAST, "/results/rac_0_0", "/history?horse=horse+0_0+1",
    "/statistics", "/bookmakers", "/courses", "/status", "/docs",
)  # fmt: skip


@pytest.fixture
async def market(writer: MarketWriter, database: Database, now: datetime) -> None:
    """A race at every stage, with a favourite, a non-runner and an exchange."""
    stages = {1: 3, 2: 15, 3: 60, 4: 150}
    await writer.look(
        *(
            card(
                race(f"rac_{number}", off_dt=now + timedelta(minutes=minutes)),
                (runner("Ada", 1), {"Bet365": "4/1", "Coral": "9/2", "Betfair Exchange": "6.2"}),
                (runner("Bob", 2), {"Bet365": "1/1"}),
                (runner("Cit", None, is_non_runner=True), {}),
            )
            for number, minutes in stages.items()
        ),
        seen_at=now,
    )
    await beat_now(database)
    async with database.connection() as connection:
        await fill_history(connection)
        lease = await acquire(connection, "statistics", "tests")
    assert lease is not None
    updater = Updater(database, clock=lambda: now, card_interval=timedelta(seconds=60))
    await updater.refresh(lease)


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.usefixtures("market")
async def test_axe_finds_nothing_in_either_theme(api: ApiProcess, page: Page, address: str) -> None:
    await page.goto(api.url + address)
    await expect(page.locator("h1")).to_have_count(1)
    if address.startswith("/races"):
        await expect(page.locator("#chart svg")).to_be_visible()
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        found = await Axe().run(page)
        await keep_screenshots(page, f"{address.strip('/').split('?')[0] or 'board'}-{theme}")
        assert found.violations_count == 0, f"{theme}: {found.generate_report()}"


async def keep_screenshots(page: Page, name: str) -> None:
    """Keep how a page looks, wide and narrow, where DARKHORSES_ARTEFACTS says."""
    folder = os.environ.get("DARKHORSES_ARTEFACTS")  # noqa: TID251  # of the test run
    if folder:
        for width in (1440, 390):
            await page.set_viewport_size({"width": width, "height": 900})
            path = Path(folder) / f"{name.replace('/', '-')}-{width}.png"
            await page.screenshot(path=path, full_page=True)
        await page.set_viewport_size({"width": 1440, "height": 900})


@pytest.mark.parametrize("width", [320, 390, 1440, 3840])
@pytest.mark.usefixtures("market")
async def test_no_page_is_wider_than_its_screen(api: ApiProcess, page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    for address in PAGES:
        await page.goto(api.url + address)
        await expect(page.locator("h1")).to_have_count(1)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert (address, wide) <= (address, width)


@pytest.mark.usefixtures("market")
async def test_tables_are_sorted_by_a_press_on_a_heading(api: ApiProcess, page: Page) -> None:
    await page.goto(f"{api.url}/bookmakers")
    names = page.locator("tbody th")
    await expect(names).to_have_text(["Bet365", "Betfair Exchange", "Coral"])
    await page.get_by_role("button", name="Prices now").press("Enter")
    await expect(names.first).to_have_text("Bet365")
    await page.get_by_role("button", name="Name").press("Enter")
    await page.get_by_role("button", name="Name").press("Enter")
    await expect(names).to_have_text(["Coral", "Betfair Exchange", "Bet365"])


async def test_a_mover_is_listed_and_marked_on_the_board(
    api: ApiProcess, page: Page, writer: MarketWriter, now: datetime
) -> None:
    books = ("Bet365", "Coral", "William Hill")
    for minutes, fraction in ((70, "4/1"), (5, "2/1")):
        look = card(
            race(off_dt=now + timedelta(minutes=20)),
            (runner("Ada", 1), dict.fromkeys(books, fraction)),
            (runner("Bob", 2), dict.fromkeys(books, "3/1")),
        )
        await writer.look(look, seen_at=now - timedelta(minutes=minutes))
    await page.goto(f"{api.url}/movers")
    row = page.locator("tbody tr")
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text("Ada")
    await expect(row.locator(".turn")).to_have_text("+13.3")
    await expect(row).to_contain_text("3 of 3")
    await page.locator("select[name=direction]").select_option("drifters")
    await expect(page.locator(".empty")).to_be_visible()
    await page.goto(api.url)
    await expect(page.locator(".card .mover")).to_have_text("Ada +13.3 points in an hour")


@pytest.mark.usefixtures("market")
async def test_statistics_are_told_in_tables_and_bars(api: ApiProcess, page: Page) -> None:
    await page.goto(f"{api.url}/statistics")
    await expect(page.locator(".facts-list")).to_contain_text("Past runners60")
    await expect(page.locator("figure.bars")).to_have_count(3)
    await expect(page.get_by_role("region", name="Table of favourites by course")).to_contain_text(
        "Course"
    )
    await expect(page.locator("figure.bars rect").last).to_be_visible()


@pytest.mark.usefixtures("market")
async def test_from_a_day_to_a_result_to_a_horse_by_links(api: ApiProcess, page: Page) -> None:
    await page.goto(api.url + PAST)
    await expect(page.locator("h1")).to_have_text("Results of Sunday 1 March 2026")
    await page.locator("tbody th a").first.click()
    await expect(page.locator("tbody tr")).to_have_count(4)
    await expect(page.locator(".absent-list s")).to_have_text(["Horse 0_0 5"])
    await page.get_by_role("link", name="Horse 0_0 1").click()
    await expect(page.locator("input[name=horse]")).to_have_value("Horse 0_0 1")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator("tbody")).to_contain_text("1 of 4")


@pytest.mark.usefixtures("market")
async def test_the_status_page_tells_of_the_worker_and_its_jobs(
    api: ApiProcess, page: Page, database: Database
) -> None:
    await page.goto(f"{api.url}/status")
    await expect(page.get_by_role("row", name="leader")).to_contain_text("ago")
    await expect(page.get_by_role("row", name="Live odds")).to_contain_text("ok")
    await database_says_gone(database)
    await expect(page.locator("#reasons")).to_contain_text("No worker is reporting")
    await expect(page.locator(".health-strip li")).to_have_count(96)


async def database_says_gone(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("DELETE FROM worker_heartbeats")
