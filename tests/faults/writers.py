"""Who wrote what, and by which epoch: triggers that sign every statement that was committed.

A worker is known to the triggers by the role with which it connects (``named``), which every
pooler passes on. They note which epoch of its lease (that of its regions, or ``once`` for what is
done once for all) stood when its transaction wrote, and a fenced transaction keeps that epoch from
ending; so a signature whose writer is not the one who acquired its epoch is a write by a leader of
the past.
"""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from darkhorses.store.lease import LIVE
from darkhorses.store.pool import Connection, Database

_UNFENCED = ("worker_lease", "worker_heartbeats", "job_runs", "webhooks", "webhook_outbox")
"""Written by whoever is concerned, the leader or not; a claim to deliver has a time of its own."""

WRITERS = (
    *(f"w{number}" for number in range(1, 301)),
    *(f"{region}{number}" for region in ("gb", "ire") for number in range(1, 101)),
)
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
        writer text, lease text, epoch bigint, relation text,
        at timestamptz DEFAULT clock_timestamp()
    );
    CREATE TABLE signing (writers text, lease text);
    CREATE FUNCTION sign() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE of_regions text := (
        SELECT lease FROM signing WHERE session_user LIKE writers
        ORDER BY length(writers) DESC LIMIT 1
    );
    BEGIN
        INSERT INTO signatures (writer, lease, epoch, relation)
        SELECT session_user, name, epoch, TG_TABLE_NAME
        FROM worker_lease
        WHERE name = CASE
            WHEN of_regions <> 'live' AND TG_TABLE_NAME LIKE 'statistics%' THEN 'once'
            ELSE of_regions
        END;
        RETURN NULL;
    END $$;
    DO $$
    DECLARE relation regclass;
    BEGIN
        FOR relation IN
            SELECT oid FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                AND NOT relispartition AND relname NOT IN ('signatures', 'signing')
                AND relname NOT LIKE '%pogo%' AND relname <> ALL (ARRAY[{unfenced}])
        LOOP
            EXECUTE format(
                'CREATE TRIGGER signed AFTER INSERT OR UPDATE OR DELETE ON %s '
                'FOR EACH STATEMENT EXECUTE FUNCTION sign()', relation);
        END LOOP;
    END $$;
"""
_SIGNATURES = """
    SELECT writer, epoch, count(*) FROM signatures
    WHERE CASE WHEN $1::text IS NULL THEN lease <> 'once' ELSE lease = $1 END
    GROUP BY 1, 2 ORDER BY 2
"""


_ALL_REGIONS = {"%": LIVE}


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


async def sign_writes(database: Database, leases: Mapping[str, str] = _ALL_REGIONS) -> None:
    """Have every statement that writes what is fenced sign itself.

    ``leases`` are those of the regions by how the writers' names begin, as LIKE has it.
    """
    await create_writers(database)
    unfenced = ", ".join(f"'{name}'" for name in _UNFENCED)
    async with database.connection() as connection:
        await connection.execute(_INSTALL.format(unfenced=unfenced))
        await connection.executemany("INSERT INTO signing VALUES ($1, $2)", [*leases.items()])


async def signed(connection: Connection, lease: str | None = None) -> list[Signed]:
    """All signatures under a lease, or all under the leases of regions, by epoch."""
    return [Signed(*row) for row in await connection.fetch(_SIGNATURES, lease)]


def by_stale_leaders(signatures: list[Signed], leaders: Mapping[int, str]) -> list[Signed]:
    """The signatures of who did not hold the epoch; ``leaders`` says who acquired which."""
    return [one for one in signatures if leaders.get(one.epoch) != one.writer]
