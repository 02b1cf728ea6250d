from datetime import datetime, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.price_summaries import (
    DataSource,
    LoggedPrice,
    PriceSummary,
    summarize_log,
    summarize_quotes,
)
from tests.market import NOON, price

OFF = NOON + timedelta(minutes=30)


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def summary(*entries: tuple[float, str, str | None]) -> PriceSummary | None:
    """Of entries of minute, bookmaker and price; the off is at minute 30."""
    return summarize_log(
        (
            LoggedPrice(
                at=after(minute),
                bookmaker_id=bookmaker_named(name).bookmaker_id,
                price=None if text is None else price(text),
            )
            for minute, name, text in entries
        ),
        off_dt=OFF,
    )


def odds(text: str) -> Fraction:
    return Fraction(text) + 1


def test_the_path_of_the_best_bookmaker_price_gives_the_five_numbers() -> None:
    found = summary(
        (0, "Bet365", "4/1"),
        (5, "Coral", "5/1"),
        (10, "Bet365", "6/1"),
        (20, "Bet365", "3/1"),
        (25, "Coral", "10/3"),
    )

    # Best: 4/1, 5/1, 6/1, then Coral's 5/1, then Coral's 10/3 beside 3/1.
    assert found == PriceSummary(
        data_source=DataSource.CHANGE_LOG,
        opening=odds("4/1"),
        closing=odds("10/3"),
        lowest=odds("10/3"),
        highest=odds("6/1"),
        forecast=(odds("3/1") + odds("10/3")) / 2,
        opened_at=NOON,
    )


def test_what_changed_at_one_moment_is_one_step() -> None:
    found = summary(
        (0, "Bet365", "4/1"), (0, "Coral", "5/1"), (9, "Coral", None), (9, "BetMGM", "6/1")
    )

    assert found is not None
    assert (found.opening, found.lowest, found.closing) == (odds("5/1"), odds("5/1"), odds("6/1"))


def test_exchanges_are_no_part_of_it() -> None:
    bookmaker = ((0, "Bet365", "4/1"), (20, "Bet365", "3/1"))
    found = summary(
        bookmaker[0], (5, "Betfair Exchange", "17.5"), (8, "Smarkets", "1.5"), bookmaker[1],
        (25, "Betfair Exchange", None),
    )  # fmt: skip

    assert found == summary(*bookmaker)
    assert summary((5, "Betfair Exchange", "17.5"), (6, "Betdaq", "2")) is None


def test_a_price_that_is_pulled_before_the_off_is_gone() -> None:
    found = summary((0, "Bet365", "6/1"), (5, "Coral", "4/1"), (10, "Bet365", None))

    assert found is not None
    assert (found.closing, found.forecast, found.withdrawn_at) == (odds("4/1"), odds("4/1"), None)


def test_prices_that_bookmakers_take_down_after_the_scheduled_off_stand_as_they_closed() -> None:
    found = summary(
        (0, "Bet365", "6/1"),
        (5, "Coral", "4/1"),
        (33, "Coral", "9/2"),
        (35, "Bet365", None),
        (36, "Coral", None),
    )

    assert found is not None
    assert (found.closing, found.withdrawn_at) == (odds("6/1"), None)
    assert found.forecast == (odds("6/1") + odds("9/2")) / 2


def test_a_horse_that_is_withdrawn_closed_at_its_last_price_when_the_last_bookmaker_pulled_it() -> (
    None
):
    found = summary(
        (0, "Bet365", "6/1"),
        (0, "Coral", "4/1"),
        (10, "Bet365", None),
        (11, "Coral", None),
        (12, "Betfair Exchange", "5"),
        (13, "Coral", None),
        (34, "Betfair Exchange", None),
    )

    assert found is not None
    assert (found.closing, found.withdrawn_at) == (odds("4/1"), after(11))


def test_a_horse_that_is_priced_again_was_not_withdrawn() -> None:
    found = summary((0, "Coral", "4/1"), (10, "Coral", None), (15, "Coral", "7/2"))

    assert found is not None
    assert (found.closing, found.withdrawn_at) == (odds("7/2"), None)


def test_a_horse_that_no_bookmaker_ever_priced_has_no_summary() -> None:
    assert summary() is None
    assert summary((0, "Coral", None)) is None


def test_a_card_gives_all_but_the_opening_price() -> None:
    quotes = {"Bet365": "4/1", "Coral": "5/1", "BetMGM": None, "Betfair Exchange": "17.5"}
    found = summarize_quotes(
        (bookmaker_named(name).bookmaker_id, None if text is None else price(text))
        for name, text in quotes.items()
    )

    assert found == PriceSummary(
        data_source=DataSource.CARD,
        closing=odds("5/1"),
        lowest=odds("4/1"),
        highest=odds("5/1"),
        forecast=(odds("4/1") + odds("5/1")) / 2,
    )


def test_a_card_with_exchanges_alone_gives_nothing() -> None:
    exchange = bookmaker_named("Betfair Exchange").bookmaker_id

    assert summarize_quotes([(exchange, price("17.5"))]) is None
    assert summarize_quotes([]) is None


names = st.sampled_from(["Bet365", "Coral", "BetMGM", "Betfair Exchange"])
texts = st.none() | st.sampled_from(["1/2", "1/1", "4/1", "9/2", "10/3", "33/1"])


@given(
    st.lists(st.tuples(st.integers(0, 40).map(float), names, texts), max_size=25).map(
        lambda rows: sorted(rows, key=lambda row: row[0])
    )
)
def test_every_number_lies_between_the_lowest_and_the_highest_best_price(
    entries: list[tuple[float, str, str | None]],
) -> None:
    found = summary(*entries)
    fixed = [text for _, name, text in entries if text is not None and name != "Betfair Exchange"]
    if found is None:
        # Those of one moment may have come in either order.
        assert len({minute for minute, _, _ in entries}) < len(entries) or not fixed
        return

    assert found.lowest is not None
    assert found.opening is not None
    assert found.closing is not None
    assert found.highest is not None
    assert found.forecast is not None
    assert found.lowest <= found.opening <= found.highest
    assert found.lowest <= found.closing <= found.highest
    assert found.forecast <= found.closing
    assert {found.opening, found.closing, found.lowest, found.highest} <= set(map(odds, fixed))
