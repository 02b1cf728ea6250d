from datetime import UTC, datetime, timedelta

import pytest

from darkhorses.domain.stages import Stage, interval_of, is_over, next_stage, stage_at

OFF = datetime(2026, 6, 20, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "stage"),
    [
        (600, Stage.EARLY_MARKET),
        (120, Stage.EARLY_MARKET),
        (119.9, Stage.PRE_RACE),
        (30, Stage.PRE_RACE),
        (29.9, Stage.GOING_TO_POST),
        (5, Stage.GOING_TO_POST),
        (4.9, Stage.AT_POST),
        (0, Stage.AT_POST),
        (-15, Stage.AT_POST),
    ],
)
def test_a_stage_is_told_by_the_minutes_to_the_off(minutes: float, stage: Stage) -> None:
    assert stage_at(OFF, OFF - timedelta(minutes=minutes)) is stage


def test_the_nearer_the_off_the_more_often_a_race_is_looked_at() -> None:
    intervals = [interval_of(stage).total_seconds() for stage in Stage]

    assert intervals == [900, 300, 60, 10]


def test_the_next_stage_begins_where_the_present_one_ends() -> None:
    coming = next_stage(OFF, OFF - timedelta(minutes=200))

    assert coming is not None
    assert coming.stage is Stage.PRE_RACE
    assert coming.begins_at == OFF - timedelta(minutes=120)
    assert next_stage(OFF, OFF) is None


def test_a_race_past_its_off_goes_on_while_prices_change() -> None:
    late = OFF + timedelta(minutes=25)

    def over(last_change_at: datetime | None) -> bool:
        return is_over(
            off_dt=OFF,
            race_status="declared",
            is_abandoned=False,
            last_change_at=last_change_at,
            now=late,
        )

    assert not over(OFF + timedelta(minutes=10))
    assert over(OFF - timedelta(minutes=10))
    assert over(None)


@pytest.mark.parametrize(("status", "abandoned"), [("result", False), (None, True)])
def test_a_result_or_abandonment_ends_a_race_at_once(
    status: str | None,
    abandoned: bool,  # noqa: FBT001  # a case of the table above
) -> None:
    assert is_over(
        off_dt=OFF, race_status=status, is_abandoned=abandoned, last_change_at=OFF, now=OFF
    )
