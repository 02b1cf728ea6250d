"""What happens to a race besides prices: late offs, non-runners, abandonment, pulled prices."""

from datetime import datetime, timedelta

import msgspec

from darkhorses.simulator.books import NAMES
from darkhorses.simulator.chance import chance
from darkhorses.simulator.races import RaceFacts
from darkhorses.simulator.schedule import Meeting

_NON_RUNNER_RATE = 0.06
_LAST_HOUR_SHARE = 0.4
_FEWEST = 3
_PULLED_RATE = 0.35


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """A book takes down its prices at a course for a while: quotes ``-``, or none at all."""

    book: int
    begins: datetime
    ends: datetime
    absent: bool


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """What will happen to a race; all instants in UTC.

    ``closes`` is the actual off; ``withdrawn`` maps a runner's position in the field to when it
    became a non-runner; ``abandoned_at`` None when it is run.
    """

    closes: datetime
    result_at: datetime
    withdrawn: dict[int, datetime]
    abandoned_at: datetime | None
    pulls: tuple[Pull, ...]


class EventMaker:
    """Decides what happens; a function of the seed and the race alone.

    ``speed`` divides all minutes around the off.
    """

    def __init__(self, seed: int, speed: float = 1.0) -> None:
        self._seed = seed
        self._speed = speed

    def events(self, race: RaceFacts) -> Events:
        """What happens to a race."""
        slot = race.slot
        dice = chance(self._seed, "events", slot.race_id)
        late = dice.choices((0.3, 1, 2, 4, 9), (3, 6, 4, 2, 1))[0] * dice.uniform(0.7, 1.3)
        closes = slot.off_dt + self._minutes(late)
        closes = closes.replace(microsecond=0)
        lost_at = slot.meeting.abandoned_at
        withdrawn: dict[int, datetime] = {}
        for position in range(len(race.runners)):
            draw, last_hour, soon, long = (dice.random() for _ in range(4))
            if draw < _NON_RUNNER_RATE and len(race.runners) - len(withdrawn) > _FEWEST:
                before = 6 + soon * 49 if last_hour < _LAST_HOUR_SHARE else 60 + long * 540
                withdrawn[position] = slot.off_dt - self._minutes(before)
        return Events(
            closes=closes,
            result_at=closes + self._minutes(dice.uniform(2, 8)),
            withdrawn=withdrawn,
            abandoned_at=lost_at if lost_at is not None and lost_at < slot.off_dt else None,
            pulls=self._pulls(slot.meeting),
        )

    def _minutes(self, minutes: float) -> timedelta:
        return timedelta(seconds=round(minutes * 60 / self._speed))

    def _pulls(self, meeting: Meeting) -> tuple[Pull, ...]:
        dice = chance(self._seed, "pulls", meeting.key)
        pulls = []
        if meeting.anchor is not None:
            begins = meeting.anchor + self._minutes(dice.uniform(2, 25))
            pulls.append(self._pull(dice.randrange(len(NAMES) - 1), begins, dice.random()))
        if dice.random() < _PULLED_RATE:
            begins = meeting.offs[dice.randrange(len(meeting.offs))]
            begins -= self._minutes(dice.uniform(5, 90))
            pulls.append(self._pull(dice.randrange(len(NAMES) - 1), begins, dice.random()))
        return tuple(pulls)

    def _pull(self, book: int, begins: datetime, draw: float) -> Pull:
        ends = begins + self._minutes(5 + draw * 30)
        return Pull(book=book, begins=begins, ends=ends, absent=draw < 0.3)
