from collections.abc import Iterable
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.price_moves import (
    WINDOW,
    BookmakerMeasure,
    MarketMove,
    Move,
    RaceMeasure,
    Tick,
    market_moves,
    measure_race,
)
from tests.market import NOON, price

EXCHANGE = BookmakerId("betfairexchange")


def ticks(*rows: tuple[float, str, str, str | None]) -> list[Tick]:
    """Rows of minute, horse, bookmaker and price."""
    return [
        Tick(
            horse_id=HorseId(horse),
            bookmaker_id=BookmakerId(bookmaker),
            price=None if text is None else price(text),
            seen_at=NOON + timedelta(minutes=minute),
        )
        for minute, horse, bookmaker, text in rows
    ]


def measured(rows: Iterable[Tick], *active: str) -> RaceMeasure:
    return measure_race(rows, active={HorseId(horse) for horse in active}, exchanges={EXCHANGE})


def of(race: RaceMeasure, bookmaker: str) -> BookmakerMeasure:
    return next(b for b in race.bookmakers if b.bookmaker_id == bookmaker)


def opened(at: str, *bookmakers: str) -> list[Tick]:
    return ticks(*((0, "ada", bookmaker, at) for bookmaker in bookmakers))


def test_a_market_move_has_leaders_followers_and_a_consensus_that_lags_are_counted_from() -> None:
    race = measured(
        [
            *opened("4/1", "a", "b", "c", "d", "e"),
            *ticks((10, "ada", "a", "7/2"), (12, "ada", "b", "7/2"), (15, "ada", "c", "3/1")),
            *ticks((19, "ada", "d", "7/2"), (21, "ada", "e", "7/2")),
        ],
        "ada",
    )

    assert race.market_moves == 1
    # More than half of five had moved with the third, at minute 15; the last came too late.
    assert [
        (b.bookmaker_id, b.led, b.led_alone, b.joined, b.lag_seconds / 60) for b in race.bookmakers
    ] == [
        ("a", 1, 1, 1, -5),
        ("b", 0, 0, 1, -3),
        ("c", 0, 0, 1, 0),
        ("d", 0, 0, 1, 4),
        ("e", 0, 0, 0, 0),
    ]
    assert [b.market_moves for b in race.bookmakers] == [1] * 5


def test_bookmakers_seen_to_move_together_lead_together_and_none_alone() -> None:
    race = measured(
        [
            *opened("4/1", "a", "b", "c"),
            *ticks((5, "ada", "a", "5/1"), (5, "ada", "b", "9/2")),
        ],
        "ada",
    )

    assert race.market_moves == 1
    assert [(of(race, b).led, of(race, b).led_alone) for b in "abc"] == [(1, 0), (1, 0), (0, 0)]


def test_half_of_the_bookmakers_or_opposite_ways_are_no_market_move() -> None:
    half = [
        *opened("4/1", "a", "b", "c", "d"),
        *ticks((1, "ada", "a", "3/1"), (2, "ada", "b", "3/1")),
    ]
    opposite = [
        *opened("4/1", "a", "b", "c"),
        *ticks((1, "ada", "a", "3/1"), (2, "ada", "b", "5/1")),
    ]

    assert measured(half, "ada").market_moves == 0
    assert measured(opposite, "ada").market_moves == 0


def test_two_bookmakers_make_no_market_and_an_exchange_is_none_of_them() -> None:
    rows = [
        *opened("4/1", "a", "b", EXCHANGE),
        *ticks((1, "ada", "a", "3/1"), (1, "ada", "b", "3/1"), (1, "ada", EXCHANGE, "3.9")),
    ]

    race = measured(rows, "ada")

    assert race.market_moves == 0
    assert (of(race, EXCHANGE).shortened, of(race, EXCHANGE).market_moves) == (1, 0)


def test_a_price_pulled_and_back_at_another_has_moved_and_back_at_the_same_has_not() -> None:
    rows = [
        *opened("4/1", "a", "b"),
        *ticks((1, "ada", "a", None), (1, "ada", "b", None)),
        *ticks((2, "ada", "a", "5/1"), (2, "ada", "b", "4/1")),
    ]

    race = measured(rows, "ada")

    assert [(of(race, b).shortened, of(race, b).drifted) for b in "ab"] == [(0, 1), (0, 0)]


def test_at_the_off_the_highest_bookmaker_price_is_best_ties_too_and_exchanges_are_apart() -> None:
    rows = ticks(
        (0, "ada", "a", "3/1"),
        (0, "ada", "b", "3/1"),
        (0, "ada", EXCHANGE, "4.4"),
        (0, "bess", "a", "1/4"),
        (0, "bess", EXCHANGE, "1.3"),
    )

    race = measured(rows, "ada", "bess")

    assert [(b.bookmaker_id, b.runners_priced, b.best) for b in race.bookmakers] == [
        ("a", 2, 2),
        ("b", 1, 1),
        (EXCHANGE, 2, 0),
    ]
    assert of(race, "a").overround is not None
    assert round(of(race, "a").overround or 0, 9) == 0.05
    assert (of(race, "b").overround, of(race, EXCHANGE).overround) == (None, None)
    assert round(race.best_book or 0, 9) == 1.05


def test_nothing_is_said_of_a_book_with_a_runner_unpriced_and_non_runners_are_left_out() -> None:
    rows = ticks((0, "ada", "a", "1/1"), (0, "bess", "a", "1/1"), (9, "bess", "a", None))

    with_bess = measured(rows, "ada", "bess")
    without = measured(rows, "ada")

    assert (with_bess.best_book, of(with_bess, "a").overround) == (None, None)
    assert (with_bess.runners, with_bess.priced_runners) == (2, 1)
    assert (without.best_book, of(without, "a").overround) == (0.5, -0.5)


def test_a_race_without_prices_is_measured_as_such() -> None:
    assert measured([], "ada") == RaceMeasure(
        runners=1, priced_runners=0, best_book=None, market_moves=0, bookmakers=()
    )


def plain_market_moves(
    moves: list[Move], quoting: frozenset[BookmakerId]
) -> list[tuple[datetime, dict[BookmakerId, datetime]]]:
    """The definition, word by word: slow, and with nothing remembered between two instants."""
    found = []
    for shortened in (True, False):
        line = [move for move in moves if move.shortened is shortened]
        while line:
            began_at = line[0].at
            window = [move for move in line if move.at <= began_at + WINDOW]
            first = {
                who: min(move.at for move in window if move.bookmaker_id == who)
                for who in quoting
                if any(move.bookmaker_id == who for move in window)
            }
            if len(quoting) >= 3 and len(first) > len(quoting) / 2:
                found.append((began_at, first))
                line = line[len(window) :]
            else:
                line = [move for move in line if move.at > began_at]
    return found


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from("abcdef"), st.booleans()), max_size=60),
    st.sets(st.sampled_from("abcdef")),
)
def test_market_moves_are_what_their_definition_says(
    rows: list[tuple[int, str, bool]], quoting: set[str]
) -> None:
    moves = [
        Move(at=NOON + timedelta(minutes=m), bookmaker_id=BookmakerId(who), shortened=shortened)
        for m, who, shortened in sorted(rows)
    ]
    books = frozenset(map(BookmakerId, quoting))

    found: list[MarketMove] = list(market_moves(moves, {move.at: books for move in moves}))

    assert [(m.began_at, dict(m.moved_at)) for m in found] == plain_market_moves(moves, books)
