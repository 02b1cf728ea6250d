from collections.abc import Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import permutations
from math import prod
from typing import Any

import msgspec
import numpy as np
import pytest
import shin

from darkhorses.domain.identifiers import BookmakerId
from darkhorses.domain.races import Card
from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, Prices, card, race, runner

OFF = NOON + timedelta(hours=1)
NAMES = (
    "Ada", "Bob", "Cit", "Dot", "Eve", "Fay", "Gus", "Hal", "Ida", "Jim", "Kay", "Lou", "Mia",
    "Ned", "Oda", "Pat",
)  # fmt: skip


def field(count: int, prices: Prices, **facts: Any) -> Card:
    """So many runners, each at the same prices."""
    return of_prices([prices] * count, **facts)


def of_prices(prices: list[Prices], **facts: Any) -> Card:
    race_id = facts.pop("race_id", "rac_1")
    off_dt = facts.pop("off_dt", OFF)
    return card(
        race(race_id, off_dt=off_dt, **facts),
        *(
            (runner(name, number), quoted)
            for number, (name, quoted) in enumerate(zip(NAMES, prices, strict=False), 1)
        ),
    )


def with_terms(of: Card, terms: Mapping[str, tuple[int, int] | None]) -> Card:
    """The card with bookmakers' own each-way terms."""
    quotes = dict(of.quotes)
    for key, quote in of.quotes.items():
        if key[1] in terms:
            places, denominator = terms[key[1]] or (None, None)
            quotes[key] = msgspec.structs.replace(quote, ew_places=places, ew_denom=denominator)
    return msgspec.structs.replace(of, quotes=quotes)


async def shown(api: RunningApi, writer: MarketWriter, *cards: Card) -> None:
    await api.seen(await writer.look(*cards, seen_at=api.clock.now))


THREE: list[Prices] = [
    {"Bet365": "6/4", "Coral": "2/1", "Betfair Exchange": "9.0"},
    {"Bet365": "3/1", "William Hill": "3/1", "Coral": "5/2"},
    {"Bet365": "2/1", "Coral": None},
]


async def test_a_best_book_under_one_hundred_has_its_legs_their_stakes_and_their_ages(
    api: RunningApi, writer: MarketWriter
) -> None:
    await shown(api, writer, of_prices(THREE))
    api.clock.forward(seconds=30)
    body = await api.json("/api/opportunities?kind=best_book&stake=110")
    assert body.keys() == {"success", "races", "left_out", "checked_at", "best_book"}
    assert body["best_book"]["total"] == 1
    (found,) = body["best_book"]["data"]
    # 1/3 + 1/4 + 1/3 = 11/12: 110 are 40, 30 and 40, and each returns 120.
    assert (found["percentage"], found["margin"]) == (91.6667, 0.090909)
    assert (found["staked"], found["returned"], found["profit"]) == (110.0, 120.0, 10.0)
    assert [
        (leg["horse_name"], leg["bookmakers"], leg["odds_fractional"], leg["stake"])
        for leg in found["legs"]
    ] == [
        ("Ada", ["Coral"], "2/1", 40.0),
        ("Bob", ["Bet365", "William Hill"], "3/1", 30.0),
        ("Cit", ["Bet365"], "2/1", 40.0),
    ]
    assert {leg["price_age_seconds"] for leg in found["legs"]} == {30}
    assert (found["age_seconds"], found["runners"]) == (30, 3)
    assert "1/best bookmaker price" in body["best_book"]["method"]


@pytest.mark.parametrize(
    "prices",
    [
        pytest.param([*THREE, {"Bet365": "2/1"}], id="over 100"),
        pytest.param([*THREE, {"Bet365": None}], id="a runner without a price"),
        pytest.param([*THREE, {"Betfair Exchange": "30"}], id="a runner with an exchange's alone"),
        pytest.param(THREE[:1], id="one runner"),
    ],
)
async def test_these_are_no_best_book_under_one_hundred(
    api: RunningApi, writer: MarketWriter, prices: list[Prices]
) -> None:
    await shown(api, writer, of_prices(prices))
    assert (await api.json("/api/opportunities?kind=best_book"))["best_book"]["data"] == []


