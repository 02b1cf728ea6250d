"""One race with every price: now, and at a moment of the past."""

from datetime import datetime, timedelta
from math import fsum
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest

from darkhorses.store.pool import Connection
from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, card, race, runner

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


async def test_a_race_has_every_price_with_its_terms_age_and_best_flag(
    api: RunningApi, writer: MarketWriter
) -> None:
    first = card(
        race(off_dt=OFF, race_name="A Handicap Hurdle"),
        (ADA, {"Bet365": "10/3", "Coral": "3/1", "Betfair Exchange": "4.7"}),
        (BOB, {"Bet365": "1/1", "Coral": "1/1"}),
    )
    second = card(
        race(off_dt=OFF, race_name="A Handicap Hurdle"),
        (ADA, {"Bet365": "10/3", "Coral": "10/3", "Betfair Exchange": "4.7"}),
        (BOB, {"Bet365": "1/1", "Coral": None}),
    )
    await writer.look(first, seen_at=NOON)
    await api.seen(await writer.look(second, seen_at=NOON + timedelta(seconds=60)))
    api.clock.forward(seconds=75)
    body = await page(api)

    assert (body["success"], body["at"], body["as_of"]) == (True, None, "2026-06-20T12:01:15Z")
    assert (body["runners"], body["is_handicap"], body["is_over"]) == (2, True, False)
    assert (body["race_time"], body["stage"], body["stale"]) == ("16:00", "early_market", False)
    assert cell_of(body, "Ada", "coral") == {
        "bookmaker_id": "coral",
        "odds_decimal": 4.33,
        "odds_fractional": "10/3",
        "ew_places": 3,
        "ew_denom": 5,
        "is_best": True,
        "changed_at": "2026-06-20T12:01:00Z",
        "changed_seconds_ago": 15,
        "fetched_at": "2026-06-20T12:01:00Z",
        "checked_at": "2026-06-20T12:01:00Z",
        "checked_seconds_ago": 15,
    }
    assert (cell_of(body, "Ada", "bet365")["is_best"]) is True
    assert (cell_of(body, "Ada", "bet365")["changed_seconds_ago"]) == 75
    assert (cell_of(body, "Bob", "bet365")["odds_fractional"]) == "1/1"
    assert (cell_of(body, "Bob", "coral")["odds_decimal"]) is None
    exchange = cell_of(body, "Ada", "betfairexchange")
    assert (exchange["odds_decimal"], exchange["odds_fractional"]) == (4.7, None)
    assert exchange["is_best"] is False
    ada = row_of(body, "Ada")
    assert [cell["bookmaker_id"] for cell in ada["exchange_prices"]] == ["betfairexchange"]
    assert (ada["best_odds_fractional"], ada["best_bookmakers"]) == ("10/3", ["Bet365", "Coral"])
    assert (ada["draw"], ada["weight"], ada["form"], ada["jockey"]) == (
        3,
        158,
        "1-2",
        "Ada's jockey",
    )


