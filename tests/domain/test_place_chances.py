from itertools import pairwise, permutations
from math import fsum, prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.place_chances import place_chances


def by_enumeration(win: list[float], places: int) -> list[float]:
    """Every order of the placed horses, each with its chance by Harville."""
    found = [0.0] * len(win)
    for order in permutations(range(len(win)), places):
        left = fsum(win)
        steps = []
        for runner in order:
            steps.append(win[runner] / left)
            left -= win[runner]
        for runner in order:
            found[runner] += prod(steps)
    return found


@given(
    win=st.lists(st.floats(0.002, 1), min_size=2, max_size=7),
    places=st.integers(1, 5),
)
def test_place_chances_are_those_of_every_order_enumerated(win: list[float], places: int) -> None:
    found = place_chances(win, places)
    if places >= len(win):
        assert found == [1.0] * len(win)
        return
    assert found == pytest.approx(by_enumeration(win, places), abs=1e-9)


@given(win=st.lists(st.floats(0.0005, 1), min_size=6, max_size=40), places=st.integers(1, 5))
def test_place_chances_sum_to_the_places_and_follow_the_win_chances(
    win: list[float], places: int
) -> None:
    found = place_chances(win, places)
    assert fsum(found) == pytest.approx(places, abs=1e-8)
    by_win = [placed for _, placed in sorted(zip(win, found, strict=True))]
    assert all(less <= more + 1e-9 for less, more in pairwise(by_win))


def test_the_first_place_is_the_win() -> None:
    assert place_chances([2, 1, 1], 1) == pytest.approx([0.5, 0.25, 0.25], abs=1e-10)


def test_equal_runners_share_the_places() -> None:
    assert place_chances([0.1] * 10, 3) == pytest.approx([0.3] * 10, abs=1e-10)


@pytest.mark.parametrize(("win", "places"), [([0.5, 0.0, 0.5], 2), ([0.5, 0.5, 0.5], 0)])
def test_what_makes_no_race_is_refused(win: list[float], places: int) -> None:
    with pytest.raises(ValueError, match="place chances need"):
        place_chances(win, places)
