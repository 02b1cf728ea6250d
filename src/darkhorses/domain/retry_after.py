"""What an HTTP answer says of when to come back."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_LONGEST = 10**9


def read_retry_after(header: str | None, *, now: datetime) -> timedelta | None:
    """``Retry-After`` as a time to wait: seconds or an HTTP date; None when neither."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return timedelta(seconds=min(int(header), _LONGEST))
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(until - now, timedelta(0))
