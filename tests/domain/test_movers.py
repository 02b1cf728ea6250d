from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.identifiers import BookmakerId
from darkhorses.domain.movers import RunnerMove, runner_move
from darkhorses.domain.price_paths import PathPoint, PriceLog, PricePath
from tests.market import NOON, price

EXCHANGE = BookmakerId("betfairexchange")
Row = tuple[int, str, str | None]
"""Minute, bookmaker and price."""


def minute(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def moved(*rows: Row, since: float | None = 10) -> RunnerMove | None:
    log = PriceLog(NOON)
    paths: dict[BookmakerId, PricePath] = {}
    numbers: dict[str, int] = {}
    for at, who, text in rows:
        if who not in numbers:
            numbers[who] = log.new_path()
            paths[BookmakerId(who)] = PricePath(log, numbers[who])
        log.add(numbers[who], minute(at), None if text is None else price(text))
    return runner_move(paths, since=None if since is None else minute(since), exchanges={EXCHANGE})


def opened(*bookmakers: str, at: str = "4/1") -> list[Row]:
    return [(0, who, at) for who in bookmakers]


def test_a_steamer_has_its_points_its_leaders_and_who_has_not_followed() -> None:
    move = moved(
        *opened("a", "b", "c", "d", "betfairexchange"),
        (12, "b", "3/1"), (14, "a", "3/1"), (14, "c", "7/2"), (15, "betfairexchange", "3.5"),
    )  # fmt: skip
    assert move is not None
    assert move.shortened
    # 20 % to 25 %, 25 %, 22.2 % and 20 %.
    assert move.points == pytest.approx((5 + 5 + 100 / 4.5 - 20 + 0) / 4)
    assert move.chance_before == pytest.approx(20)
    assert move.chance_after == pytest.approx(20 + move.points)
    assert (move.began_at, move.leaders, move.laggards) == (minute(12), ("b",), ("d",))
    assert [book.bookmaker_id for book in move.exchanges] == [EXCHANGE]
    assert move.exchanges[0].points == pytest.approx(100 / 3.5 - 20)


def test_a_drifter_is_one_too() -> None:
    move = moved(*opened("a", "b", "c"), (11, "a", "5/1"), (11, "b", "6/1"), (13, "c", "5/1"))
    assert move is not None
    assert not move.shortened
    assert move.points < 0
    assert (move.leaders, move.laggards) == (("a", "b"), ())


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([(12, "a", "1/1"), (12, "b", "1/1")], id="two bookmakers"),
        pytest.param(
            [(12, "a", "1/1"), (12, "b", "1/1"), (12, "betfairexchange", "2.0")], id="an exchange"
        ),
        pytest.param(
            [(12, who, "3/1") for who in "abc"] + [(13, who, "4/1") for who in "abc"],
            id="there and back",
        ),
        pytest.param(
            [(12, who, "3/1") for who in "abc"] + [(12, who, "5/1") for who in "def"],
            id="three each way",
        ),
        pytest.param([(12, who, None) for who in "abc"], id="pulled"),
        pytest.param([(10, who, "3/1") for who in "abc"], id="before the window"),
        pytest.param([(12, who, "3/1") for who in "xyz"], id="opened within the window"),
    ],
)
def test_these_are_no_moves(rows: list[Row]) -> None:
    assert moved(*opened(*"abcdef", "betfairexchange"), *rows) is None


def test_a_move_since_the_opening_begins_with_each_bookmakers_own() -> None:
    move = moved(
        *opened("a", "b"), (5, "c", "9/2"), (6, "a", "3/1"), (6, "b", "3/1"), (7, "c", "4/1"),
        since=None,
    )  # fmt: skip
    assert move is not None
    assert [str(book.before.fractional) for book in move.books] == ["4/1", "4/1", "9/2"]
    assert (move.began_at, move.leaders) == (minute(6), ("a", "b"))


def test_a_change_that_is_learned_of_late_takes_its_place_in_the_path() -> None:
    log = PriceLog(NOON)
    path = PricePath(log, log.new_path())
    for at, text in ((0, "4/1"), (20, "2/1"), (10, "3/1"), (20, None), (30, "1/1")):
        log.add(0, minute(at), None if text is None else price(text))
    assert [path.at(minute(at)) for at in (-1, 0, 9, 10, 20, 29)] == [
        None, price("4/1"), price("4/1"), price("3/1"), None, None,
    ]  # fmt: skip
    assert (path.newest(), len(path)) == (price("1/1"), 4)
    assert (path.changed_after(minute(29)), path.changed_after(minute(30))) == (True, False)
    assert path.opening() == PathPoint(minute(0), price("4/1"))
    assert [point.at for point in path.after(minute(10))] == [minute(20), minute(30)]


def test_an_empty_path_has_nothing() -> None:
    log = PriceLog(NOON)
    path = PricePath(log, log.new_path())
    assert (path.at(NOON), path.newest(), path.opening()) == (None,) * 3
    assert not path.changed_after(NOON)


PRICES = ["2/1", "5/2", "3/1", "7/2", "4/1", "9/2", None]
BOOKS = ["a", "b", "c", "d", "e", "betfairexchange"]


@given(
    changes=st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(BOOKS), st.sampled_from(PRICES)),
        min_size=10,
        max_size=60,
    ),
    since=st.integers(0, 30) | st.none(),
)
def test_a_move_is_what_plain_arrays_say(changes: list[Row], since: int | None) -> None:
    ordered = sorted(changes, key=lambda row: row[0])
    expected = by_arrays(ordered, since)
    found = moved(*ordered, since=since)
    if expected is None:
        assert found is None
        return
    points, leaders, laggards = expected
    assert found is not None
    assert found.points == pytest.approx(points)
    assert (set(found.leaders), set(found.laggards)) == (leaders, laggards)


def by_arrays(rows: Sequence[Row], since: int | None) -> tuple[float, set[str], set[str]] | None:
    """The same by a table of minute by bookmaker, filled forward, with no code of ours."""
    table = np.full((31, 5), np.nan)
    for column, who in enumerate(BOOKS[:5]):
        for at in range(31):
            stood = [text for changed, book, text in rows if book == who and changed <= at]
            if stood and stood[-1] is not None:
                table[at, column] = 100 / float(Fraction(stood[-1]) + 1)
    priced = ~np.isnan(table)
    start = priced.argmax(axis=0) if since is None else np.full(5, since)
    before = table[start, np.arange(5)]
    change = (table[30] - before).round(9)
    both = ~np.isnan(change)
    sign = np.sign(np.nansum(change))
    side = both & (np.sign(change) == sign)
    other = both & (np.sign(change) == -sign)
    if sign == 0 or side.sum() < 3 or side.sum() <= other.sum():
        return None
    began = {}
    for column in np.flatnonzero(side).tolist():
        beyond = (sign * (table[:, column] - before[column])).round(9) > 0
        beyond[: start[column] + 1] = False
        began[BOOKS[column]] = int(beyond.argmax())
    leaders = {who for who, at in began.items() if at == min(began.values())}
    laggards = {BOOKS[column] for column in np.flatnonzero(both & ~side).tolist()}
    return float(np.nanmean(change)), leaders, laggards
