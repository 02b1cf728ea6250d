"""The board of a replay: its words follow the replayed clock, not the browser's."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Page

from darkhorses.client import DarkHorsesClient
from darkhorses.store.pool import Database
from tests.market import MarketWriter
from tests.ports import free_port
from tests.replay.days import live_through
from tests.replay.processes import directory_of_its_own, replaying

pytestmark = pytest.mark.browser


@pytest.fixture
async def stored_day(database: Database) -> None:
    await live_through(await MarketWriter.leading(database))


@pytest.fixture
def address(database_url: str, stored_day: None) -> Iterator[str]:  # noqa: ARG001  # it is replayed
    port = str(free_port())
    with (
        directory_of_its_own() as data_dir,
        replaying(
            "--speed", "20", "--start", "13:20", "--api", "--port", port,
            DATABASE_URL=database_url, DARKHORSES_DATA_DIR=str(data_dir),
        ) as process,
    ):  # fmt: skip
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode == 0


async def test_countdowns_run_by_the_replayed_clock_at_its_pace(page: Page, address: str) -> None:
    async with DarkHorsesClient(address) as client, client.stream(patience=60) as stream:
        await anext(stream)
    await page.goto(address)
    # The first off is at 14:00: at 13:20 of the replay, 40 minutes and a little less are left.
    await page.wait_for_function(
        """() => {
            const text = document.querySelector("[data-off]")?.textContent ?? "";
            const found = /^in (\\d+):(\\d\\d)$/.exec(text);
            const left = found && Number(found[1]) * 60 + Number(found[2]);
            if (!left || left > 2400) return false;
            window.first ??= { left, at: performance.now() };
            const passed = (performance.now() - window.first.at) / 1000;
            const counted = window.first.left - left;
            // Faster than the browser's own clock by far.
            return passed > 3 && counted > 5 * passed;
        }"""
    )
    assert await page.locator(".card.late").count() == 0
