"""What an HTTP answer says of when to come back."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_LONGEST = 10**9
_DIGITS = 20


def read_retry_after(header: str | None, *, now: datetime) -> timedelta | None:
    """``Retry-After`` as a time to wait: seconds or an HTTP date; None when neither."""
    if header is None:
        return None
    if header.strip().isdecimal():
        # Python refuses to read numbers of thousands of digits, and nobody waits so long.
        return timedelta(seconds=min(int(header.strip()[:_DIGITS]), _LONGEST))
    try:
        until = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(until - now, timedelta(0))
