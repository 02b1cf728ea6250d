"""``darkhorses replay`` in a process of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.replay.days import DAY


@contextmanager
def directory_of_its_own() -> Iterator[Path]:
    """A data directory; PostgreSQL of a run by root works as another user, who is to reach it."""
    with tempfile.TemporaryDirectory(prefix="darkhorses-replay-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@contextmanager
def replaying(*arguments: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Replay the small day; it says no more than warnings, and is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "darkhorses", "replay", "--date", str(DAY), *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.defpath, "LOG_LEVEL": "WARNING", **environment},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
