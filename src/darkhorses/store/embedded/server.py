"""The embedded server as its users see it: start or find it, use it, let go of it."""

import atexit
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import platformdirs

from darkhorses.store.embedded.account import SYSTEM_DIRECTORY, SYSTEM_USER, Account
from darkhorses.store.embedded.binaries import MAJOR_VERSION, find_programs
from darkhorses.store.embedded.cluster import PORT, SUPERUSER, Cluster
from darkhorses.store.embedded.locks import FileLock
from darkhorses.store.errors import EmbeddedServerError

DATABASE = "darkhorses"
_START_LOCK_TIMEOUT = timedelta(minutes=3)


def default_data_dir() -> Path:
    """``/var/lib/darkhorses`` for root, the user's data directory for everybody else."""
    if os.geteuid() == 0:
        return SYSTEM_DIRECTORY
    return platformdirs.user_data_path("darkhorses")


class EmbeddedServer:
    """One use of the embedded PostgreSQL; the server runs while there is any."""

    def __init__(self, cluster: Cluster, *, start_lock: FileLock, users_lock: FileLock) -> None:
        self._cluster = cluster
        self._start_lock = start_lock
        self._users_lock = users_lock
        self.directory = cluster.directory
        """Where the data is."""
        self.url = ""
        """Where the database is, as asyncpg takes it; the socket's directory is its host."""

    @classmethod
    def start(cls, data_dir: Path | None = None, *, durable: bool = True) -> Self:
        """Start the server of a data directory, or find it running; blocks for some seconds.

        ``durable=False`` is for data that a crash may take. Raises EmbeddedServerError.
        """
        account = Account.choose()
        data_dir = (data_dir or default_data_dir()).expanduser().absolute()
        with _failures(data_dir):
            _ensure_directory(data_dir, account)
            programs = find_programs(account)
            name = f"postgres{MAJOR_VERSION}"
            server = cls(
                Cluster(data_dir / name, account, programs, durable=durable),
                start_lock=FileLock(data_dir / f"{name}.start.lock"),
                users_lock=FileLock(data_dir / f"{name}.users.lock"),
            )
            server._enter(account)
        return server

    def release(self) -> None:
        """Let go of the server, which stops when nobody else uses it; a second call does nothing.

        Raises EmbeddedServerError when it does not stop; the next user finds and stops it.
        """
        atexit.unregister(self.release)
        if not self._users_lock.is_held:
            return
        with _failures(self._cluster.directory):
            self._start_lock.acquire(timeout=_START_LOCK_TIMEOUT)
            try:
                if self._users_lock.try_exclusive():
                    self._cluster.stop()
            finally:
                self._users_lock.release()
                self._start_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _enter(self, account: Account) -> None:
        self._start_lock.acquire(timeout=_START_LOCK_TIMEOUT)
        try:
            account.own(self._start_lock.path)
            self._users_lock.acquire(shared=True, timeout=_START_LOCK_TIMEOUT)
            account.own(self._users_lock.path)
            # A program that ends without a word still lets go in order.
            atexit.register(self.release)
            self._cluster.make()
            postmaster = self._cluster.run()
            self._cluster.ensure_database(DATABASE, postmaster)
        except BaseException:
            atexit.unregister(self.release)
            self._users_lock.release()
            raise
        finally:
            self._start_lock.release()
        host = quote(str(postmaster.socket_directory))
        self.url = f"postgresql://{SUPERUSER}@/{DATABASE}?host={host}&port={PORT}"


def _ensure_directory(data_dir: Path, account: Account) -> None:
    missing = [path for path in (data_dir, *data_dir.parents) if not path.exists()]
    nearest = missing[-1].parent if missing else data_dir
    if account.is_other and not account.can_enter(nearest):
        raise EmbeddedServerError(
            f"PostgreSQL does not run as root, and its system user {SYSTEM_USER} cannot reach "
            f"{nearest}: leave DARKHORSES_DATA_DIR empty for {SYSTEM_DIRECTORY}, choose another "
            f"path that everybody may enter, or set DATABASE_URL"
        )
    for path in reversed(missing):
        path.mkdir()
        path.chmod(0o755 if account.is_other else 0o700)


@contextmanager
def _failures(directory: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(
            f"the embedded PostgreSQL in {directory} cannot be used: {error}"
        ) from error
