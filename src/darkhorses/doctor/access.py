"""Who may ask the API: whether it stands open to more than this machine."""

import ipaddress
from datetime import datetime, timedelta

from darkhorses.doctor.findings import Finding, doubtful, fine
from darkhorses.settings import Settings
from darkhorses.store.api_keys import api_keys
from darkhorses.store.pool import Database

_SOON = timedelta(days=7)
_NAME = "api.access"


async def examine_access(database: Database, settings: Settings, *, now: datetime) -> list[Finding]:
    """Look at where the API listens, whether it wants keys, and which there are."""
    async with database.connection() as connection:
        made = await api_keys(connection)
    good = [key for key in made if not key.is_over(now)]
    wants_keys = settings.api_keys == "required" or (
        settings.api_keys == "auto" and bool(made) and not _is_private(settings)
    )
    if not wants_keys:
        return [_open(settings)]
    if not good:
        return [
            doubtful(
                _NAME,
                "keys are wanted and none is good: the API answers nobody",
                "make one with `darkhorses keys create --name NAME`",
            )
        ]
    ending = sorted(
        key.name for key in good if key.expires_at is not None and key.expires_at < now + _SOON
    )
    if ending:
        return [
            doubtful(
                _NAME,
                f"these keys expire within a week: {', '.join(ending)}",
                "make others with `darkhorses keys create` and hand them out",
            )
        ]
    return [fine(_NAME, f"a key is wanted, {len(good)} are good")]


def _open(settings: Settings) -> Finding:
    if _is_private(settings):
        return fine(_NAME, f"no key is wanted, and {settings.host} is this machine alone")
    if settings.api_keys == "off":
        return fine(_NAME, "open to everybody, as DARKHORSES_API_KEYS says")
    return doubtful(
        _NAME,
        f"the API on {settings.host} is open to everybody who reaches it",
        "make a key with `darkhorses keys create --name NAME`, or set DARKHORSES_API_KEYS=off if "
        "this is meant",
    )


def _is_private(settings: Settings) -> bool:
    try:
        is_loopback = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        is_loopback = settings.host == "localhost"
    return is_loopback and not settings.trusted_proxies
