"""A real pooler in front of a test's database."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.ports import free_port, wait_until_it_listens


@contextmanager
def pgbouncer(database_url: str, mode: str) -> Iterator[str]:
    """The address of a PgBouncer in ``session`` or ``transaction`` mode; skips without one."""
    program = shutil.which("pgbouncer", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    address = urlsplit(database_url)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "users").write_text('"postgres" ""\n')
        (directory / "ini").write_text(
            f"[databases]\n* = host={parse_qs(address.query)['host'][0]} port=5432\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {directory}/users\npool_mode = {mode}\n"
            f"default_pool_size = 2\n"
        )
        user = ["--user", "darkhorses"] if os.geteuid() == 0 else []
        with subprocess.Popen(
            [program, "--quiet", *user, str(directory / "ini")], stderr=subprocess.DEVNULL
        ) as process:
            try:
                wait_until_it_listens(port, process)
                yield f"postgresql://postgres@127.0.0.1:{port}{address.path}"
            finally:
                process.kill()
