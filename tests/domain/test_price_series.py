from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.gaps import PricePoint
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.market_at import PriceChange
from darkhorses.domain.price_series import (
    Stretch,
    bars,
    best_path,
    span_start,
    stretch,
)
from darkhorses.domain.prices import Price
from tests.market import NOON, price

MINUTE = timedelta(minutes=1)
LADDER = ("1/4", "1/1", "13/8", "2/1", "10/3", "6/1", "20/1")
AS_IT_IS_ROUNDED = Price(decimal=Decimal("2.63"), fractional="13/8")
some_prices = st.none() | st.just(AS_IT_IS_ROUNDED) | st.sampled_from(LADDER).map(price)
seconds = st.integers(0, 900)
paths = st.lists(st.tuples(seconds, some_prices), max_size=30).map(
    lambda rows: [
        PricePoint(at=NOON + timedelta(seconds=second), price=of)
        for second, of in sorted(rows, key=lambda row: row[0])
    ]
)
logs = st.lists(st.tuples(seconds, st.sampled_from("abc"), some_prices), max_size=40).map(
    lambda rows: [
        change(number, second, who, of)
        for number, (second, who, of) in enumerate(sorted(rows, key=lambda row: row[0]))
    ]
)


def change(number: int, second: float, who: str, of: Price | None) -> PriceChange:
    at = NOON + timedelta(seconds=second)
    return PriceChange(
        change_id=number,
        horse_id=HorseId("h"),
        bookmaker_id=BookmakerId(who),
        price=of,
        at=at,
        seen_at=at,
    )


def points(*rows: tuple[float, str | None]) -> tuple[PricePoint, ...]:
    return tuple(
        PricePoint(at=NOON + timedelta(seconds=second), price=None if text is None else price(text))
        for second, text in rows
    )


def standing_each_second(path: Sequence[PricePoint | PriceChange]) -> list[Price | None]:
    """What stands in each second from noon on, point by point."""
    line: list[Price | None] = []
    for second in range(901):
        stands = [p.price for p in path if p.at <= NOON + timedelta(seconds=second)]
        line.append(stands[-1] if stands else None)
    return line


@given(paths, st.sampled_from([10, 60, 300]))
def test_bars_say_what_stood_second_by_second(path: list[PricePoint], length: int) -> None:
    made = bars(Stretch(standing=None, points=tuple(path)), timedelta(seconds=length))
    line = standing_each_second(path)
    expected = {}
    for start in range(0, 901, length):
        inside = line[start : start + length]
        stood = [one for one in inside if one is not None]
        changes = sum(0 <= (p.at - NOON).total_seconds() - start < length for p in path)
        if changes and stood:
            expected[NOON + timedelta(seconds=start)] = (
                stood[0].exact,
                max(one.exact for one in stood),
                min(one.exact for one in stood),
                stood[-1].exact,
                inside[-1] is not None,
                changes,
            )

    assert {
        bar.begins_at: (
            bar.open.exact, bar.high.exact, bar.low.exact, bar.close.exact, bar.stands, bar.changes
        )
        for bar in made
    } == expected  # fmt: skip


@given(paths, seconds, seconds)
def test_stretches_put_together_are_the_whole_path(
    path: list[PricePoint], one: int, other: int
) -> None:
    cuts = [NOON + timedelta(seconds=second) for second in sorted((one, other))]
    parts = [
        stretch(path, from_at=None, to_at=cuts[0]),
        stretch(path, from_at=cuts[0], to_at=cuts[1]),
        stretch(path, from_at=cuts[1], to_at=None),
    ]

    assert [point for part in parts for point in part.points] == path
    for cut, part in zip(cuts, parts[1:], strict=True):
        before = [point.price for point in path if point.at < cut]
        assert part.standing == (before[-1] if before else None)


