"""Databases for a benchmark: a server of its own that goes with it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from darkhorses.store.embedded import EmbeddedServer


@contextmanager
def a_server(*, durable: bool = False) -> Iterator[str]:
    """Start an embedded server without data and give its address; everything goes with it.

    ``durable``: commits reach the disk, as they do for users.
    """
    with tempfile.TemporaryDirectory(prefix="darkhorses-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL of a run by root works as another user
        with EmbeddedServer.start(directory, durable=durable) as server:
            yield server.url
