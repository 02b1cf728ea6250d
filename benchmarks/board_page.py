"""The board in a real browser under a steady rain of price changes: its memory, and long tasks.

A race day of 60 races with 12 runners and 28 bookmakers is written to a database of its own; then
2,000 price changes a minute, as the worker would write them, while a headless Chromium has the
board open. Prints the page's JavaScript heap after a collection at the beginning and at the end,
how often the page was brought up to date, and how many of its tasks took over 50 ms.

Run: python -m benchmarks.board_page [--minutes 10]
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import CDPSession, Page, async_playwright
from playwright.async_api import Error as PlaywrightError
from tests.api.processes import running_api
from tests.browser.conftest import _ARGUMENTS, _NAMES
from tests.market import MarketWriter, beat_now, card, race, runner

from darkhorses.domain.races import Card
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.migrations import migrate
from darkhorses.store.pool import Database

RACES, RUNNERS, BOOKS = 60, 12, 28
CHANGES_A_MINUTE = 2000
LOOKS_A_MINUTE = 60
FRACTIONS = ("6/4", "2/1", "5/2", "3/1", "7/2", "4/1", "9/2", "5/1", "6/1", "8/1", "10/1", "14/1")

_COUNT = """
window.counted = { long: [], refreshed: 0 };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.counted.long.push(entry.duration);
}).observe({ type: "longtask" });
document.getElementById("main").addEventListener("refreshed", () => window.counted.refreshed++);
"""


class Rain:
    """A market of which some prices change with every look."""

    def __init__(self, now: datetime) -> None:
        self._dice = random.Random(1)  # noqa: S311  # a repeatable market
        self._now = now
        self.prices = {
            (number, horse, book): self._dice.choice(FRACTIONS)
            for number in range(RACES)
            for horse in range(RUNNERS)
            for book in range(BOOKS)
        }

    def card(self, number: int) -> Card:
        """A race as the prices stand."""
        off_dt = self._now + timedelta(minutes=12 + 9 * number)
        return card(
            race(f"rac_{number}", off_dt=off_dt, course=f"Course {number % 6}"),
            *(
                (
                    runner(f"Horse {number} {horse}", horse + 1),
                    {f"Book {book}": self.prices[number, horse, book] for book in range(BOOKS)},
                )
                for horse in range(RUNNERS)
            ),
        )

    def change(self, changes: int) -> set[int]:
        """Change so many prices; the races that they are in."""
        keys = self._dice.sample(list(self.prices), changes)
        for key in keys:
            others = [price for price in FRACTIONS if price != self.prices[key]]
            self.prices[key] = self._dice.choice(others)
        return {number for number, _, _ in keys}


def main(minutes: float) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="darkhorses-board-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with EmbeddedServer.start(directory, durable=False) as server:
            asyncio.run(_in_database(server.url, minutes))


async def _in_database(url: str, minutes: float) -> None:
    database = await Database.open(url, max_connections=2)
    try:
        await migrate(database)
        await _measure(database, url, minutes)
    finally:
        await database.close()


async def _measure(database: Database, url: str, minutes: float) -> None:
    now = datetime.now(UTC)  # noqa: TID251  # real clocks are measured
    writer = await MarketWriter.leading(database)
    await beat_now(database)
    rain = Rain(now)
    await writer.look(*map(rain.card, range(RACES)), seen_at=now)
    chromium = next(path for name in _NAMES if (path := shutil.which(name)))
    async with (
        running_api(DATABASE_URL=url, LOG_LEVEL="WARNING") as api,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        await _open(page, api.url)
        session = await page.context.new_cdp_session(page)
        await _let_it_rain(writer, rain, minutes=0.25)
        await page.evaluate(_COUNT)
        before = await _heap(session)
        changes = await _let_it_rain(writer, rain, minutes=minutes)
        after = await _heap(session)
        counted = await page.evaluate("window.counted")
        await browser.close()
    long, refreshed = counted["long"], counted["refreshed"]
    print(f"{changes} price changes in {minutes:g} min, {RACES} races on the board")
    print(f"heap {before / 1e6:.2f} MB -> {after / 1e6:.2f} MB ({after / before - 1:+.1%})")
    print(
        f"brought up to date {refreshed} times; {len(long)} tasks over 50 ms"
        + (f", the longest {max(long):.0f} ms" if long else "")
    )
    share = len(long) / refreshed if refreshed else 0.0
    print(f"tasks over 50 ms for each refresh: {share:.3f} (the goal is under 0.05)")


async def _open(page: Page, url: str) -> None:
    """Open the board once the API has the market."""
    for _ in range(100):
        with suppress(PlaywrightError):  # the API is not up yet
            await page.goto(url)
            if await page.locator(".card").count() == RACES:
                return
        await asyncio.sleep(0.2)
    sys.exit("the board did not come up")


async def _let_it_rain(writer: MarketWriter, rain: Rain, *, minutes: float) -> int:
    changes = 0
    loop = asyncio.get_running_loop()
    begun = loop.time()
    looks = int(minutes * LOOKS_A_MINUTE)
    for look in range(looks):
        count = CHANGES_A_MINUTE // LOOKS_A_MINUTE
        races = rain.change(count)
        await writer.look(*map(rain.card, sorted(races)), seen_at=datetime.now(UTC))  # noqa: TID251
        changes += count
        await asyncio.sleep(max(0.0, begun + (look + 1) * 60 / LOOKS_A_MINUTE - loop.time()))
    return changes


async def _heap(session: CDPSession) -> float:
    """Bytes of JavaScript in use after a collection."""
    await session.send("HeapProfiler.enable")
    await session.send("HeapProfiler.collectGarbage")
    await session.send("Performance.enable")
    metrics = await session.send("Performance.getMetrics")
    return float(
        next(one["value"] for one in metrics["metrics"] if one["name"] == "JSHeapUsedSize")
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    main(parser.parse_args().minutes)
