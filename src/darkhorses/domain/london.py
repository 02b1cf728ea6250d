"""London time: where a race day is decided and local stamps are read."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")

CLOCKS_APART = timedelta(minutes=10)
"""How far the feed's clock may be before ours."""

_DAY = timedelta(days=1)
_FIRST_YEAR = 1990


def race_day(now: datetime) -> date:
    """The day in London at an instant."""
    return now.astimezone(LONDON).date()


def london_clock(instant: datetime) -> str:
    """An instant as London's 24-hour clock, ``HH:MM``."""
    return instant.astimezone(LONDON).strftime("%H:%M")


def strikes(day: date, hour: int) -> datetime:
    """When London's clocks strike an hour (0-23) of a day, in UTC: once on every day.

    It is the first time where they strike it twice, and the jump where they jump over it.
    """
    return instant_of(day, time(hour))


def instant_of(day: date, clock: time) -> datetime:
    """When London's clocks show a time of a day, for the first time if they do twice, in UTC."""
    return datetime.combine(day, clock, LONDON).astimezone(UTC)


def read_local_stamp(text: str, *, now: datetime) -> datetime:
    """Read ``YYYY-MM-DD HH:MM:SS`` of London's wall clock as UTC.

    In the repeated hour of October the text names two instants: the later one that is not in
    the future is taken, because the feed stamps what it has just done. A stamp of later than
    ``CLOCKS_APART`` from now is no stamp. Raises ValueError.
    """
    local = datetime.fromisoformat(text)
    latest = now + CLOCKS_APART
    if local.year < _FIRST_YEAR or local.replace(tzinfo=None) > latest.replace(tzinfo=None) + _DAY:
        raise ValueError(f"stamp {text!r} is not of the present")
    if local.tzinfo is not None:
        stamp = local.astimezone(UTC)
    else:
        local = local.replace(tzinfo=LONDON)
        first = local.astimezone(UTC)
        second = local.replace(fold=1).astimezone(UTC)
        stamp = second if first < second <= latest else first
    if stamp > latest:
        raise ValueError(f"stamp {text!r} is of the future")
    return stamp