@given(logs)
def test_the_best_price_over_time_is_the_highest_that_stands_at_every_second(
    log: list[PriceChange],
) -> None:
    found = standing_each_second(list(best_path(log)))
    by_bookmaker = [
        standing_each_second([c for c in log if c.bookmaker_id == who]) for who in "abc"
    ]
    for second in range(901):
        stands = [line[second] for line in by_bookmaker]
        highest = max((one.exact for one in stands if one is not None), default=None)
        best = found[second]
        assert (best.exact if best is not None else None) == highest


@given(logs)
def test_a_best_price_has_a_point_wherever_it_or_who_offers_it_became_another(
    log: list[PriceChange],
) -> None:
    standing: dict[BookmakerId, Price] = {}
    expected: list[tuple[timedelta, Price | None, tuple[str, ...]]] = []
    last: tuple[Price | None, tuple[str, ...]] = (None, ())
    for at in sorted({change.at for change in log}):
        for one in log:
            if one.at == at:
                standing.pop(one.bookmaker_id, None)
                if one.price is not None:
                    standing[one.bookmaker_id] = one.price
        highest = max((one.exact for one in standing.values()), default=None)
        holders = tuple(sorted(who for who, one in standing.items() if one.exact == highest))
        now = (standing[BookmakerId(holders[0])] if holders else None, holders)
        if now != last:
            expected.append((at - NOON, *now))
            last = now

    assert [(p.at - NOON, p.price, p.bookmakers) for p in best_path(log)] == expected


def test_the_best_price_names_who_offers_it_and_moves_when_they_do() -> None:
    log = [
        change(1, 0, "a", price("2/1")),
        change(2, 10, "b", price("2/1")),
        change(3, 20, "a", price("1/1")),
        change(4, 30, "a", price("13/8")),
        change(5, 40, "b", None),
    ]

    assert [(p.at - NOON, p.price, p.bookmakers) for p in best_path(log)] == [
        (timedelta(seconds=0), price("2/1"), ("a",)),
        (timedelta(seconds=10), price("2/1"), ("a", "b")),
        (timedelta(seconds=20), price("2/1"), ("b",)),
        (timedelta(seconds=40), price("13/8"), ("a",)),
    ]


def test_no_best_price_stands_once_a_runner_is_withdrawn() -> None:
    log = [change(1, 0, "a", price("2/1")), change(2, 50, "a", price("3/1"))]
    path = best_path(log, withdrawn_at=NOON + timedelta(seconds=30))

    assert [(p.at - NOON, p.price) for p in path] == [
        (timedelta(0), price("2/1")),
        (timedelta(seconds=30), None),
    ]
    assert best_path([], withdrawn_at=NOON) == []


def test_a_bar_opens_at_the_price_that_stood_as_it_began() -> None:
    (bar,) = bars(Stretch(standing=price("6/1"), points=points((70, "2/1"), (80, "10/3"))), MINUTE)

    assert bar.begins_at == NOON + MINUTE
    assert [bar.open, bar.high, bar.low, bar.close] == [
        price("6/1"), price("6/1"), price("2/1"), price("10/3")
    ]  # fmt: skip


def test_a_price_pulled_before_a_bar_ends_is_its_close_and_does_not_stand() -> None:
    (bar,) = bars(Stretch(standing=None, points=points((5, "2/1"), (50, None))), MINUTE)

    assert (bar.close, bar.stands, bar.changes) == (price("2/1"), False, 2)


def test_a_span_in_which_no_price_ever_stood_has_no_bar() -> None:
    assert bars(Stretch(standing=None, points=points((5, None))), MINUTE) == []
    assert bars(Stretch(standing=price("2/1"), points=points((60, None))), MINUTE) == []


def test_spans_begin_at_whole_multiples_of_their_length() -> None:
    at = NOON + timedelta(minutes=7, seconds=13, microseconds=9)

    assert span_start(at, timedelta(minutes=5)) == NOON + timedelta(minutes=5)
    assert span_start(NOON, timedelta(hours=1)) == NOON