async def test_what_is_not_fresh_is_left_out_and_counted(
    api: RunningApi, writer: MarketWriter
) -> None:
    old = msgspec.structs.replace(
        of_prices(THREE, race_id="rac_2"), refreshed_at=NOON - timedelta(minutes=11)
    )
    await shown(api, writer, of_prices(THREE), old)

    async def counts(query: str) -> tuple[int, int, int]:
        body = await api.json(f"/api/opportunities?{query}")
        return body["races"], body["left_out"], body["best_book"]["total"]

    assert await counts("") == (1, 1, 1)
    api.clock.forward(seconds=21)
    assert await counts("max_age=20") == (0, 2, 0)
    assert await counts("max_age=30") == (1, 1, 1)
    # Three looks missed: stale, however patient one is.
    api.clock.forward(minutes=4)
    assert await counts("max_age=1800") == (0, 2, 0)


@pytest.mark.parametrize(
    ("facts", "now"),
    [
        ({"race_status": "result"}, NOON),
        ({"is_abandoned": True}, NOON),
        ({"off_dt": NOON + timedelta(minutes=1)}, NOON + timedelta(minutes=1)),
    ],
)
async def test_a_race_that_is_over_or_past_its_off_offers_nothing(
    api: RunningApi, writer: MarketWriter, facts: dict[str, Any], now: datetime
) -> None:
    await shown(api, writer, of_prices(THREE, **facts))
    api.clock.now = now
    body = await api.json("/api/opportunities")
    assert (body["races"], body["left_out"], body["best_book"]["total"]) == (0, 0, 0)


async def test_better_terms_are_told_beside_the_standard_ones(
    api: RunningApi, writer: MarketWriter
) -> None:
    prices = dict.fromkeys(("Bet365", "Coral", "William Hill", "Unibet", "Betway"), "9/1")
    look = with_terms(
        field(16, prices | {"Betfair Exchange": "12"}, race_name="A Handicap Chase"),
        {
            "bet365": (5, 4),
            "coral": (6, 5),
            "williamhill": (4, 4),
            "unibet": (4, 3),
            "betway": (3, 4),
            "betfairexchange": None,
        },
    )
    await shown(api, writer, look)
    rows = (await api.json("/api/opportunities?kind=extra_places"))["extra_places"]["data"]
    assert [
        (
            row["bookmaker_id"], row["ew_places"], row["ew_denom"], row["extra_places"],
            row["smaller_fraction"], row["standard_places"], row["standard_denom"],
        )
        for row in rows
    ] == [
        ("coral", 6, 5, 2, True, 4, 4),
        ("bet365", 5, 4, 1, False, 4, 4),
        ("unibet", 4, 3, 0, False, 4, 4),
    ]  # fmt: skip


async def test_places_where_only_winning_pays_by_the_standard_are_extra(
    api: RunningApi, writer: MarketWriter
) -> None:
    await shown(api, writer, with_terms(field(4, {"Coral": "3/1"}), {"coral": (2, 4)}))
    (row,) = (await api.json("/api/opportunities?kind=extra_places"))["extra_places"]["data"]
    assert (row["extra_places"], row["standard_places"]) == (2, None)


async def test_a_place_boundary_is_warned_of(api: RunningApi, writer: MarketWriter) -> None:
    eight = field(8, {"Coral": "6/1"})
    nine = field(9, {"Coral": "6/1"}, race_id="rac_2")
    five = field(5, {"Coral": "6/1"}, race_id="rac_3", off_dt=OFF + timedelta(hours=1))
    await shown(api, writer, eight, nine, five)
    rows = (await api.json("/api/opportunities"))["place_boundary"]["data"]
    assert [(row["race_id"], row["warning"]) for row in rows] == [
        ("rac_1", "One more non-runner turns 3 places at 1/5 into 2 places at 1/4."),
        ("rac_3", "One more non-runner turns 2 places at 1/4 into win only."),
    ]
    # With one gone from nine that race stands on the boundary, and eight have become seven.
    absent = {BookmakerId("coral")}
    for of in (eight, nine):
        first = next(iter(of.runners.values()))
        of.runners[first.horse_id] = msgspec.structs.replace(first, is_non_runner=True)
        for key in [key for key in of.quotes if key[0] == first.horse_id and key[1] in absent]:
            del of.quotes[key]
    await shown(api, writer, eight, nine)
    rows = (await api.json("/api/opportunities"))["place_boundary"]["data"]
    assert [row["race_id"] for row in rows] == ["rac_2", "rac_3"]


