"""Prices of a race over time."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest

from darkhorses.store.pool import Database
from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, card, race, runner

OFF = NOON + timedelta(hours=3)
ADA, BOB = runner("Ada", 1), runner("Bob", 2)
HISTORY = "/api/races/rac_1/history"


async def looks(writer: MarketWriter, *prices: tuple[float, str | None, str | None]) -> None:
    """Looks at minutes past noon: what Bet365 and the exchange ask for Ada; Bob never moves."""
    for minute, bet365, exchange in prices:
        look = card(
            race(off_dt=OFF),
            (ADA, {"Bet365": bet365, "Coral": "2/1", "Betfair Exchange": exchange}),
            (BOB, {"Bet365": "1/1"}),
        )
        await writer.look(look, seen_at=NOON + timedelta(minutes=minute))


async def ada_of(api: RunningApi, query: str = "") -> dict[str, Any]:
    body = await api.json(f"{HISTORY}{query}")
    found: dict[str, Any] = next(one for one in body["runners"] if one["horse_name"] == "Ada")
    return found


def points(series: dict[str, Any]) -> list[tuple[str, str | float | None]]:
    return [
        (
            point["at"][11:16],
            point["price"]
            and (point["price"]["odds_fractional"] or point["price"]["odds_decimal"]),
        )
        for point in series["points"]
    ]


def of(runner_series: dict[str, Any], who: str) -> dict[str, Any]:
    every = (*runner_series["bookmakers"], *runner_series["exchanges"])
    return next(series for series in every if series["bookmaker_id"] == who)


async def test_every_change_stands_in_it_pulled_prices_too_and_exchanges_apart(
    api: RunningApi, writer: MarketWriter
) -> None:
    await looks(writer, (0, "10/3", "4.7"), (1, "3/1", "4.7"), (2, None, "4.8"), (3, "1/1", "4.8"))
    body = await api.json(HISTORY)
    assert (body["success"], body["from"], body["to"], body["resolution"]) == (
        True,
        None,
        None,
        None,
    )
    assert [one["horse_name"] for one in body["runners"]] == ["Ada", "Bob"]
    ada = body["runners"][0]
    assert points(of(ada, "bet365")) == [
        ("12:00", "10/3"),
        ("12:01", "3/1"),
        ("12:02", None),
        ("12:03", "1/1"),
    ]
    assert [series["bookmaker_id"] for series in ada["bookmakers"]] == ["bet365", "coral"]
    assert [series["bookmaker_id"] for series in ada["exchanges"]] == ["betfairexchange"]
    assert points(of(ada, "betfairexchange")) == [("12:00", 4.7), ("12:02", 4.8)]
    assert body["count"] == sum(
        len(series["points"])
        for one in body["runners"]
        for series in (one["best"], *one["bookmakers"], *one["exchanges"])
    )


async def test_the_best_price_over_time_is_a_bookmakers_and_names_who_has_it(
    api: RunningApi, writer: MarketWriter
) -> None:
    await looks(writer, (0, "10/3", "9.0"), (1, "2/1", "9.0"), (2, None, "9.0"))
    best = (await ada_of(api))["best"]
    assert [(point["at"][11:16], point["bookmakers"]) for point in best["points"]] == [
        ("12:00", ["Bet365"]),
        ("12:01", ["Bet365", "Coral"]),
        ("12:02", ["Coral"]),
    ]
    assert [value for _, value in points(best)] == ["10/3", "2/1", "2/1"]
    assert best["bookmaker_id"] is None


async def test_no_best_price_stands_for_a_runner_that_was_withdrawn(
    api: RunningApi, writer: MarketWriter
) -> None:
    await looks(writer, (0, "10/3", None))
    withdrawn = card(
        race(off_dt=OFF),
        (runner("Ada", None, is_non_runner=True), {"Bet365": "10/3", "Coral": "2/1"}),
    )
    await writer.look(withdrawn, seen_at=NOON + timedelta(minutes=5))
    ada = await ada_of(api)
    assert (ada["is_non_runner"], ada["non_runner_at"]) == (True, "2026-06-20T12:05:00Z")
    assert points(ada["best"]) == [("12:00", "10/3"), ("12:05", None)]


async def test_one_runner_and_one_bookmaker_can_be_asked_for_by_name(
    api: RunningApi, writer: MarketWriter
) -> None:
    await looks(writer, (0, "10/3", "4.7"), (1, "1/1", "4.8"))
    body = await api.json(f"{HISTORY}?horse_id=hrs_ada&bookmaker=Bet%20365")
    (ada,) = body["runners"]
    assert [series["bookmaker_id"] for series in ada["bookmakers"]] == ["bet365"]
    assert ada["exchanges"] == []
    assert points(ada["best"]) == [("12:00", "10/3"), ("12:01", "2/1")]
    (ada,) = (await api.json(f"{HISTORY}?horse_id=hrs_ada&bookmaker=Betfair Exchange"))["runners"]
    assert [series["bookmaker_id"] for series in ada["exchanges"]] == ["betfairexchange"]
    assert ada["bookmakers"] == []


async def test_a_part_begins_with_what_stood_and_ends_before_its_end(
    api: RunningApi, writer: MarketWriter
) -> None:
    await looks(writer, (0, "10/3", None), (1, "3/1", None), (2, "1/1", None), (3, "2/1", None))
    ada = await ada_of(api, "?from=2026-06-20T12:01:00Z&to=2026-06-20T13:03:00%2B01:00")
    bet365 = of(ada, "bet365")
    assert points(bet365) == [("12:01", "3/1"), ("12:02", "1/1")]
    assert bet365["standing"]["odds_fractional"] == "10/3"
    assert of(ada, "coral") == {
        "bookmaker_id": "coral",
        "bookmaker_name": "Coral",
        "bookmaker_type": "fixed",
        "standing": {"odds_decimal": 3, "odds_fractional": "2/1"},
        "points": [],
    }


async def test_bars_have_the_first_highest_lowest_and_last_price_of_their_minutes(
    api: RunningApi, writer: MarketWriter
) -> None:
    await looks(
        writer, (1, "2/1", None), (2, "6/1", None), (3, "1/1", None), (7, "13/8", None),
        (8, None, None),
    )  # fmt: skip
    bet365 = of(await ada_of(api, "?resolution=5m"), "bet365")
    assert "points" not in bet365
    assert [
        (bar["begins_at"][11:16], *(bar[one]["odds_fractional"] for one in OHLC), bar["stands"])
        for bar in bet365["bars"]
    ] == [
        ("12:00", "2/1", "6/1", "1/1", "1/1", True),
        ("12:05", "1/1", "13/8", "1/1", "13/8", False),
    ]
    assert [bar["changes"] for bar in bet365["bars"]] == [3, 2]


OHLC = ("open", "high", "low", "close")


@pytest.mark.parametrize("resolution", [None, "10s", "5m"])
@pytest.mark.parametrize("limit", [1, 7, 40])
async def test_pages_put_together_are_the_whole_and_none_is_much_beyond_its_limit(
    api: RunningApi, writer: MarketWriter, resolution: str | None, limit: int
) -> None:
    chance = Random(limit)  # noqa: S311  # a repeatable market
    await looks(
        writer,
        *(
            (minute / 6, chance.choice(["1/1", "2/1", "3/1", None]), chance.choice(["4", "5"]))
            for minute in range(60)
        ),
    )
    extra = f"&resolution={resolution}" if resolution else ""
    whole = await api.json(f"{HISTORY}?limit=20000{extra}")
    assert whole["next_from"] is None
    parts: dict[tuple[str, str | None], list[Any]] = {}
    query = f"?limit={limit}{extra}"
    count = pages = 0
    while True:
        body = await api.json(f"{HISTORY}{query}")
        pages += 1
        count += body["count"]
        for key, made in series_of(body).items():
            parts.setdefault(key, []).extend(made)
        # No instant has more than two best prices, four bookmakers' and the exchange's.
        assert body["count"] <= max(limit, 7)
        if body["next_from"] is None:
            break
        query = f"?limit={limit}{extra}&from={body['next_from']}"
    assert pages > 1 or whole["count"] <= max(limit, 7)
    assert parts == series_of(whole)
    assert count == whole["count"]


def series_of(body: dict[str, Any]) -> dict[tuple[str, str | None], list[Any]]:
    return {
        (one["horse_id"], series["bookmaker_id"]): series.get("points", series.get("bars"))
        for one in body["runners"]
        for series in (one["best"], *one["bookmakers"], *one["exchanges"])
    }


async def test_a_race_without_a_price_has_no_history(api: RunningApi, writer: MarketWriter) -> None:
    await writer.look(card(race(off_dt=OFF), (ADA, {})), seen_at=NOON)
    body = await api.json(HISTORY)
    assert (body["count"], body["runners"], body["next_from"]) == (0, [], None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("horse_id=hrs_nobody", "horse_id"),
        ("horse_id=%00", "horse_id"),
        ("horse_id=", "horse_id"),
        ("bookmaker=William%20Hill", "bookmaker"),
        ("bookmaker=%21", "bookmaker"),
        ("from=2026-06-20T12:00:00", "from"),
        ("to=tomorrow", "to"),
        ("from=2026-06-20T13:00:00Z&to=2026-06-20T13:00:00Z", "from"),
        ("resolution=2m", "resolution"),
        ("resolution=", "resolution"),
        ("limit=0", "limit"),
        ("limit=20001", "limit"),
        ("at=2026-06-20T12:00:00Z", "at"),
    ],
)
async def test_a_wrong_parameter_is_named(
    api: RunningApi, writer: MarketWriter, query: str, field: str
) -> None:
    await looks(writer, (0, "1/1", "2"))
    answer = await api.get(f"{HISTORY}?{query}")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_how_complete_it_is_is_told_once_it_was_measured(
    api: RunningApi, writer: MarketWriter, database: Database
) -> None:
    await looks(writer, (0, "10/3", "4.7"))
    assert (await api.json(HISTORY))["completeness"] is None
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO ra_gap_repairs (race_id, race_date, region, occasion, state, outage_to,"
            " runners_asked, points, seen, added, unplaced, lag_count, lag_median_seconds,"
            " lag_p90_seconds, lag_max_seconds, repaired_at) VALUES ('rac_1', $1, 'gb', 'end',"
            " 'repaired', $2, 2, 300, 200, 97, 3, 200, 65, 190, 350, $2)",
            NOON.date(),
            NOON,
        )

    told = (await api.json(HISTORY))["completeness"]

    assert told == {
        "state": "repaired",
        "is_final": True,
        "covers_until": None,
        "points": 300,
        "seen": 200,
        "added": 97,
        "unplaced": 3,
        "polled_share": 0.666667,
        "share": 0.99,
        "lag": {
            "count": 200,
            "median_seconds": 65,
            "p90_seconds": 190,
            "longest_seconds": 350,
        },
        "runners_asked": 2,
        "runners_not_found": 0,
        "runners_failed": 0,
        "reason": None,
        "repaired_at": "2026-06-20T12:00:00Z",
    }
