"""When and where races are: an ordinary race day for any date, or a card around a start."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from random import Random
from typing import Protocol

import msgspec

from darkhorses.domain.london import LONDON, race_day
from darkhorses.simulator.chance import chance
from darkhorses.simulator.names import PLACES, Place

_FIRST_DAY = date(2023, 1, 23)
_MOST_RACES = 8
_SATURDAY = 5


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """A day's racing at one course; ``jumps`` when it is over obstacles.

    Its races after ``abandoned_at`` are lost. ``anchor`` is the start that it was made around.
    """

    key: str
    place: Place
    jumps: bool
    offs: tuple[datetime, ...]
    abandoned_at: datetime | None = None
    anchor: datetime | None = None


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A race's place in the schedule; ``number`` counts from 0 within its meeting.

    ``serial`` numbers the races of all days apart by 40, for ids and names of their runners.
    """

    race_id: str
    race_date: date
    off_dt: datetime
    number: int
    serial: int
    meeting: Meeting

    @property
    def day_before(self) -> datetime:
        """00:00 in London on the day before the race day: where price histories begin."""
        midnight = datetime.combine(self.race_date - timedelta(days=1), time(), LONDON)
        return midnight.astimezone(UTC)


class Schedule(Protocol):
    """What a simulated feed needs to know of the race days."""

    def races_on(self, day: date) -> tuple[Slot, ...]:
        """All races of a day in London, by course, then time."""
        ...

    def race(self, race_id: str) -> Slot | None:
        """One race by its id."""
        ...