EDGE: list[Prices] = [
    {"Bet365": "11/8", "Coral": "6/4", "William Hill": "6/4", "Unibet": "11/8"},
    {"Bet365": "3/1", "Coral": "11/4", "William Hill": "3/1", "Unibet": "3/1"},
    {"Bet365": "5/1", "Coral": "5/1", "William Hill": "11/2", "Unibet": "5/1"},
    {"Bet365": "8/1", "Coral": "9/1", "William Hill": "8/1", "Unibet": "14/1"},
    {"Bet365": "12/1", "Coral": "12/1", "William Hill": "14/1", "Unibet": "12/1"},
    {"Bet365": "33/1", "Coral": "25/1", "William Hill": "28/1", "Unibet": "33/1"},
]
OWN = {"bet365": (2, 4), "coral": (3, 4), "williamhill": (2, 4), "unibet": (4, 5)}


async def test_each_way_edges_are_those_of_other_peoples_sums(
    api: RunningApi, writer: MarketWriter
) -> None:
    await shown(api, writer, with_terms(of_prices(EDGE), OWN))
    body = (await api.json("/api/opportunities?kind=each_way"))["each_way"]
    expected = edges_by_enumeration()
    assert 3 < len(expected) < 20
    found = {(row["horse_name"], row["bookmaker_id"]): row for row in body["data"]}
    assert found.keys() == expected.keys()
    for key, (win, placed, value) in expected.items():
        assert found[key]["win_chance"] == pytest.approx(win, abs=2e-6)
        assert found[key]["place_chance"] == pytest.approx(placed, abs=2e-6)
        assert found[key]["value"] == pytest.approx(value, abs=1e-5)
        assert found[key]["fair_books"] == 4
    values = [row["value"] for row in body["data"]]
    assert values == sorted(values, reverse=True)
    assert "Harville" in body["method"]
    some = (await api.json(f"/api/opportunities?kind=each_way&min_value={values[1]}"))["each_way"]
    assert some["total"] == 2


def edges_by_enumeration() -> dict[tuple[str, str], tuple[float, float, float]]:
    """Shin's chances by the package of that name, Harville's by every order of the placed."""
    books = {who: [float(Fraction(str(prices[who])) + 1) for prices in EDGE] for who in EDGE[0]}
    win = np.mean([shin.calculate_implied_probabilities(odds) for odds in books.values()], axis=0)
    found = {}
    for (who, odds), (places, denominator) in zip(books.items(), OWN.values(), strict=True):
        placed = np.zeros(len(win))
        for order in permutations(range(len(win)), places):
            left = 1 - np.cumsum([0, *win[list(order)][:-1]])
            placed[list(order)] += prod(win[list(order)] / left)
        for horse, price in enumerate(odds):
            gain = win[horse] * price - 1
            gain += placed[horse] * ((price - 1) / denominator + 1) - 1
            if gain > 0:
                key = NAMES[horse], who.lower().replace(" ", "")
                found[key] = float(win[horse]), float(placed[horse]), float(gain / 2)
    return found


async def test_two_books_make_no_fair_chance(api: RunningApi, writer: MarketWriter) -> None:
    some: list[Prices] = [
        {who: text for who, text in prices.items() if who in {"Coral", "Unibet"}} for prices in EDGE
    ]
    await shown(api, writer, with_terms(of_prices(some), OWN))
    assert (await api.json("/api/opportunities"))["each_way"]["total"] == 0


async def test_a_price_that_moves_is_seen_at_once(api: RunningApi, writer: MarketWriter) -> None:
    await shown(api, writer, of_prices(THREE))
    assert (await api.json("/api/opportunities"))["best_book"]["total"] == 1
    await shown(api, writer, of_prices([{"Bet365": "1/1"}, *THREE[1:]]))
    assert (await api.json("/api/opportunities"))["best_book"]["total"] == 0


@pytest.mark.parametrize(
    ("query", "races"), [("region=gb", 1), ("region=IRE", 0), ("course=HEREFORD", 1)]
)
async def test_opportunities_are_asked_for_by_place(
    api: RunningApi, writer: MarketWriter, query: str, races: int
) -> None:
    await shown(api, writer, of_prices(THREE))
    assert (await api.json(f"/api/opportunities?{query}"))["races"] == races


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kind=luck", "kind"),
        ("max_age=1", "max_age"),
        ("stake=0", "stake"),
        ("min_value=-1", "min_value"),
        ("min_value=nan", "min_value"),
    ],
)
async def test_a_wrong_parameter_is_named(api: RunningApi, query: str, field: str) -> None:
    answer = await api.get(f"/api/opportunities?{query}")
    assert answer.status_code == 400
    assert field in str(answer.json()["errors"])
