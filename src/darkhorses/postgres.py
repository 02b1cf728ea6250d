"""``darkhorses postgres``: PostgreSQL's own programs on the database that the settings ask for.

They come with the embedded server and are of its version: they dump any older server, whatever
version of them a machine has otherwise. What they need to connect goes into their environment, so
that no password stands on a command line.
"""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from darkhorses.domain.errors import SettingError
from darkhorses.settings import Settings
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.embedded.account import Account
from darkhorses.store.embedded.binaries import find_programs
from darkhorses.store.pool import is_transaction_pooler

PROGRAMS = ("pg_dump", "pg_restore", "psql", "pg_basebackup")
"""What can be run."""


def run_program(
    settings: Settings,
    program: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
) -> int:
    """Run it to its end, with our terminal as its own; its exit code.

    Raises SettingError behind a transaction pooler, which these programs do not survive, and
    EmbeddedServerError.
    """
    path = find_programs(Account.choose()) / program
    with _address(settings) as url:
        connecting = connection_variables(url)
        # It alone asks for a database by an argument, or writes a script instead.
        chosen = [f"--dbname={connecting['PGDATABASE']}"] if program == "pg_restore" else []
        done = subprocess.run(  # noqa: S603  # one of PROGRAMS, with what the user typed
            [path, *chosen, *arguments], check=False, env={**environment, **connecting}
        )
        return done.returncode


def connection_variables(url: str) -> dict[str, str]:
    """What PostgreSQL's programs take from their environment in the place of an address."""
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    found = {
        "PGHOST": query.get("host") or parts.hostname,
        "PGPORT": query.get("port") or (None if parts.port is None else str(parts.port)),
        "PGUSER": query.get("user") or parts.username,
        "PGPASSWORD": query.get("password") or parts.password,
        "PGDATABASE": query.get("dbname") or parts.path.removeprefix("/") or parts.username,
        "PGSSLMODE": query.get("sslmode"),
        "PGSSLROOTCERT": query.get("sslrootcert"),
        "PGAPPNAME": "darkhorses postgres",
    }
    return {name: unquote(value) for name, value in found.items() if value}


@contextmanager
def _address(settings: Settings) -> Iterator[str]:
    url = settings.database_url
    if url is None:
        data_dir = None if settings.data_dir is None else Path(settings.data_dir)
        with EmbeddedServer.start(data_dir) as server:
            yield server.url
        return
    if is_transaction_pooler(url, settings.pooler):
        raise SettingError(
            "DATABASE_URL: points at a transaction pooler, expected the server itself or a session "
            "pooler (port 5432)"
        )
    yield url
