from datetime import UTC, date, datetime, timedelta

import pytest

from darkhorses.domain.london import race_day
from darkhorses.domain.stages import Stage, stage_at
from darkhorses.simulator.events import EventMaker
from darkhorses.simulator.races import RaceMaker
from darkhorses.simulator.schedule import AnchoredSchedule, OrdinarySchedule
from tests.simulator.worlds import NOW


@pytest.mark.parametrize(
    "start",
    [
        NOW,
        datetime(2026, 6, 1, 22, 37, 12, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 11, 23, 5, tzinfo=UTC),
    ],
)
def test_every_stage_has_races_at_any_time_around_a_start(start: datetime) -> None:
    schedule = AnchoredSchedule(7, start)
    races, events = RaceMaker(7), EventMaker(7)
    results = {
        slot: events.events(races.facts(slot)).result_at
        for day in range(3)
        for slot in schedule.races_on(race_day(start) + timedelta(days=day - 1))
        if slot.meeting.abandoned_at is None and slot.meeting.place.region_code != "fr"
    }
    for minute in range(6 * 60):
        now = start + timedelta(minutes=minute)
        near = {race_day(now), race_day(now) + timedelta(days=1)}
        stages = {
            stage_at(slot.off_dt, now)
            for slot, result_at in results.items()
            if slot.race_date in near and result_at > now
        }
        assert stages == set(Stage)


@pytest.mark.parametrize("speed", [1, 4, 10])
def test_races_follow_each_other_closer_when_time_is_faster(speed: float) -> None:
    schedule = AnchoredSchedule(7, NOW, speed)
    offs = sorted(slot.off_dt for slot in schedule.races_on(NOW.date()))
    near = [off for off in offs if NOW <= off <= NOW + timedelta(minutes=100 / speed)]

    assert 18 <= len(near) <= 30
    assert offs[0] <= NOW
    assert offs[-1] >= NOW + timedelta(hours=3)


def test_a_race_belongs_to_the_london_day_of_its_off() -> None:
    schedule = AnchoredSchedule(7, datetime(2026, 6, 1, 21, tzinfo=UTC))
    days = [date(2026, 6, 1), date(2026, 6, 2)]
    slots = [slot for day in days for slot in schedule.races_on(day)]

    assert {race_day(slot.off_dt) for slot in slots} == set(days)
    assert all(slot.race_date == race_day(slot.off_dt) for slot in slots)


def test_one_meeting_is_abandoned_from_before_the_start() -> None:
    slots = AnchoredSchedule(7, NOW).races_on(NOW.date())

    assert len({slot.meeting.key for slot in slots if slot.meeting.abandoned_at}) == 1


@pytest.mark.parametrize("schedule", [OrdinarySchedule(3), AnchoredSchedule(3, NOW)])
def test_every_race_is_found_by_its_id(schedule: OrdinarySchedule | AnchoredSchedule) -> None:
    for day in (NOW.date(), NOW.date() + timedelta(days=1), date(2024, 2, 29)):
        slots = schedule.races_on(day)
        assert len({slot.race_id for slot in slots}) == len(slots) > 30
        assert [schedule.race(slot.race_id) for slot in slots] == list(slots)


@pytest.mark.parametrize("race_id", ["", "rac_", "rac_0", "rac_1999999", "rac_x000000", "hrs_1"])
def test_an_unknown_id_is_no_race(race_id: str) -> None:
    assert OrdinarySchedule(3).race(race_id) is None
    assert AnchoredSchedule(3, NOW).race(race_id) is None


def test_there_were_no_cards_before_tracking_began() -> None:
    assert OrdinarySchedule(3).races_on(date(2023, 1, 22)) == ()
    assert OrdinarySchedule(3).races_on(date(2023, 1, 23))