async def test_the_feeds_own_refresh_says_how_old_the_prices_were_when_looked_at(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = msgspec.structs.replace(
        card(race(off_dt=OFF), (ADA, {"Bet365": "1/1"})), refreshed_at=NOON - timedelta(seconds=90)
    )
    await api.seen(await writer.look(look, seen_at=NOON))
    body = await page(api)
    assert (body["feed_refreshed_at"], body["feed_lag_seconds"]) == ("2026-06-20T11:58:30Z", 90)
    cell = cell_of(body, "Ada", "bet365")
    assert (cell["changed_at"], cell["changed_seconds_ago"]) == ("2026-06-20T11:58:30Z", 90)
    assert (cell["fetched_at"], cell["checked_seconds_ago"]) == ("2026-06-20T12:00:00Z", 0)


async def test_a_book_has_its_overround_or_says_why_not(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(
        race(off_dt=OFF),
        (ADA, {"Bet365": "10/3", "Coral": "3/1", "Betfair Exchange": "4.7"}),
        (BOB, {"Bet365": "1/2", "Coral": None, "Betfair Exchange": "1.5"}),
    )
    await api.seen(await writer.look(look, seen_at=NOON))
    body = await page(api)

    bet365, coral = column_of(body, "bet365"), column_of(body, "coral")
    assert bet365["overround"] == pytest.approx(3 / 13 + 2 / 3 - 1, abs=1e-6)
    assert (bet365["no_overround"], bet365["unpriced_runners"]) == (None, [])
    assert bet365["each_way"] == [{"places": 3, "denominator": 5, "runners": 2}]
    assert (coral["overround"], coral["unpriced_runners"]) == (None, ["hrs_bob"])
    assert coral["no_overround"] == "no price on 1 of 2 runners"
    assert [column["bookmaker_id"] for column in body["exchanges"]] == ["betfairexchange"]
    assert body["best_book"]["percentage"] == pytest.approx(100 * (3 / 13 + 2 / 3), abs=1e-4)
    assert (body["best_book"]["stale"], body["best_book"]["unpriced_runners"]) == (False, [])
    assert body["completeness"] == {
        "bookmakers": 2,
        "complete_bookmakers": 1,
        "priced": 3,
        "possible": 4,
        "share": 0.75,
        "unpriced_runners": [],
    }


async def test_fair_chances_are_of_the_whole_books_that_have_a_margin(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(
        race(off_dt=OFF),
        (ADA, {"Bet365": "1/1", "Coral": "4/5", "William Hill": "1/1"}),
        (BOB, {"Bet365": "4/5", "Coral": "1/1", "William Hill": None}),
    )
    await api.seen(await writer.look(look, seen_at=NOON))
    body = await page(api)

    assert body["fair_books"] == 2
    for name in ("Ada", "Bob"):
        fair = row_of(body, name)["fair"]
        assert fair == pytest.approx({"proportional": 0.5, "power": 0.5, "shin": 0.5})
    without = card(race(off_dt=OFF), (ADA, {"Bet365": "1/1"}), (BOB, {}))
    await api.seen(await writer.look(without, seen_at=NOON))
    body = await page(api)
    assert (body["fair_books"], row_of(body, "Ada")["fair"]) == (0, None)
    assert (body["best_book"]["percentage"], body["best_book"]["unpriced_runners"]) == (
        None,
        ["hrs_bob"],
    )


async def test_non_runners_are_shown_with_their_time_and_count_for_nothing(
    api: RunningApi, writer: MarketWriter
) -> None:
    prices = {"Bet365": "1/1"}
    await writer.look(
        card(race(off_dt=OFF), (ADA, prices), (BOB, {"Bet365": "1/4"}), (CIT, prices)),
        seen_at=NOON,
    )
    look = card(
        race(off_dt=OFF),
        (ADA, prices),
        # Its bookmaker has not pulled the price yet.
        (runner("Bob", None, is_non_runner=True), {"Bet365": "1/4"}),
        (CIT, prices),
    )
    await api.seen(await writer.look(look, seen_at=NOON + timedelta(minutes=1)))
    api.clock.forward(minutes=1)
    body = await page(api)

    assert (body["runners"], body["non_runners"]) == (2, 1)
    assert [row["horse_name"] for row in body["runners_data"]] == ["Ada", "Cit", "Bob"]
    bob = row_of(body, "Bob")
    assert (bob["is_non_runner"], bob["in_market"], bob["horse_number"]) == (True, False, 2)
    assert bob["non_runner_at"] == "2026-06-20T12:01:00Z"
    assert (bob["favorite_rank"], bob["fair"], bob["best_odds_decimal"]) == (None, None, None)
    assert cell_of(body, "Bob", "bet365")["is_best"] is False
    assert [row_of(body, name)["favorite_mark"] for name in ("Ada", "Cit")] == ["JF", "JF"]
    assert column_of(body, "bet365")["overround"] == pytest.approx(0)
    before = await page_at(api, NOON + timedelta(seconds=59))
    assert (before["runners"], before["non_runners"]) == (3, 0)
    assert row_of(before, "Bob")["favorite_mark"] == "F"


async def test_a_runner_that_was_removed_later_still_stands_in_the_past(
    api: RunningApi, writer: MarketWriter
) -> None:
    both = card(race(off_dt=OFF), (ADA, {"Bet365": "1/1"}), (BOB, {"Bet365": "2/1"}))
    await writer.look(both, seen_at=NOON)
    alone = card(race(off_dt=OFF), (ADA, {"Bet365": "1/1"}))
    await api.seen(await writer.look(alone, seen_at=NOON + timedelta(minutes=5)))
    api.clock.forward(minutes=6)

    assert [row["horse_name"] for row in (await page(api))["runners_data"]] == ["Ada"]
    past = await page_at(api, NOON + timedelta(minutes=4))
    assert [row["horse_name"] for row in past["runners_data"]] == ["Ada", "Bob"]
    assert cell_of(past, "Bob", "bet365")["odds_decimal"] == 3


async def test_an_abandoned_race_and_one_with_a_result_are_over_and_never_stale(
    api: RunningApi, writer: MarketWriter
) -> None:
    abandoned = card(race("rac_1", off_dt=OFF, is_abandoned=True), (ADA, {"Bet365": "1/1"}))
    run = card(race("rac_2", off_dt=NOON, race_status="result"), (ADA, {"Bet365": "1/1"}))
    await api.seen(await writer.look(abandoned, run, seen_at=NOON))
    api.clock.forward(hours=4)
    for race_id in ("rac_1", "rac_2"):
        body = await page(api, race_id=race_id)
        assert (body["is_over"], body["stale"]) == (True, False)
    assert (await page(api))["is_abandoned"] is True


async def test_a_race_nobody_looks_at_any_more_is_stale_and_so_is_its_best_book(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(race(off_dt=NOON + timedelta(minutes=3)), (ADA, {"Bet365": "1/1"}))
    await api.seen(await writer.look(look, seen_at=NOON))
    assert (await page(api))["stale"] is False
    api.clock.forward(seconds=46)
    body = await page(api)
    assert (body["stale"], body["best_book"]["stale"]) == (True, True)


async def test_a_page_is_made_once_for_each_state_of_the_market(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(race(off_dt=OFF + timedelta(seconds=30)), (ADA, {"Bet365": "1/1"}))
    await api.seen(await writer.look(look, seen_at=NOON))
    first = await api.get("/api/races/rac_1")
    api.clock.forward(seconds=20)
    again = await api.get("/api/races/rac_1", if_none_match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    await api.seen(await writer.look(look, seen_at=NOON + timedelta(seconds=20)))
    moved = await api.get("/api/races/rac_1", if_none_match=first.headers["etag"])
    assert (moved.status_code, moved.json()["checked_at"]) == (200, "2026-06-20T12:00:20Z")


async def test_a_race_of_a_past_day_comes_from_the_database(
    api: RunningApi, writer: MarketWriter
) -> None:
    off = OFF - timedelta(days=30)
    look = card(race("rac_old", off_dt=off), (ADA, {"Bet365": "10/3"}), (BOB, {"Coral": "1/1"}))
    await writer.look(look, seen_at=off - timedelta(hours=1))
    body = await page(api, race_id="rac_old")

    assert (body["race_date"], body["is_over"], body["stale"]) == ("2026-05-21", True, False)
    assert cell_of(body, "Ada", "bet365")["odds_fractional"] == "10/3"


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
