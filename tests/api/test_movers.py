import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pytest

from darkhorses.domain.races import Card
from darkhorses.store.pool import Connection
from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, card, race, runner

OFF = NOON + timedelta(hours=3)
LADDER = ("6/4", "7/4", "2/1", "9/4", "5/2", "11/4", "3/1", "7/2", "4/1", "9/2", "5/1")
BOOKS = ("Bet365", "William Hill", "Coral", "Unibet", "Betway", "Betfair Exchange")
FIXED = BOOKS[:5]
ADA, BOB = runner("Ada", 1), runner("Bob", 2)


def all_at(text: str, **others: str | None) -> dict[str, str | None]:
    return dict.fromkeys(FIXED, text) | {
        name.replace("_", " "): other for name, other in others.items()
    }


async def steam(api: RunningApi, writer: MarketWriter) -> None:
    """Ada from 4/1 to 3/1: Coral first, then two more; William Hill and Unibet stand."""
    at = race(off_dt=OFF)
    revision = 0
    await writer.look(card(at, (ADA, all_at("4/1")), (BOB, all_at("2/1"))), seen_at=NOON)
    for minutes, moved in (
        (60, {"Coral": "3/1"}),
        (61, {"Coral": "3/1", "Bet365": "7/2", "Betway": "3/1"}),
    ):
        revision = await writer.look(
            card(at, (ADA, all_at("4/1") | moved), (BOB, all_at("2/1", Coral="5/1"))),
            seen_at=NOON + timedelta(minutes=minutes),
        )
    await api.seen(revision)
    api.clock.now = NOON + timedelta(minutes=62)


async def test_a_steamer_is_told_with_who_led_and_who_has_not_followed(
    api: RunningApi, writer: MarketWriter
) -> None:
    await steam(api, writer)
    body = await api.json("/api/movers?window=5m")
    assert (body["count"], body["total"], body["window"]) == (1, 1, "5m")
    assert body["since"] == "2026-06-20T12:57:00Z"
    (mover,) = body["data"]
    assert (mover["horse_name"], mover["direction"], mover["moved"]) == ("Ada", "steamers", 3)
    assert mover["points"] == round((5 + 5 + 100 / 4.5 - 20) / 5, 3)
    assert (mover["best_before"], mover["best_after"]) == (5, 5)
    assert mover["led"] == ["Coral"]
    assert mover["began_at"] == "2026-06-20T13:00:00Z"
    assert set(mover["not_followed"]) == {"unibet", "William Hill"}
    assert [book["bookmaker_name"] for book in mover["bookmakers"]][:3] == [
        "betway", "Coral", "Bet365",
    ]  # fmt: skip
    assert mover["stale"] is False


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 1),
        ("?direction=steamers", 1),
        ("?direction=drifters", 0),
        ("?window=opening", 1),
        ("?window=morning&region=gb&course=hereford", 1),
        ("?region=IRE", 0),
        ("?course=Ascot", 0),
        ("?race_id=rac_1", 1),
        ("?race_id=rac_2", 0),
    ],
)
async def test_movers_are_asked_for_by_window_place_and_direction(
    api: RunningApi, writer: MarketWriter, query: str, found: int
) -> None:
    await steam(api, writer)
    # The morning began before the race had prices: nothing stood then.
    expected = 0 if "morning" in query else found
    assert (await api.json(f"/api/movers{query}"))["total"] == expected


async def test_the_morning_begins_at_eight_in_london(api: RunningApi) -> None:
    api.clock.now = NOON + timedelta(hours=18)
    assert (await api.json("/api/movers?window=morning"))["since"] == "2026-06-20T07:00:00Z"
    api.clock.forward(hours=1)
    assert (await api.json("/api/movers?window=morning"))["since"] == "2026-06-21T07:00:00Z"


