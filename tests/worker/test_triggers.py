import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.london import race_day, strikes
from darkhorses.worker.hot_races import HotRaces
from darkhorses.worker.triggers import DailyTrigger, RaceTrigger, next_look

OFF = datetime(2026, 6, 20, 14, 30, tzinfo=UTC)


def before(minutes: float = 0, seconds: float = 0) -> datetime:
    return OFF - timedelta(minutes=minutes, seconds=seconds)


@pytest.mark.parametrize(
    ("looked_at", "due"),
    [
        (before(300), before(285)),
        (before(100), before(95)),
        (before(20), before(19)),
        (before(2), before(1, 50)),
        (before(-6), before(-6, -10)),
    ],
)
def test_a_race_is_due_by_the_interval_of_its_stage(looked_at: datetime, due: datetime) -> None:
    assert next_look(OFF, looked_at, looked_at) == due


def test_a_stage_begins_with_a_look() -> None:
    assert next_look(OFF, before(121), before(121)) == before(119, 59)


def test_a_race_that_the_whole_card_comes_round_to_is_due_only_when_the_card_is_late() -> None:
    every_minute = timedelta(minutes=1)

    assert next_look(OFF, before(20), before(20), card_interval=every_minute) == before(18, 50)
    assert next_look(OFF, before(2), before(2), card_interval=every_minute) == before(1, 50)


def test_an_overdue_race_is_due_now_and_not_in_the_past() -> None:
    assert next_look(OFF, before(30), before(10)) == before(10)
    assert next_look(OFF, None, before(10)) == before(10)


def test_a_trigger_counts_from_the_last_look_by_whatever_poll_and_ends_with_the_race() -> None:
    looked_at: datetime | None = before(4)
    over = False
    trigger = RaceTrigger(
        off_dt=lambda: OFF, looked_at=lambda: looked_at, is_over=lambda _now: over
    )

    assert trigger.get_next_fire_time(None, before(4)) == before(3, 50)
    fired = before(3, 50)
    assert trigger.get_next_fire_time(fired, fired) == before(3, 40)
    looked_at = before(3, 45)
    assert trigger.get_next_fire_time(fired, before(3, 45)) == before(3, 35)
    over = True
    assert trigger.get_next_fire_time(fired, before(3)) is None


def test_a_daily_trigger_fires_once_on_every_day_of_london_from_2024_to_2030() -> None:
    trigger = DailyTrigger(1)
    now = datetime(2024, 1, 1, 0, 0, tzinfo=UTC)
    fired: list[datetime] = []
    previous = None
    while now.year < 2031:
        # A scheduler asks when it has fired, and again after every tick that it slept through.
        previous = trigger.get_next_fire_time(previous, now)
        fired.append(previous)
        now = previous + timedelta(milliseconds=3)

    by_day = Counter(race_day(instant) for instant in fired)
    days = (date(2031, 1, 1) - date(2024, 1, 1)).days
    assert set(by_day.values()) == {1}
    assert len(by_day) == days + 1


instants = st.datetimes(
    datetime(2024, 1, 1),  # noqa: DTZ001  # the strategy adds the zone
    datetime(2031, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(instants, st.none() | st.timedeltas(timedelta(0), timedelta(days=3)), st.integers(0, 23))
def test_a_daily_trigger_names_the_first_strike_that_is_neither_past_nor_the_one_before(
    now: datetime, since: timedelta | None, hour: int
) -> None:
    previous = None if since is None else now - since
    at = DailyTrigger(hour).get_next_fire_time(previous, now)

    assert at >= now
    assert previous is None or at > previous
    assert at == strikes(race_day(at), hour)
    before = strikes(race_day(at) - timedelta(days=1), hour)
    assert before < now or before == previous


def test_a_daily_trigger_does_not_fire_again_in_the_hour_that_comes_twice() -> None:
    half_past_one = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

    assert DailyTrigger(1).get_next_fire_time(half_past_one, half_past_one) == datetime(
        2026, 10, 26, 1, 0, tzinfo=UTC
    )


async def test_the_most_overdue_race_goes_first_and_asking_twice_is_asking_once() -> None:
    looked: list[str] = []
    all_done = asyncio.Event()

    async def look(race_id: RaceId, _due: datetime) -> None:
        looked.append(race_id)
        if len(looked) == 3:
            all_done.set()

    races = HotRaces(look)
    races.add(RaceId("late"), before(1))
    races.add(RaceId("later"), before(2))
    races.add(RaceId("latest"), before(3))
    races.add(RaceId("latest"), before(0))
    running = asyncio.create_task(races.run(in_flight=1))
    await asyncio.wait_for(all_done.wait(), 5)
    running.cancel()

    assert looked == ["latest", "later", "late"]
    assert len(races) == 0
