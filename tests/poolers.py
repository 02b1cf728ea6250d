"""A real pooler in front of a test's database, and of all of them: ``pytest --pooler session``."""

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pytest

from tests.faults.writers import WRITERS
from tests.ports import free_port, wait_until_it_listens

OF_TRANSACTIONS = 6543
"""The port by which DarkHorses knows a pooler in transaction mode."""

_SERVER_BEHIND: dict[str, str] = {}
"""By the host and port of a pooler before all databases, the server's own address."""


@contextmanager
def pgbouncer(
    database_url: str, mode: str, *, size: int = 2, host: str = "127.0.0.1", port: int | None = None
) -> Iterator[str]:
    """The address of a PgBouncer in ``session`` or ``transaction`` mode; skips without one."""
    program = shutil.which("pgbouncer", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    address = urlsplit(direct(database_url))
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        names = "postgres", *WRITERS
        (directory / "users").write_text("".join(f'"{name}" ""\n' for name in names))
        (directory / "ini").write_text(
            f"[databases]\n* = host={parse_qs(address.query)['host'][0]} port=5432\n"
            f"[pgbouncer]\nlisten_addr = {host}\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {directory}/users\npool_mode = {mode}\n"
            f"default_pool_size = {size}\nmax_client_conn = 500\n"
        )
        user = ["--user", "darkhorses"] if os.geteuid() == 0 else []
        with subprocess.Popen(
            [program, "--quiet", *user, str(directory / "ini")], stderr=subprocess.DEVNULL
        ) as process:
            try:
                wait_until_it_listens(port, process, host)
                yield f"postgresql://postgres@{host}:{port}{address.path}"
            finally:
                process.kill()


@contextmanager
def pooled_server(server_url: str, mode: str) -> Iterator[str]:
    """A PgBouncer before all databases of a server, as large as Supabase's, and its address.

    One in ``transaction`` mode has the port by which DarkHorses knows such a pooler, on a loopback
    address of its own, because several runs want that port at once.
    """
    where: dict[str, Any] = {}
    if mode == "transaction":
        where = {"host": loopback_of_its_own(), "port": OF_TRANSACTIONS}
    with pgbouncer(server_url, mode, size=15, **where) as url:
        _SERVER_BEHIND[urlsplit(url).netloc] = server_url
        yield url


def loopback_of_its_own() -> str:
    """An address of this machine on which any port is free."""
    low, middle, high = (random.randint(2, 254) for _ in range(3))  # noqa: S311  # any free one
    return f"127.{low}.{middle}.{high}"


def direct(database_url: str) -> str:
    """The address of a database past the pooler that the run may have before all of them."""
    address = urlsplit(database_url)
    server = _SERVER_BEHIND.get(address.netloc)
    return (
        database_url if server is None else urlunsplit(urlsplit(server)._replace(path=address.path))
    )
