from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.gaps import (
    EARLY,
    SEEN_WITHIN,
    LogEntry,
    PricePoint,
    QuoteRepair,
    find_gaps,
)
from darkhorses.domain.prices import Price
from tests.market import price

START = datetime(2026, 6, 19, 23, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
LADDER = (None, price("4/1"), price("9/2"), price("5/1"), price("6/1"))


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def point(minute: int, text: str | None) -> PricePoint:
    return PricePoint(at=at(minute), price=None if text is None else price(text))


def polled(minutes: float, text: str | None, *, late: float = 0) -> LogEntry:
    """An entry of a poll; ``late`` minutes after the feed's stamp it was seen."""
    return LogEntry(
        at=at(minutes),
        price=None if text is None else price(text),
        seen_at=at(minutes + late),
        by_poll=True,
    )


def texts(found: QuoteRepair) -> list[tuple[float, str | None]]:
    return [
        ((p.at - START) / MINUTE, p.price.fractional if p.price is not None else None)
        for p in found.added
    ]


def logged(added: Iterable[PricePoint]) -> list[LogEntry]:
    return [LogEntry(at=p.at, price=p.price, seen_at=at(10_000), by_poll=False) for p in added]


def merged(log: Iterable[LogEntry]) -> list[PricePoint]:
    """A log as its readers take it: by time, then in the order of logging, repeats left out."""
    path: list[PricePoint] = []
    for entry in sorted(log, key=lambda entry: entry.at):
        if not path and entry.price is None:
            continue
        if not path or entry.price != path[-1].price:
            path.append(PricePoint(at=entry.at, price=entry.price))
    return path


def standing(path: Iterable[PricePoint], when: datetime) -> Price | None:
    found = None
    for entry in path:
        if entry.at <= when:
            found = entry.price
    return found


def test_a_price_between_two_polls_is_added_at_its_minute() -> None:
    history = [point(0, "4/1"), point(10, "5/1"), point(20, "4/1")]

    found = find_gaps(history, [polled(0.5, "4/1")])

    assert texts(found) == [(10, "5/1"), (20, "4/1")]
    assert (found.points, found.seen) == (3, 1)


def test_prices_that_polls_saw_in_time_are_known_and_their_lag_is_measured() -> None:
    history = [point(0, "4/1"), point(10, "5/1"), point(20, None)]

    found = find_gaps(
        history, [polled(0.5, "4/1"), polled(13, "5/1", late=1), polled(19.5, None, late=2)]
    )

    assert found.added == ()
    assert (found.points, found.seen) == (3, 3)
    assert found.lags == (30, 240, 90)


def test_a_price_that_was_seen_long_after_its_change_is_added_when_it_changed() -> None:
    found = find_gaps([point(0, "4/1"), point(10, "5/1")], [polled(0, "4/1"), polled(40, "5/1")])

    assert texts(found) == [(10, "5/1")]
    assert (found.seen, found.lags) == (1, (0,))


def test_a_missed_price_for_which_polls_leave_no_room_is_counted_and_left_out() -> None:
    history = [point(0, "4/1"), point(10, "5/1"), point(11, "6/1")]

    found = find_gaps(history, [polled(0, "4/1"), polled(10, "6/1")])

    assert found.added == ()
    assert (found.points, found.seen, found.unplaced) == (3, 2, 1)


def test_equal_neighbours_of_a_history_count_once_and_no_price_at_first_is_none() -> None:
    history = [point(0, None), point(5, "4/1"), point(6, "4/1"), point(9, None), point(12, None)]

    found = find_gaps(history, [])

    assert found.points == 2
    assert texts(found) == [(5, "4/1"), (9, None)]


def test_a_price_of_the_minute_in_which_a_poll_still_saw_the_old_one_comes_after_it() -> None:
    history = [point(0, "4/1"), point(10, "5/1"), point(30, "6/1")]

    found = find_gaps(history, [polled(10 + 1 / 3, "4/1"), polled(30, "6/1")])

    assert texts(found) == [(0, "4/1"), (10 + 1 / 3, "5/1")]


def test_the_same_price_twice_is_told_apart_by_time() -> None:
    history = [point(0, "4/1"), point(10, "5/1"), point(11, "4/1"), point(12, "5/1")]

    found = find_gaps(history, [polled(0, "4/1"), polled(12, "5/1")])

    assert texts(found) == [(10, "5/1"), (11, "4/1")]


def test_what_polls_saw_and_the_history_does_not_know_stands() -> None:
    history = [point(0, "4/1"), point(60, "6/1")]

    found = find_gaps(history, [polled(0, "4/1"), polled(20, "5/1"), polled(60, "6/1")])

    assert found.added == ()
    assert found.seen == 2


def test_a_price_is_the_same_with_a_fraction_and_without() -> None:
    history = [PricePoint(at=at(0), price=Price(decimal=Decimal("4.33")))]

    assert find_gaps(history, [polled(0, "10/3")]).added == ()


@st.composite
def histories(draw: st.DrawFn) -> list[PricePoint]:
    """Prices at growing minutes, each different from the last, the first not None."""
    gaps = draw(st.lists(st.integers(1, 40), min_size=1, max_size=25))
    minute = 0
    path: list[PricePoint] = []
    for gap in gaps:
        before = path[-1].price if path else None
        choices = [step for step in LADDER if step != before]
        path.append(PricePoint(at=at(minute), price=draw(st.sampled_from(choices))))
        minute += gap
    return path


def seen_by_polls(history: list[PricePoint], polls: Iterable[float]) -> list[LogEntry]:
    """What polls at these minutes log of a history whose changes came with their minutes."""
    log: list[LogEntry] = []
    last: Price | None = None
    for minutes in sorted(polls):
        now = standing(history, at(minutes))
        if now != last:
            log.append(LogEntry(at=at(minutes), price=now, seen_at=at(minutes), by_poll=True))
            last = now
    return log


@given(histories(), st.data())
def test_a_history_that_polling_covers_adds_nothing(
    history: list[PricePoint], data: st.DataObject
) -> None:
    log: list[LogEntry] = []
    for index, change in enumerate(history):
        seen = data.draw(st.integers(-int(EARLY / SECOND), int(SEEN_WITHIN / SECOND)))
        when = change.at + seen * SECOND
        if index:
            when = max(when, log[-1].at + SECOND)
        when = min(when, change.at + SEEN_WITHIN)
        log.append(LogEntry(at=when, price=change.price, seen_at=when, by_poll=True))

    found = find_gaps(history, log)

    assert found.added == ()
    assert found.seen == found.points == len(history)


@given(histories(), st.lists(st.floats(0, 700), max_size=30))
def test_what_was_added_is_not_added_again(history: list[PricePoint], polls: list[float]) -> None:
    log = seen_by_polls(history, polls)
    first = find_gaps(history, log)

    second = find_gaps(history, [*log, *logged(first.added)])

    assert second.added == ()
    assert (second.points, second.seen) == (first.points, first.seen)


@given(histories(), st.lists(st.floats(0, 700), max_size=30))
def test_the_merged_path_is_the_history(history: list[PricePoint], polls: list[float]) -> None:
    log = seen_by_polls(history, polls)
    path = merged([*log, *logged(find_gaps(history, log).added)])

    assert [step.price for step in path] == [change.price for change in history]
    for step, change in zip(path, history, strict=True):
        assert timedelta(0) <= step.at - change.at <= SEEN_WITHIN


@given(
    histories(),
    st.lists(st.tuples(st.floats(-30, 700), st.sampled_from(LADDER)), max_size=20),
)
def test_whatever_polls_saw_an_added_price_never_repeats_the_one_that_stands(
    history: list[PricePoint], seen: list[tuple[float, Price | None]]
) -> None:
    log = [
        LogEntry(at=at(minutes), price=step, seen_at=at(minutes), by_poll=True)
        for minutes, step in sorted(seen, key=lambda poll: poll[0])
    ]
    found = find_gaps(history, log)

    last: Price | None = None
    for entry in sorted([*log, *logged(found.added)], key=lambda entry: entry.at):
        assert entry.by_poll or entry.price != last
        last = entry.price
    assert found.added == tuple(sorted(found.added, key=lambda added: added.at))
    assert find_gaps(history, [*log, *logged(found.added)]).added == ()
