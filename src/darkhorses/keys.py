"""``darkhorses keys``: making keys to the API, replacing and revoking them."""

import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime, time, timedelta

import msgspec

from darkhorses.database import open_connection
from darkhorses.domain.api_keys import ApiKey, NewKey, Scope
from darkhorses.domain.london import instant_of
from darkhorses.settings import Settings
from darkhorses.store import api_keys as reading
from darkhorses.store.pool import Connection
from darkhorses.store.writing import api_keys as writing
from darkhorses.worker.app import clock

_PERIOD = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class CreatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was made: this is the only time that it is told."""

    key_id: str
    key: str
    name: str
    scopes: tuple[Scope, ...]
    requests_per_minute: int | None
    expires_at: datetime | None


class RotatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key's replacement; the one before is good until ``previous_valid_until`` (UTC)."""

    key_id: str
    key: str
    previous_valid_until: datetime


class ListedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without what would open anything (times UTC)."""

    key_id: str
    name: str
    state: str
    scopes: tuple[Scope, ...]
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    previous_valid_until: datetime | None


def read_period(text: str) -> timedelta:
    """Read ``90d``, ``12h`` or ``30m``; raises ValueError."""
    match = _PERIOD.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"expected a number of days, hours or minutes such as 90d, got {text!r}")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def read_expiry(text: str, now: datetime) -> datetime | None:
    """Read ``never``, a period such as ``90d``, or a day, at whose beginning in London it ends.

    Raises ValueError, for a time that is not ahead too.
    """
    if text.strip().lower() == "never":
        return None
    try:
        expires_at = instant_of(date.fromisoformat(text.strip()), time())
    except ValueError:
        try:
            expires_at = now + read_period(text)
        except ValueError:
            raise ValueError(
                f"expected never, a period such as 90d, or a day such as 2027-01-31, got {text!r}"
            ) from None
    if expires_at <= now:
        raise ValueError(f"{text!r} is not ahead")
    return expires_at


async def create(
    settings: Settings,
    *,
    name: str,
    scopes: frozenset[Scope],
    expires: str,
    requests_per_minute: int | None,
) -> CreatedKey:
    """Make a key; raises ValueError for an expiry that cannot be read."""
    now = clock()
    expires_at = read_expiry(expires, now)
    key = NewKey.make()
    async with _connection(settings) as connection:
        await writing.create(
            connection,
            key,
            name=name,
            scopes=scopes,
            requests_per_minute=requests_per_minute,
            expires_at=expires_at,
            now=now,
        )
    return CreatedKey(
        key_id=key.key_id,
        key=key.text,
        name=name,
        scopes=tuple(sorted(scopes)),
        requests_per_minute=requests_per_minute,
        expires_at=expires_at,
    )


async def every(settings: Settings) -> list[ListedKey]:
    """Every key."""
    now = clock()
    async with _connection(settings) as connection:
        return [_listed(key, now) for key in await reading.api_keys(connection)]


async def rotate(settings: Settings, key_id: str, *, grace: timedelta) -> RotatedKey:
    """Replace a key; the one before stays good for ``grace``."""
    until = clock() + grace
    key = NewKey.make(key_id)
    async with _connection(settings) as connection:
        await writing.rotate(connection, key, until=until)
    return RotatedKey(key_id=key_id, key=key.text, previous_valid_until=until)


async def revoke(settings: Settings, key_id: str) -> None:
    """Make a key worthless."""
    async with _connection(settings) as connection:
        await writing.revoke(connection, key_id, now=clock())


def key_lines(keys: Sequence[ListedKey]) -> list[str]:
    """Keys for a person, one a line."""
    return [
        f"{key.key_id}  {key.state:8}  {','.join(key.scopes):26}  "
        f"last used {_day(key.last_used_at)}, expires {_day(key.expires_at)}  {key.name}"
        for key in keys
    ]


def _listed(key: ApiKey, now: datetime) -> ListedKey:
    is_previous_good = key.previous_until is not None and key.previous_until > now
    state = "expired" if key.is_over(now) else "good"
    return ListedKey(
        key_id=key.key_id,
        name=key.name,
        state="revoked" if key.revoked_at is not None else state,
        scopes=tuple(sorted(key.scopes)),
        requests_per_minute=key.requests_per_minute,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
        previous_valid_until=key.previous_until if is_previous_good else None,
    )


def _day(instant: datetime | None) -> str:
    return "never" if instant is None else f"{instant:%Y-%m-%d %H:%M} UTC"


def _connection(settings: Settings) -> AbstractAsyncContextManager[Connection]:
    return open_connection(settings, application_name="darkhorses keys")