@pytest.mark.parametrize(
    "last_look",
    [
        pytest.param(
            card(
                race(off_dt=OFF),
                (msgspec.structs.replace(ADA, is_non_runner=True), dict.fromkeys(FIXED)),
                (BOB, all_at("2/1")),
            ),
            id="a non-runner",
        ),
        pytest.param(
            card(race(off_dt=OFF, race_status="result"), (ADA, all_at("3/1"))),
            id="a race that is over",
        ),
    ],
)
async def test_what_cannot_be_backed_any_more_is_left_out(
    api: RunningApi, writer: MarketWriter, last_look: Card
) -> None:
    await steam(api, writer)
    assert (await api.json("/api/movers"))["total"] == 1
    await api.seen(await writer.look(last_look, seen_at=NOON + timedelta(minutes=62)))
    assert (await api.json("/api/movers"))["data"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [("window=2h", "window"), ("direction=up", "direction"), ("limit=0", "limit"), ("x=1", "x")],
)
async def test_a_wrong_parameter_is_named(api: RunningApi, query: str, field: str) -> None:
    answer = await api.get(f"/api/movers?{query}")
    assert answer.status_code == 400
    assert field in str(answer.json()["errors"])


async def test_movers_of_a_random_day_are_what_arrays_of_the_log_say(
    api: RunningApi, writer: MarketWriter, connection: Connection
) -> None:
    chance = random.Random(4)  # noqa: S311  # a repeatable market
    revision = 0
    horses = [runner(f"H{number}", number) for number in range(1, 13)]
    steps = {(h.horse_id, book): 5 for h in horses for book in BOOKS}
    for minutes in range(0, 120, 4):
        drift = {h.horse_id: chance.choice((-2, 0, 0, 2)) for h in horses}
        for (horse_id, book), step in steps.items():
            if chance.random() < 0.8:
                moved = step + drift[horse_id] + chance.choice((-1, 0, 1))
                steps[horse_id, book] = min(max(moved, 0), len(LADDER) - 1)
        quotes = {
            h: {
                book: None if chance.random() < 0.05 else LADDER[steps[h.horse_id, book]]
                for book in BOOKS
            }
            for h in horses
        }
        revision = await writer.look(
            card(race(off_dt=OFF), *quotes.items()), seen_at=NOON + timedelta(minutes=minutes)
        )
    await api.seen(revision)
    api.clock.now = NOON + timedelta(minutes=117)
    log = await connection.fetch(
        "SELECT horse_id, bookmaker_id, odds_fractional, seen_at FROM ra_odds_changes "
        "ORDER BY change_id"
    )
    for window, since in (
        ("5m", api.clock.now - timedelta(minutes=5)),
        ("1h", api.clock.now - timedelta(hours=1)),
        ("opening", None),
    ):
        body = await api.json(f"/api/movers?window={window}")
        told = {mover["horse_id"]: (mover["points"], mover["moved"]) for mover in body["data"]}
        assert told == by_arrays(log, since), window
        assert told
        sizes = [abs(mover["points"]) for mover in body["data"]]
        assert sizes == sorted(sizes, reverse=True)


def by_arrays(log: Sequence[Any], since: datetime | None) -> dict[str, tuple[float, int]]:
    """The same by the bookmakers' chances before and after, runner by runner."""
    fixed = sorted({row["bookmaker_id"] for row in log} - {"betfairexchange"})
    found = {}
    for horse_id in sorted({row["horse_id"] for row in log}):
        ends = np.full((2, len(fixed)), np.nan)
        for column, who in enumerate(fixed):
            own = [r for r in log if (r["horse_id"], r["bookmaker_id"]) == (horse_id, who)]
            before = (
                [r for r in own if r["seen_at"] <= since][-1:]
                if since is not None
                else [r for r in own if r["odds_fractional"]][:1]
            )
            for end, rows in enumerate((before, own[-1:])):
                for row in rows:
                    if row["odds_fractional"]:
                        ends[end, column] = 100 / float(Fraction(row["odds_fractional"]) + 1)
        change = ends[1] - ends[0]
        way = np.sign(np.nansum(change.round(9)))
        moved = int((np.sign(change.round(9)) == way).sum())
        against = int((np.sign(change.round(9)) == -way).sum())
        if way and moved >= 3 and moved > against:
            found[horse_id] = (round(float(np.nanmean(change)), 3), moved)
    return found