class OrdinarySchedule:
    """An ordinary race day for any date from 2023-01-23 on: four to six meetings, 35-50 races."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.races_on = lru_cache(maxsize=400)(self._races_on)

    def _races_on(self, day: date) -> tuple[Slot, ...]:
        if day < _FIRST_DAY:
            return ()
        return tuple(
            _slot(meeting, number, 1_000_000 + (day - _FIRST_DAY).days * 100, index)
            for index, meeting in enumerate(self._meetings(day))
            for number in range(len(meeting.offs))
        )

    def race(self, race_id: str) -> Slot | None:
        """One race by its id, which tells its day."""
        digits = race_id.removeprefix("rac_")
        if not (digits.isascii() and digits.isdecimal() and len(digits) == len("1000000")):
            return None
        day = _FIRST_DAY + timedelta(days=(int(digits) - 1_000_000) // 100)
        if not _FIRST_DAY <= day < date(2090, 1, 1):
            return None
        return next((slot for slot in self.races_on(day) if slot.race_id == race_id), None)

    def _meetings(self, day: date) -> list[Meeting]:
        dice = chance(self._seed, "day", day)
        wanted = [
            ("gb", 5 if day.weekday() == _SATURDAY else 4),
            ("ire", dice.choice((1, 1, 2))),
            ("fr", 1),
        ]
        summer = 4 <= day.month <= 9  # the flat season
        meetings = []
        for region_code, count in wanted:
            places = [place for place in PLACES if place.region_code == region_code]
            for position, place in enumerate(dice.sample(places, count)):
                evening = position % 3 == 2 or (place.all_weather and not summer)
                first = time(16 + dice.randrange(2), dice.randrange(0, 60, 5))
                if not evening:
                    first = time(12 + dice.randrange(2), 10 + dice.randrange(0, 50))
                count_of_races = dice.choice((6, 7, 7, 7, 8))
                begin = datetime.combine(day, first, LONDON).astimezone(UTC)
                gap = dice.choice((30, 30, 33, 35))
                offs = tuple(
                    begin + timedelta(minutes=gap * number) for number in range(count_of_races)
                )
                meetings.append(
                    Meeting(
                        key=f"{day}/{place.course_id}",
                        place=place,
                        jumps=place.jumps
                        and (not place.flat or dice.random() < (0.2 if summer else 0.8)),
                        offs=offs,
                        abandoned_at=_abandonment(dice, offs),
                    )
                )
        return meetings


class AnchoredSchedule:
    """A card around the moment of a start, so that every stage has races for hours.

    From 20 minutes before the start to 6½ hours after it: one off every 5 minutes for the first
    two hours, every 7 minutes then. ``speed`` divides these gaps; after 6 hours' worth of races
    the card goes on with one off every 7 minutes until 3 hours after the start. The day of the
    start holds only these races; every other day is an ordinary one, with the races after
    midnight added where they belong. One more meeting, of six races, is abandoned from before
    the start.
    """

    def __init__(self, seed: int, start: datetime, speed: float = 1.0) -> None:
        self._ordinary = OrdinarySchedule(seed)
        self._start_day = race_day(start)
        floor = start.astimezone(UTC).replace(second=0, microsecond=0)
        self._by_id: dict[str, Slot] = {}
        first_serial = 100_000_000 + int(floor.timestamp() // 60 % 10_000_000) * 1_000
        meetings = _fill(seed, floor, speed)
        serial = first_serial
        for meeting in meetings:
            for number, off_dt in enumerate(meeting.offs):
                slot = Slot(
                    race_id=f"rac_{serial}",
                    race_date=race_day(off_dt),
                    off_dt=off_dt,
                    number=number,
                    serial=serial,
                    meeting=meeting,
                )
                self._by_id[slot.race_id] = slot
                serial += 1

    def races_on(self, day: date) -> tuple[Slot, ...]:
        """All races of a day in London, by course, then time."""
        anchored = tuple(slot for slot in self._by_id.values() if slot.race_date == day)
        return anchored if day == self._start_day else anchored + self._ordinary.races_on(day)

    def race(self, race_id: str) -> Slot | None:
        """One race by its id."""
        slot = self._by_id.get(race_id) or self._ordinary.race(race_id)
        if slot is not None and slot.race_date == self._start_day and race_id not in self._by_id:
            return None
        return slot


def _slot(meeting: Meeting, number: int, first_serial: int, index: int) -> Slot:
    off_dt = meeting.offs[number]
    serial = first_serial + index * 10 + number
    return Slot(
        race_id=f"rac_{serial}",
        race_date=race_day(off_dt),
        off_dt=off_dt,
        number=number,
        serial=serial,
        meeting=meeting,
    )


def _offsets(speed: float) -> list[float]:
    """Minutes from the start to each off; at 7 minutes apart some race is always at post."""
    offsets: list[float] = []
    minute = -20.0
    while minute <= 400:  # in the sixth hour there are still races half an hour ahead
        offsets.append(minute / speed)
        minute += 5 if minute < 120 else 7  # two hours
    while offsets[-1] < 180:  # three hours
        offsets.append(offsets[-1] + 7)
    return offsets


def _fill(seed: int, start: datetime, speed: float) -> list[Meeting]:
    """Give every off to the meeting that has waited longest; open one when all are busy."""
    dice = chance(seed, "anchor", start.isoformat())
    places = [place for place in PLACES if place.region_code in {"gb", "ire"}]
    dice.shuffle(places)
    # Every third is Irish, so that two of six meetings are.
    irish = [place for place in places if place.region_code == "ire"]
    british = [place for place in places if place.region_code == "gb"]
    order = [irish.pop() if index % 3 == 2 else british.pop() for index in range(30)]
    min_gap = timedelta(minutes=25 / speed)
    offs: list[list[datetime]] = []
    for offset in _offsets(speed):
        off_dt = start + timedelta(minutes=round(offset))
        ready = [
            meeting
            for meeting in offs
            if len(meeting) < _MOST_RACES and off_dt - meeting[-1] >= min_gap
        ]
        if ready:
            min(ready, key=lambda meeting: meeting[-1]).append(off_dt)
        else:
            offs.append([off_dt])
    lost = [start + timedelta(minutes=40 + 30 * number) for number in range(6)]
    return [
        Meeting(
            key=f"{start.isoformat()}/{place.course_id}",
            place=place,
            jumps=place.jumps and (not place.flat or dice.random() < 0.5),
            offs=tuple(meeting),
            abandoned_at=start - timedelta(hours=1) if meeting is lost else None,
            anchor=start,
        )
        for place, meeting in zip(order, [*offs, lost], strict=False)
    ]


def _abandonment(dice: Random, offs: tuple[datetime, ...]) -> datetime | None:
    """One meeting in forty is abandoned: after a morning's inspection, or half-way."""
    draw = dice.random()
    if draw < 0.0125:
        return offs[0] - timedelta(hours=5)
    if draw < 0.025:
        return offs[len(offs) // 2] - timedelta(minutes=18)
    return None
