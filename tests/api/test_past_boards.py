"""One race with every price: now, and at a moment of the past."""

from datetime import datetime, timedelta
from math import fsum
from random import Random
from typing import Any

import asyncpg
import pytest

from darkhorses.store.pool import Connection
from tests.api.boards import (
    ADA,
    BOOKMAKERS,
    LADDER,
    OFF,
    Cell,
    cell_of,
    page,
    page_at,
    row_of,
)
from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, card, race, runner


async def test_before_the_first_price_a_past_board_is_empty_and_says_so(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(race(off_dt=OFF), (ADA, {"Bet365": "1/1"}))
    await writer.look(look, seen_at=NOON)
    before = await page_at(api, NOON - timedelta(microseconds=1))
    at_once = await page_at(api, NOON)

    assert (before["before_first_price"], before["prices_known_from"]) == (
        True,
        "2026-06-20T12:00:00Z",
    )
    assert (before["bookmakers"], row_of(before, "Ada")["prices"]) == ([], [])
    assert (before["checked_at"], before["stale"], before["last_updated"]) == (None, None, None)
    assert (at_once["before_first_price"], at_once["at"]) == (False, "2026-06-20T12:00:00Z")
    assert cell_of(at_once, "Ada", "bet365")["odds_decimal"] == 2
    assert "each-way terms" in at_once["as_now"]


async def test_a_past_board_does_not_know_the_result_that_came_later(
    api: RunningApi, writer: MarketWriter
) -> None:
    off = NOON - timedelta(hours=1)
    await writer.look(card(race(off_dt=off), (ADA, {"Bet365": "1/1"})), seen_at=off)
    over = card(race(off_dt=off, race_status="result"), (ADA, {"Bet365": "1/1"}))
    await writer.look(over, seen_at=off + timedelta(minutes=9))

    assert (await page_at(api, off + timedelta(minutes=20)))["is_over"] is False
    assert (await page_at(api, off + timedelta(minutes=20, seconds=1)))["is_over"] is True


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("/api/races/rac_1?at=2026-06-20T12:00:00", "at"),
        ("/api/races/rac_1?at=2026-06-20", "at"),
        ("/api/races/rac_1?at=noon", "at"),
        ("/api/races/rac_1?at=", "at"),
        ("/api/races/rac_1?at=2026-06-20T12:00:00+01:00", "at"),
        ("/api/races/rac_1?at=0001-01-01T00:00:00%2B05:00", "at"),
        ("/api/races/rac_1?at=2026-06-20T12:00:00.000001Z", "at"),
        ("/api/races/rac_1?when=now", "when"),
    ],
)
async def test_a_wrong_moment_is_named(
    api: RunningApi, writer: MarketWriter, url: str, field: str
) -> None:
    await api.seen(await writer.look(card(race(off_dt=OFF), (ADA, {})), seen_at=NOON))
    answer = await api.get(url)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_offsets_of_all_kinds_name_the_same_moment(
    api: RunningApi, writer: MarketWriter
) -> None:
    await writer.look(card(race(off_dt=OFF), (ADA, {"Bet365": "1/1"})), seen_at=NOON)
    pages = [
        await page(api, f"?at={text}")
        for text in ("2026-06-20T12:00:00Z", "2026-06-20T13:00:00%2B01:00", "2026-06-20T12:00%2B00")
    ]
    assert pages[0] == pages[1] == pages[2]


