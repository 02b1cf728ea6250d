"""Making, replacing and revoking keys to the API; each in a statement of its own."""

from collections.abc import Collection
from datetime import datetime

from darkhorses.domain.api_keys import NewKey, Scope
from darkhorses.store.errors import TooManyKeysError, UnknownKeyError
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries
from darkhorses.store.writing.tags import rows_of

MOST_KEYS = 10_000
"""An API holds all of them in memory."""


async def create(
    connection: Connection,
    key: NewKey,
    *,
    name: str,
    scopes: Collection[Scope],
    requests_per_minute: int | None,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """Add a key; raises TooManyKeysError."""
    done = await queries.api_keys_create(
        connection,
        key_id=key.key_id,
        name=name,
        scopes=sorted(scopes),
        digest=key.digest,
        requests_per_minute=requests_per_minute,
        now=now,
        expires_at=expires_at,
        most=MOST_KEYS,
    )
    if not rows_of(done):
        raise TooManyKeysError(f"there are {MOST_KEYS} keys already")


async def rotate(connection: Connection, key: NewKey, *, until: datetime) -> None:
    """Replace a key; the one before is good until then. Raises UnknownKeyError."""
    done = await queries.api_keys_rotate(
        connection, key_id=key.key_id, digest=key.digest, until=until
    )
    _require(done, key.key_id)


async def revoke(connection: Connection, key_id: str, *, now: datetime) -> None:
    """Make a key worthless for good; raises UnknownKeyError."""
    _require(await queries.api_keys_revoke(connection, key_id=key_id, now=now), key_id)


def _require(command_tag: str, key_id: str) -> None:
    if not rows_of(command_tag):
        raise UnknownKeyError(
            f"there is no key {key_id!r} that is not revoked: see `darkhorses keys list`"
        )
