"""When a job is due: a race by how near its off is, a nightly job once a day of London."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.base import BaseTrigger

from darkhorses.domain.london import race_day, strikes
from darkhorses.domain.stages import interval_of, next_stage, stage_at

_INTO_THE_STAGE = timedelta(seconds=1)
_LATE_CARD = timedelta(seconds=10)


def next_look(
    off_dt: datetime,
    looked_at: datetime | None,
    now: datetime,
    *,
    card_interval: timedelta = timedelta.max,
) -> datetime:
    """When a race is to be looked at again; a stage begins with a look.

    Never before ``now``. A race that the whole card, every ``card_interval``, comes round to in
    time is due only when the card is late.
    """
    if looked_at is None:
        return now
    interval = interval_of(stage_at(off_dt, looked_at))
    due = looked_at + interval + (_LATE_CARD if interval >= card_interval else timedelta(0))
    coming = next_stage(off_dt, looked_at)
    if coming is not None:
        due = min(due, coming.begins_at + _INTO_THE_STAGE)
    return max(due, now)


class RaceTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler ships no types
    """Fires when a race is due for a look; ends when ``is_over`` says so.

    ``looked_at`` gives the last look, by whatever poll it was made.
    """

    def __init__(
        self,
        *,
        off_dt: Callable[[], datetime],
        looked_at: Callable[[], datetime | None],
        is_over: Callable[[datetime], bool],
        card_interval: timedelta = timedelta.max,
    ) -> None:
        self._off_dt = off_dt
        self._looked_at = looked_at
        self._is_over = is_over
        self._card_interval = card_interval

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """Answer APScheduler; None ends the job."""
        now = now.astimezone(UTC)
        if self._is_over(now):
            return None
        looked_at = self._looked_at()
        if previous_fire_time is not None and (looked_at is None or looked_at < previous_fire_time):
            # It has just fired and the look is still to come: count from the firing.
            looked_at = previous_fire_time.astimezone(UTC)
        return next_look(self._off_dt(), looked_at, now, card_interval=self._card_interval)


class DailyTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler ships no types
    """Fires once on every day of London, at an hour of its clocks.

    APScheduler's cron fires twice on the day in October whose 01:00 strikes twice.
    """

    def __init__(self, hour: int) -> None:
        self._hour = hour

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Answer APScheduler: the next time that is neither past nor the one before."""
        day = race_day(now)
        while (at := strikes(day, self._hour)) < now or (
            previous_fire_time is not None and at <= previous_fire_time
        ):
            day += timedelta(days=1)
        return at
