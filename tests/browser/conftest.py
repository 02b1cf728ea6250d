"""A Chromium at the board of a really running API."""

import os
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from darkhorses.store.pool import Database
from tests.api.processes import ApiProcess, running_api
from tests.market import MarketWriter

# The board asks every few seconds, and this machine may be busy.
expect.set_options(timeout=15_000)

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where a Chromium is; without one the test is skipped, or fails where one is required."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        reason = f"none of {', '.join(_NAMES)} is on the PATH"
        if os.environ.get("DARKHORSES_REQUIRE_BROWSER") == "1":  # noqa: TID251  # of the test run
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page on which every error of a script fails the test."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: errors.append(message.text) if "Content Security" in message.text else None,
    )
    yield page
    assert errors == []
    await context.close()


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[ApiProcess]:
    async with running_api(DATABASE_URL=database_url) as api:
        await api.until("market.loaded")
        yield api


@pytest.fixture
async def writer(database: Database) -> MarketWriter:
    return await MarketWriter.leading(database)


@pytest.fixture
def now() -> datetime:
    """The present instant: the API and the browser have real clocks."""
    return datetime.now(UTC)  # noqa: TID251  # real clocks are compared with it
