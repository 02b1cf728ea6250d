from datetime import UTC, datetime, timedelta

import pytest

from darkhorses.domain.freshness import LEAST_PATIENCE, is_stale, stale_after
from darkhorses.domain.stages import Stage

NOW = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stage", "card_seconds", "expected"),
    [
        (Stage.AT_POST, 60, 45),
        (Stage.GOING_TO_POST, 60, 180),
        (Stage.EARLY_MARKET, 60, 180),
        (Stage.PRE_RACE, 3600, 900),
        (Stage.EARLY_MARKET, 3600, 2700),
    ],
)
def test_three_missed_looks_are_stale(stage: Stage, card_seconds: int, expected: int) -> None:
    assert stale_after(stage, timedelta(seconds=card_seconds)) == timedelta(seconds=expected)


def test_a_look_at_the_limit_is_fresh_and_beyond_it_stale() -> None:
    def stale(age: timedelta) -> bool:
        return is_stale(
            checked_at=NOW - age,
            stage=Stage.AT_POST,
            card_interval=timedelta(seconds=60),
            now=NOW,
        )

    assert not stale(LEAST_PATIENCE)
    assert stale(LEAST_PATIENCE + timedelta(microseconds=1))
