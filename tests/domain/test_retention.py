from datetime import date

import pytest

from darkhorses.domain.retention import Retention, is_expired, month_of, months_to_make

TODAY = date(2026, 11, 25)


@pytest.mark.parametrize(
    ("shift", "month"),
    [
        (0, date(2026, 11, 1)),
        (1, date(2026, 12, 1)),
        (2, date(2027, 1, 1)),
        (-10, date(2026, 1, 1)),
        (-11, date(2025, 12, 1)),
        (-24, date(2024, 11, 1)),
    ],
)
def test_months_are_counted_over_the_turn_of_the_year(shift: int, month: date) -> None:
    assert month_of(TODAY, shift) == month


def test_the_present_month_and_two_ahead_are_made_and_those_that_lie_in_the_default() -> None:
    ahead = [date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)]

    assert months_to_make(TODAY, [], None) == ahead
    assert months_to_make(TODAY, [date(2026, 5, 1), ahead[1]], None) == [date(2026, 5, 1), *ahead]
    assert months_to_make(TODAY, [date(2026, 5, 1)], Retention(months=3)) == ahead


def test_whole_months_before_the_present_one_are_kept() -> None:
    year = Retention(months=12)

    assert not is_expired(date(2025, 11, 1), TODAY, year)
    assert is_expired(date(2025, 10, 1), TODAY, year)
    assert not is_expired(date(2025, 3, 1), TODAY, None)
