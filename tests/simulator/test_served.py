import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from darkhorses.simulator import Options, Simulator, running_simulator
from tests.simulator.worlds import NOW

AUTH = ("simulator", "simulator")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> Any:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def simulator(clock: Clock, tmp_path: Path) -> AsyncIterator[Simulator]:
    options = Options(start=NOW, speed=20, refresh=1, limits=False, served=tmp_path / "served")
    async with running_simulator(options, clock=clock) as running:
        yield running


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.base_url, auth=AUTH) as client:
        yield client


async def served(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await http.get(httpx.URL(http.base_url).join("/control/served"))
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def prices_on(card: dict[str, Any]) -> dict[tuple[str, str], list[str] | None]:
    return {
        (runner["horse_id"], quote["bookmaker"]): None
        if quote["decimal"] == "-"
        else [quote["fractional"], quote["decimal"]]
        for runner in card["runners"]
        for quote in runner["odds"]
    }


def prices_in(lines: list[dict[str, Any]], race_id: str) -> dict[tuple[str, str], Any]:
    """What the lines say of a race when they are taken in their order."""
    prices: dict[tuple[str, str], Any] = {}
    for line in lines:
        if line["race_id"] == race_id:
            for horse_id, quotes in line.get("prices", {}).items():
                prices |= {(horse_id, name): price for name, price in quotes.items()}
    return prices


async def test_the_lines_of_a_race_add_up_to_its_last_card(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    page = (await http.get("racecards/pro", params={"region_codes": "gb"})).json()
    running = [race for race in page["racecards"] if not race["is_abandoned"]]
    last = max(running, key=lambda race: race["off_dt"])
    race_id = last["race_id"]
    first = await served(http)
    assert prices_in(first, race_id) == prices_on(last)

    clock.now += timedelta(minutes=2)
    card = (await http.get(f"racecards/{race_id}/pro")).json()
    lines = await served(http)
    news = lines[-1]

    assert len(lines) == len(first) + 1
    assert news["stamp"] == max(q["updated"] for r in card["runners"] for q in r["odds"])
    now = prices_in(lines, race_id)
    shown = prices_on(card)
    assert {key: price for key, price in now.items() if key in shown} == shown
    assert all(price is None for key, price in now.items() if key not in shown)
    told = sum(map(len, news["prices"].values()))
    assert 0 < told < len(shown)


async def test_an_answer_that_did_not_leave_whole_is_not_in_it(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    for fault in ("truncated", "500", "429", "garbage"):
        simulator.set_faults(fault)
        try:
            await http.get("racecards/pro")
        except httpx.RemoteProtocolError:
            assert fault == "truncated"
    assert await served(http) == []

    simulator.set_faults()
    await http.get("racecards/pro")
    assert len(await served(http)) > 20


async def test_a_history_is_a_line_as_it_left(http: httpx.AsyncClient) -> None:
    page = (await http.get("racecards/pro", params={"region_codes": "gb"})).json()
    race = page["racecards"][-1]
    odds = (await http.get(f"odds/{race['race_id']}/{race['runners'][0]['horse_id']}")).json()
    line = (await served(http))[-1]

    assert (line["race_id"], line["horse_id"]) == (odds["race_id"], odds["horse_id"])
    assert line["history"] == {
        quote["bookmaker"]: [
            [point["changed_at"], point["fractional"], point["decimal"]]
            for point in quote["history"]
        ]
        for quote in odds["odds"]
    }


async def test_without_a_ledger_there_is_none_to_give() -> None:
    async with (
        running_simulator(clock=Clock()) as simulator,
        httpx.AsyncClient(base_url=simulator.base_url, auth=AUTH) as http,
    ):
        answer = await http.get(httpx.URL(http.base_url).join("/control/served"))
    assert answer.status_code == 404
