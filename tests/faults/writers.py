"""Who wrote what, and by which epoch: triggers that sign every statement that was committed.

A worker is known to the triggers by the role with which it connects (``named``), which every
pooler passes on. They note which epoch of the lease stood when its transaction wrote, and a fenced
transaction keeps that epoch from ending; so a signature whose writer is not the one who acquired
its epoch is a write by a leader of the past.
"""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from darkhorses.store.pool import Connection, Database

_UNFENCED = ("worker_lease", "worker_heartbeats", "job_runs", "webhooks", "webhook_outbox")
"""Written by whoever is concerned, the leader or not; a claim to deliver has a time of its own."""

WRITERS = tuple(f"w{number}" for number in range(1, 301))
"""The roles by which workers may be known."""

_CREATE_ROLES = """
    DO $$
    DECLARE role text;
    BEGIN
        FOREACH role IN ARRAY ARRAY[{roles}] LOOP
            BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
                    EXECUTE format('CREATE ROLE %I SUPERUSER LOGIN', role);
                END IF;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another test was first: roles belong to all databases of a server
            END;
        END LOOP;
    END $$;
"""
_INSTALL = """
    CREATE TABLE signatures (
        writer text, epoch bigint, relation text, at timestamptz DEFAULT clock_timestamp()
    );
    CREATE FUNCTION sign() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO signatures (writer, epoch, relation)
        SELECT session_user, epoch, TG_TABLE_NAME
        FROM worker_lease WHERE name = 'live';
        RETURN NULL;
    END $$;
    DO $$
    DECLARE relation regclass;
    BEGIN
        FOR relation IN
            SELECT oid FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                AND NOT relispartition AND relname <> 'signatures'
                AND relname NOT LIKE '%pogo%' AND relname <> ALL (ARRAY[{unfenced}])
        LOOP
            EXECUTE format(
                'CREATE TRIGGER signed AFTER INSERT OR UPDATE OR DELETE ON %s '
                'FOR EACH STATEMENT EXECUTE FUNCTION sign()', relation);
        END LOOP;
    END $$;
"""
_SIGNATURES = "SELECT writer, epoch, count(*) FROM signatures GROUP BY 1, 2 ORDER BY 2"


class Signed(NamedTuple):
    """How many statements a writer committed while an epoch stood."""

    writer: str
    epoch: int
    statements: int


def named(database_url: str, writer: str) -> str:
    """The address of the database by which a worker is known."""
    address = urlsplit(database_url)
    host = address.netloc.rpartition("@")[2]
    return urlunsplit(address._replace(netloc=f"{writer}@{host}"))


async def create_writers(database: Database) -> None:
    """Have the roles by which workers may be known."""
    roles = ", ".join(f"'{name}'" for name in WRITERS)
    async with database.connection() as connection:
        await connection.execute(_CREATE_ROLES.format(roles=roles))


async def sign_writes(database: Database) -> None:
    """Have every statement that writes what is fenced sign itself."""
    await create_writers(database)
    unfenced = ", ".join(f"'{name}'" for name in _UNFENCED)
    async with database.connection() as connection:
        await connection.execute(_INSTALL.format(unfenced=unfenced))


async def signed(connection: Connection) -> list[Signed]:
    """All signatures, by epoch."""
    return [Signed(*row) for row in await connection.fetch(_SIGNATURES)]


def by_stale_leaders(signatures: list[Signed], leaders: Mapping[int, str]) -> list[Signed]:
    """The signatures of who did not hold the epoch; ``leaders`` says who acquired which."""
    return [one for one in signatures if leaders.get(one.epoch) != one.writer]
