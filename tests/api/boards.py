"""Two runners and more at a race to come, and what a test asks of its page."""

from datetime import datetime, timedelta
from typing import Any

from tests.api.conftest import RunningApi
from tests.market import NOON, runner

OFF = NOON + timedelta(hours=3)
ADA, BOB, CIT = runner("Ada", 1), runner("Bob", 2), runner("Cit", 3)
LADDER = ("1/4", "1/1", "13/8", "2/1", "10/3", "6/1", "20/1")
BOOKMAKERS = ("Bet365", "Coral", "William Hill")

Cell = tuple[float, str | None, bool]


async def page(api: RunningApi, query: str = "", race_id: str = "rac_1") -> dict[str, Any]:
    body: dict[str, Any] = await api.json(f"/api/races/{race_id}{query}")
    return body


async def page_at(api: RunningApi, at: datetime) -> dict[str, Any]:
    return await page(api, f"?at={at:%Y-%m-%dT%H:%M:%S.%fZ}")


def row_of(body: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in body["runners_data"] if row["horse_name"] == name)


def cell_of(body: dict[str, Any], name: str, who: str) -> dict[str, Any]:
    row = row_of(body, name)
    cells = (*row["prices"], *row["exchange_prices"])
    return next(cell for cell in cells if cell["bookmaker_id"] == who)


def column_of(body: dict[str, Any], who: str) -> dict[str, Any]:
    return next(column for column in body["bookmakers"] if column["bookmaker_id"] == who)
