"""The database: whether it is there, fits, and is spoken to in the right way."""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import msgspec

from darkhorses.database import open_database
from darkhorses.doctor.access import examine_access
from darkhorses.doctor.findings import Finding, broken, doubtful, fine
from darkhorses.doctor.replica import examine_replica
from darkhorses.doctor.workers import examine_workers
from darkhorses.settings import Settings
from darkhorses.store.errors import StoreError
from darkhorses.store.migrations import SchemaState, schema_state
from darkhorses.store.pool import Database, is_transaction_pooler
from darkhorses.store.server_facts import (
    OLDEST_VERSION,
    Pooling,
    ServerFacts,
    observed_pooling,
    server_facts,
)

_LARGEST_SKEW = timedelta(seconds=2)
_ENCRYPTING = {"require", "verify-ca", "verify-full"}


async def examine_database(settings: Settings, *, clock: Callable[[], datetime]) -> list[Finding]:
    """Look at the database and, when its schema fits, at what the workers wrote into it."""
    findings: list[Finding] = []
    # Spoken to as through a transaction pooler, which works everywhere.
    cautious = msgspec.structs.replace(settings, pooler="transaction")
    try:
        async with open_database(
            cautious,
            max_connections=2,
            application_name="darkhorses doctor",
            migrate_embedded=False,
        ) as database:
            await _examine(database, settings, clock, findings)
    except StoreError as error:
        findings.append(broken("database.reachable", str(error), _how_to_reach(settings)))
    return findings


async def _examine(
    database: Database,
    settings: Settings,
    clock: Callable[[], datetime],
    findings: list[Finding],
) -> None:
    async with database.connection() as connection:
        asked_at = clock()
        facts = await server_facts(connection)
        answered_at = clock()
        state = await schema_state(connection)
    pooling = await observed_pooling(database)
    findings.append(fine("database.reachable", _where(settings)))
    findings.append(_version(facts))
    findings.append(_clock(facts.clock, asked_at, answered_at))
    findings.append(_pooler(settings, pooling))
    findings.append(_tls(settings, facts, pooling))
    findings.append(_schema(state, is_embedded=settings.database_url is None))
    findings += await examine_replica(database, settings, clock=clock)
    if state.is_current:
        findings += await examine_workers(database)
        findings += await examine_access(database, settings, now=answered_at)


def _where(settings: Settings) -> str:
    if settings.database_url is None:
        return "the embedded PostgreSQL runs"
    url = urlsplit(settings.database_url)
    return f"{_host(settings.database_url)} answers, database {url.path.lstrip('/') or 'default'}"


def _version(facts: ServerFacts) -> Finding:
    if facts.version_number < OLDEST_VERSION:
        return broken(
            "database.version",
            f"PostgreSQL {facts.version} is too old",
            "upgrade it to 15 or later",
        )
    return fine("database.version", f"PostgreSQL {facts.version}")


def _clock(theirs: datetime, asked_at: datetime, answered_at: datetime) -> Finding:
    skew = max(asked_at - theirs, theirs - answered_at, timedelta(0))
    if skew > _LARGEST_SKEW:
        return doubtful(
            "database.clock",
            f"the database's clock and ours are {skew.total_seconds():.1f} s apart",
            "let this machine's clock be set by NTP: times of prices come from it",
        )
    return fine("database.clock", "the database's clock and ours agree")


def _pooler(settings: Settings, seen: Pooling) -> Finding:
    url = settings.database_url
    assumed = url is not None and is_transaction_pooler(url, settings.pooler)
    how = f"DARKHORSES_POOLER is {settings.pooler}"
    if seen is Pooling.TRANSACTION and not assumed:
        return broken(
            "database.pooler",
            f"a transaction pooler answers, and {how}: prepared statements will fail",
            "set DARKHORSES_POOLER=transaction, or take the session pooler's address",
        )
    if seen is Pooling.NONE and assumed:
        return doubtful(
            "database.pooler",
            f"{how} and the port looks like a transaction pooler's, but the server itself answers",
            "set DARKHORSES_POOLER=none: statements are then prepared once",
        )
    return fine("database.pooler", {
        Pooling.NONE: "none",
        Pooling.SESSION: "a pooler that keeps sessions apart, as far as can be seen",
        Pooling.TRANSACTION: "a transaction pooler, and used as one",
    }[seen])  # fmt: skip


def _tls(settings: Settings, facts: ServerFacts, pooling: Pooling) -> Finding:
    url = settings.database_url
    if url is None or _is_local(_host(url)):
        return fine("database.tls", "not needed on this machine")
    if set(parse_qs(urlsplit(url).query).get("sslmode", [])) & _ENCRYPTING:
        return fine("database.tls", "required by DATABASE_URL")
    if facts.is_encrypted and pooling is Pooling.NONE:
        return fine("database.tls", "encrypted")
    message = (
        f"the connection to {_host(url)} is not encrypted"
        if pooling is Pooling.NONE
        else f"{_host(url)} is a pooler: whether the way to it is encrypted cannot be seen"
    )
    return doubtful("database.tls", message, "add ?sslmode=require to DATABASE_URL")


def _schema(state: SchemaState, *, is_embedded: bool) -> Finding:
    if state.unknown:
        return broken(
            "database.schema",
            f"a newer DarkHorses has applied {', '.join(state.unknown)}",
            "install that version of DarkHorses or a later one",
        )
    if state.pending and is_embedded:
        return doubtful(
            "database.schema",
            f"not yet applied: {', '.join(state.pending)}",
            "nothing to do: worker and api apply it when they start",
        )
    if state.pending:
        return broken(
            "database.schema",
            f"not yet applied: {', '.join(state.pending)}",
            "run `darkhorses migrate`",
        )
    return fine("database.schema", f"current, {state.applied[-1]}")


def _how_to_reach(settings: Settings) -> str:
    if settings.database_url is None:
        return "mend what it says, or set DATABASE_URL to a PostgreSQL of yours"
    host = _host(settings.database_url)
    if host.startswith("db.") and host.endswith(".supabase.co"):
        return (
            "direct addresses of Supabase have IPv6 only: take the session pooler's address "
            "(port 5432) from its dashboard"
        )
    return (
        f"check user, password, host and port in DATABASE_URL, and that {host} lets this machine in"
    )


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]


def _is_local(host: str) -> bool:
    return host.startswith(("/", "127.")) or host in {"localhost", "::1"}
