"""What can be seen of the database server, and of a pooler in front of it."""

from datetime import datetime
from enum import StrEnum

import msgspec

from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries

OLDEST_VERSION = 150000
"""The first PostgreSQL, as ``server_version_num``, that takes the schema (NULLS NOT DISTINCT)."""

_LOOKS = 5


class Pooling(StrEnum):
    """What stands between us and the server."""

    NONE = "none"
    SESSION = "session"
    TRANSACTION = "transaction"


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A server: its version, its clock (UTC), and whether its end of the connection has TLS."""

    version: str
    version_number: int
    clock: datetime
    is_encrypted: bool


async def server_facts(connection: Connection) -> ServerFacts:
    """Ask the server about itself."""
    return ServerFacts(**dict(await queries.server_facts(connection)))


async def observed_pooling(database: Database) -> Pooling:
    """See what kind of pooler answers; needs two connections and no prepared statements.

    Two sessions that are answered by one server process share it by the transaction. A session
    that is answered by another process than it was promised goes through some pooler.
    """
    async with database.connection() as first, database.connection() as second:
        seen: tuple[set[int], set[int]] = (set(), set())
        for _ in range(_LOOKS):
            for connection, processes in zip((first, second), seen, strict=True):
                processes.add(await queries.server_backend(connection))
        if seen[0] & seen[1]:
            return Pooling.TRANSACTION
        return Pooling.NONE if seen[0] == {first.get_server_pid()} else Pooling.SESSION


async def database_bytes(connection: Connection) -> int:
    """What the database takes on disk, in bytes."""
    size: int = await queries.database_bytes(connection)
    return size
