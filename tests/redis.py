"""A real Redis for a test."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.ports import free_port, wait_until_it_listens


@contextmanager
def redis_server() -> Iterator[str]:
    """The address of a Redis, or a Valkey, that forgets everything; skips without one."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        pytest.skip("neither Redis nor Valkey is installed")
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="redis-") as directory,
        subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory],
            stdout=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            wait_until_it_listens(port, process)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