@pytest.mark.parametrize("race_id", ["rac_0", "%00", "%C3%A4", "r" * 200])
@pytest.mark.parametrize("rest", ["", "?at=2026-06-20T11:00:00Z", "/history"])
async def test_a_race_that_is_not_known_is_not_found(
    api: RunningApi, race_id: str, rest: str
) -> None:
    answer = await api.get(f"/api/races/{race_id}{rest}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert [error["field"] for error in answer.json()["errors"]] == ["race_id"]


async def test_a_past_board_is_the_board_that_was_served_then(
    api: RunningApi, writer: MarketWriter
) -> None:
    chance = Random(4)  # noqa: S311  # a repeatable market
    served = []
    for number in range(30):
        seen_at = NOON + timedelta(seconds=40 * number)
        field = [
            (
                runner(name, position, is_non_runner=name == "Cit" and number >= 20),
                {who: chance.choice((*LADDER, None)) for who in (*BOOKMAKERS, "Betfair Exchange")},
            )
            for position, name in enumerate(("Ada", "Bob", "Cit", "Dot"), start=1)
        ]
        api.clock.now = seen_at
        await api.seen(await writer.look(card(race(off_dt=OFF), *field), seen_at=seen_at))
        served.append((seen_at, await page(api)))
    api.clock.forward(hours=1)
    for seen_at, then in served:
        past = await page_at(api, seen_at)
        assert _grid(past) == _grid(then)
        for part in ("best_book", "bookmakers", "exchanges", "completeness", "fair_books"):
            assert _without_staleness(past[part]) == _without_staleness(then[part]), part
        assert [_standing(row) for row in past["runners_data"]] == [
            _standing(row) for row in then["runners_data"]
        ]
        assert (past["runners"], past["non_runners"]) == (then["runners"], then["non_runners"])


@pytest.mark.parametrize("seed", range(4))
async def test_250_moments_are_what_a_replay_of_every_logged_row_says(
    api: RunningApi, writer: MarketWriter, connection: Connection, seed: int
) -> None:
    chance = Random(seed)  # noqa: S311  # a repeatable market
    runners = [runner(f"Horse{number}", number) for number in range(1, 9)]
    declared = card(race(off_dt=OFF), *((one, {}) for one in runners))
    names = card(race(off_dt=OFF), *((one, dict.fromkeys(BOOKMAKERS, "2/1")) for one in runners))
    await writer.look(declared, seen_at=NOON - timedelta(hours=9))
    withdrawn = card(
        race(off_dt=OFF),
        *((one, dict.fromkeys(BOOKMAKERS, "3/1")) for one in runners[:-1]),
        (runner("Horse8", None, is_non_runner=True), {}),
    )
    await writer.look(names, seen_at=NOON - timedelta(hours=4))
    await writer.look(withdrawn, seen_at=NOON - timedelta(hours=2))
    await _log_at_random(connection, chance, [one.horse_id for one in runners])
    rows = await connection.fetch("SELECT * FROM ra_odds_changes ORDER BY change_id")
    moments = [NOON - timedelta(seconds=chance.randrange(10 * 3600)) for _ in range(200)]
    moments += [row["changed_at"] or row["seen_at"] for row in chance.sample(rows, 50)]

    for at in moments:
        body = await page_at(api, at)
        expected = _replayed(rows, at)
        assert _grid(body) == expected
        for column in body["bookmakers"]:
            assert column["overround"] == _overround(expected, column["bookmaker_id"], at)
        is_out = at >= NOON - timedelta(hours=2)
        assert row_of(body, "Horse8")["is_non_runner"] is is_out
        assert body["runners"] == (7 if is_out else 8)


async def _log_at_random(connection: Connection, chance: Random, horses: list[Any]) -> None:
    """Changes with and without a stamp of the source, seen late, out of order, and at once."""
    entries = []
    for _ in range(600):
        at = NOON - timedelta(seconds=chance.randrange(0, 9 * 3600, 30))
        late = timedelta(seconds=chance.choice([0, 1, 240]))
        text = chance.choice((*LADDER, None, None))
        decimal = None if text is None else 1 + int(text.split("/")[0]) / int(text.split("/")[1])
        who = chance.choice(["bet365", "coral", "williamhill", "betfairexchange"])
        stamp = at if chance.random() < 0.7 else None
        source = chance.choice(["poll", "history"])
        decimal_text = None if decimal is None else f"{decimal:.2f}"
        entries.append((chance.choice(horses), who, decimal_text, text, stamp, at + late, source))
    await connection.executemany(
        """
        INSERT INTO ra_odds_changes (
            race_date, race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional, changed_at,
            seen_at, source
        )
        VALUES ('2026-06-20', 'rac_1', $1, $2, $3::text::numeric, $4, $5, $6, $7)
        """,
        entries,
    )


def _replayed(rows: list[asyncpg.Record], at: datetime) -> dict[tuple[str, str], Cell]:
    """Every logged row, one after the other: an older effect never overwrites a newer one."""
    stands: dict[tuple[str, str], tuple[datetime, asyncpg.Record]] = {}
    for row in rows:
        took_effect = row["changed_at"] if row["changed_at"] is not None else row["seen_at"]
        key = row["horse_id"], row["bookmaker_id"]
        if took_effect <= at and (key not in stands or took_effect >= stands[key][0]):
            stands[key] = took_effect, row
    out = {"hrs_horse8"} if at >= NOON - timedelta(hours=2) else set()
    return {
        key: (
            float(row["odds_decimal"]),
            row["odds_fractional"],
            _is_highest(stands, key) and key[0] not in out,
        )
        for key, (_, row) in stands.items()
        if row["odds_decimal"] is not None
    }


def _is_highest(
    stands: dict[tuple[str, str], tuple[datetime, asyncpg.Record]], key: tuple[str, str]
) -> bool:
    if key[1] == "betfairexchange":
        return False
    others = [
        row["odds_decimal"]
        for (horse, who), (_, row) in stands.items()
        if horse == key[0] and who != "betfairexchange" and row["odds_decimal"] is not None
    ]
    return bool(stands[key][1]["odds_decimal"] == max(others))


def _overround(grid: dict[tuple[str, str], Cell], who: str, at: datetime) -> float | None:
    count = 7 if at >= NOON - timedelta(hours=2) else 8
    fractions = [grid.get((f"hrs_horse{number}", who)) for number in range(1, count + 1)]
    if any(cell is None for cell in fractions):
        return None
    chances = []
    for cell in fractions:
        assert cell is not None
        assert cell[1] is not None
        numerator, denominator = map(int, cell[1].split("/"))
        chances.append(denominator / (numerator + denominator))
    return round(fsum(chances) - 1, 6)


def _grid(body: dict[str, Any]) -> dict[tuple[str, str], Cell]:
    """Every price that stands on the page."""
    return {
        (row["horse_id"], cell["bookmaker_id"]): (
            cell["odds_decimal"],
            cell["odds_fractional"],
            cell["is_best"],
        )
        for row in body["runners_data"]
        for cell in (*row["prices"], *row["exchange_prices"])
        if cell["odds_decimal"] is not None
    }


def _standing(row: dict[str, Any]) -> list[Any]:
    fields = (
        "horse_id", "in_market", "non_runner_at", "best_odds_decimal", "best_odds_fractional",
        "best_bookmakers", "favorite_rank", "favorite_mark", "fair",
    )  # fmt: skip
    return [row[field] for field in fields]


def _without_staleness(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: value for key, value in part.items() if key not in {"stale", "checked_at"}}
    return part
