"""The keys to the API, and when they were last used: the only thing that an API writes."""

from collections.abc import Mapping
from datetime import datetime

from darkhorses.domain.api_keys import ApiKey, Scope
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


async def api_key_revision(connection: Connection) -> int:
    """How often keys have changed; while it stays, none has."""
    return int(await queries.api_keys_revision(connection))


async def api_keys(connection: Connection) -> list[ApiKey]:
    """Every key, also those that were revoked, the oldest first."""
    return [
        ApiKey(**{**row, "scopes": frozenset(Scope(scope) for scope in row["scopes"])})
        async for row in queries.api_keys_all(connection)
    ]


async def note_use(connection: Connection, used: Mapping[str, datetime]) -> None:
    """Note when keys were last used, by their ids; an earlier time changes nothing."""
    await queries.api_keys_used(connection, key_ids=list(used), used_at=list(used.values()))
