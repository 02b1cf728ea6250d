from datetime import timedelta
from random import Random

import pytest

from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.market_at import ChangeSource, PriceChange, board_at, changes_at, runner_at
from darkhorses.domain.race_board import BoardQuote, BoardRunner, RaceBoard
from darkhorses.domain.races import Quote
from tests.market import NOON, price, race, runner

ADA, BET365 = HorseId("hrs_ada"), BookmakerId("bet365")


def change(
    change_id: int,
    minute: float,
    text: str | None,
    *,
    seen: float | None = None,
    source: ChangeSource = ChangeSource.POLL,
) -> PriceChange:
    return PriceChange(
        change_id=change_id,
        horse_id=ADA,
        bookmaker_id=BET365,
        price=None if text is None else price(text),
        at=NOON + timedelta(minutes=minute),
        seen_at=NOON + timedelta(minutes=minute if seen is None else seen),
        source=source,
    )


def newest(*, checked: float = 60) -> RaceBoard:
    return RaceBoard(
        race=race(off_dt=NOON + timedelta(hours=2)),
        runners={ADA: BoardRunner(runner=runner("Ada", 1))},
        quotes={
            (ADA, BET365): BoardQuote(
                quote=Quote(price=price("9/1"), ew_places=3, ew_denom=5),
                changed_at=NOON,
                fetched_at=NOON,
            )
        },
        bookmakers={},
        as_of=NOON + timedelta(minutes=60),
        checked_at=NOON + timedelta(minutes=checked),
        last_change_at=NOON,
    )


@pytest.mark.parametrize("seed", range(5))
def test_what_stands_is_the_last_line_of_a_replay_in_any_order_of_the_log(seed: int) -> None:
    chance = Random(seed)  # noqa: S311  # a repeatable market
    log = [
        PriceChange(
            change_id=number,
            horse_id=HorseId(f"h{chance.randrange(4)}"),
            bookmaker_id=BookmakerId(f"b{chance.randrange(3)}"),
            price=chance.choice([None, price("2/1"), price("5/2"), price("3/1")]),
            at=NOON + timedelta(seconds=chance.randrange(200)),
            seen_at=NOON + timedelta(seconds=chance.randrange(200)),
        )
        for number in range(300)
    ]
    for _ in range(200):
        at = NOON + timedelta(seconds=chance.randrange(-5, 205))
        replayed = {}
        for entry in sorted(log, key=lambda one: (one.at, one.change_id)):
            if entry.at <= at:
                replayed[entry.horse_id, entry.bookmaker_id] = entry
        chance.shuffle(log)
        assert changes_at(log, at) == replayed


def test_of_changes_at_one_instant_the_later_entry_stands() -> None:
    log = [change(2, 5, "3/1"), change(1, 5, "2/1")]

    assert changes_at(log, NOON + timedelta(minutes=5))[ADA, BET365].price == price("3/1")


def test_a_price_stands_from_its_very_instant_and_a_pulled_one_leaves_none() -> None:
    log = [change(1, 5, "2/1"), change(2, 9, None)]
    just_before = timedelta(minutes=5) - timedelta(microseconds=1)

    assert changes_at(log, NOON + just_before) == {}
    assert changes_at(log, NOON + timedelta(minutes=5))[ADA, BET365].price == price("2/1")
    assert changes_at(log, NOON + timedelta(minutes=9))[ADA, BET365].price is None


def test_a_past_board_has_the_prices_of_then_and_the_each_way_terms_of_today() -> None:
    at = NOON + timedelta(minutes=6)
    past = board_at(newest(), [change(1, 5, "2/1", seen=5.5)], at)

    assert past.quotes == {
        (ADA, BET365): BoardQuote(
            quote=Quote(price=price("2/1"), ew_places=3, ew_denom=5),
            changed_at=NOON + timedelta(minutes=5),
            fetched_at=NOON + timedelta(minutes=5.5),
        )
    }
    assert past.as_of == at


def test_before_the_first_price_a_board_is_empty() -> None:
    past = board_at(newest(), [change(1, 5, "2/1")], NOON)

    assert (past.quotes, past.checked_at, past.last_change_at) == ({}, None, None)


def test_the_last_look_of_then_is_the_last_that_saw_a_change_unless_it_is_known() -> None:
    log = [
        change(1, 5, "2/1", seen=6),
        change(2, 7, "3/1", seen=90, source=ChangeSource.HISTORY),
        change(3, 8, "4/1", seen=12),
    ]

    assert board_at(newest(), log, NOON + timedelta(minutes=11)).checked_at == NOON + timedelta(
        minutes=6
    )
    assert board_at(newest(checked=20), log, NOON + timedelta(minutes=25)).checked_at == (
        NOON + timedelta(minutes=20)
    )


def test_a_runner_is_as_it_was_before_it_was_withdrawn_and_removed() -> None:
    known = BoardRunner(
        runner=runner("Ada", 1, is_non_runner=True),
        non_runner_at=NOON,
        removed_at=NOON + timedelta(minutes=30),
    )
    before = runner_at(known, NOON - timedelta(microseconds=1))
    between = runner_at(known, NOON)
    after = runner_at(known, NOON + timedelta(minutes=30))

    assert (before.in_market, before.non_runner_at, before.removed_at) == (True, None, None)
    assert (between.in_market, between.non_runner_at, between.removed_at) == (False, NOON, None)
    assert after == known


def test_a_runner_that_was_only_removed_was_still_there_before() -> None:
    known = BoardRunner(runner=runner("Ada", 1), removed_at=NOON)

    assert runner_at(known, NOON - timedelta(seconds=1)).in_market
    assert not runner_at(known, NOON).in_market
