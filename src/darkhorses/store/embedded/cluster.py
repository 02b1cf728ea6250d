"""One cluster of PostgreSQL on disk: made, started, looked at, stopped; not safe on its own.

Whoever calls ``make``, ``run`` or ``stop`` holds the start lock.
"""

import hashlib
import os
import re
import shlex
import shutil
import socket
import stat
import tempfile
import time
from pathlib import Path

import msgspec

from darkhorses.store.embedded.account import Account
from darkhorses.store.embedded.binaries import MAJOR_VERSION
from darkhorses.store.errors import EmbeddedServerError

SUPERUSER = "postgres"
PORT = 5432
_LONGEST_SOCKET = 100
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._/+~@=-]+")
_START_SECONDS = 120
_STARTUP_LOG = "startup.log"
_PAUSE = 0.02

_CONFIGURATION = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_checkpoints": "off",
}
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postmaster(msgspec.Struct, frozen=True, kw_only=True):
    """A live server process: its state as it says itself, and where it listens."""

    pid: int
    status: str
    socket_directory: Path


class Cluster:
    """A directory with PostgreSQL's data, and the account and programs that run it."""

    def __init__(self, directory: Path, account: Account, programs: Path, *, durable: bool) -> None:
        self.directory = directory
        self._account = account
        self._programs = programs
        self._configuration = _CONFIGURATION if durable else _CONFIGURATION | _FORGETFUL
        self._durable = durable

    def make(self) -> None:
        """Make the cluster unless it is there; raises EmbeddedServerError on another version."""
        marker = self.directory / "PG_VERSION"
        if marker.exists():
            found = marker.read_text().strip()
            if found != str(MAJOR_VERSION):
                raise _wrong_version(self.directory, found)
            return
        self._refuse_older_cluster()
        partial = self.directory.with_name(f"{self.directory.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        self._account.own(partial)
        self._command(
            "initdb",
            "--pgdata",
            partial,
            f"--username={SUPERUSER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            *([] if self._durable else ["--no-sync"]),
        )
        partial.rename(self.directory)

    def run(self) -> Postmaster:
        """The running server, started unless it runs already."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            postmaster = self.postmaster()
            if postmaster is None:
                self._launch(deadline)
            elif postmaster.status == "ready":
                return postmaster
            else:
                time.sleep(_PAUSE)
        raise EmbeddedServerError(
            f"the embedded PostgreSQL in {self.directory} was not ready within {_START_SECONDS} s"
        )

    def stop(self) -> None:
        """Stop the server; connections are cut, what was committed is kept."""
        postmaster = self.postmaster()
        if postmaster is None:
            return
        self._command("pg_ctl", "stop", f"--pgdata={self.directory}", "--mode=fast", "--wait")
        if postmaster.socket_directory != self.directory:
            shutil.rmtree(postmaster.socket_directory, ignore_errors=True)

    def postmaster(self) -> Postmaster | None:
        """The live server of this cluster; None when there is none, whatever a stale file says."""
        path = self.directory / "postmaster.pid"
        pid = _pid_in(path)
        if pid is None or not self._is_ours(pid):
            return None
        try:
            lines = path.read_text().splitlines()
        except FileNotFoundError:
            return None
        complete = len(lines) >= 8  # noqa: PLR2004  # the eighth line, the status, comes last
        return Postmaster(
            pid=pid,
            status=lines[7].strip() if complete else "starting",
            socket_directory=Path(lines[4]) if complete else self.directory,
        )

    def ensure_database(self, name: str, postmaster: Postmaster) -> None:
        """Create a database unless it is there."""
        result = self._account.run(
            self._programs / "createdb",
            f"--host={postmaster.socket_directory}",
            f"--port={PORT}",
            f"--username={SUPERUSER}",
            name,
        )
        if result.returncode != 0 and "already exists" not in result.stderr:
            raise EmbeddedServerError(
                f"the embedded PostgreSQL cannot make its database: {result.stderr.strip()}"
            )

    def _is_ours(self, pid: int) -> bool:
        # Every process of a server works in its data directory; a pid that was given to somebody
        # else, as happens soon in containers, belongs to a process that does not.
        process = Path(f"/proc/{pid}")
        try:
            return (process / "comm").read_text().strip() == "postgres" and (
                process / "cwd"
            ).samefile(self.directory)
        except OSError:
            return False

    def _launch(self, deadline: float) -> None:
        self._clear_remains(deadline)
        options: list[str] = []
        sockets = {"unix_socket_directories": str(self._socket_directory())}
        for name, value in (self._configuration | sockets).items():
            options += ["-c", f"{name}={value}"]
        known = self._log_sizes()
        result = self._account.run(
            *(self._programs / "pg_ctl", "start", f"--pgdata={self.directory}"),
            *("--wait", f"--timeout={_START_SECONDS}"),
            f"--log={self.directory / _STARTUP_LOG}",
            f"--options={shlex.join(options)}",
            timeout=_START_SECONDS + 10,
        )
        if result.returncode != 0:
            reason = self._logged_since(known) or result.stderr
            raise EmbeddedServerError(
                f"the embedded PostgreSQL in {self.directory} does not start: {reason[-2000:]}"
            )

    def _clear_remains(self, deadline: float) -> None:
        """See a killed server out: its children go first, then what claims that it lives."""
        while pids := [pid for pid in _processes() if self._is_ours(pid)]:
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"processes of a server that was killed still work in {self.directory}: "
                    f"end them ({', '.join(map(str, pids))})"
                )
            time.sleep(_PAUSE)
        for claim in (
            self.directory / "postmaster.pid",
            self._socket_directory() / f".s.PGSQL.{PORT}.lock",
        ):
            self._refuse_foreign_server(claim)
            # PostgreSQL forgets a dead pid by itself, but not one that another process has got,
            # nor one that nobody has reaped.
            pid = _pid_in(claim)
            if pid is not None and Path(f"/proc/{pid}").exists():
                claim.unlink(missing_ok=True)

    def _refuse_foreign_server(self, claim: Path) -> None:
        if not claim.exists():
            return
        path = self._socket_directory() / f".s.PGSQL.{PORT}"
        with socket.socket(socket.AF_UNIX) as connection:
            if connection.connect_ex(str(path)) == 0:
                raise EmbeddedServerError(
                    f"{self.directory} is in use by a PostgreSQL of another container: share one "
                    f"database by setting DATABASE_URL"
                )

    def _log_sizes(self) -> dict[Path, int]:
        (self.directory / _STARTUP_LOG).unlink(missing_ok=True)
        return {path: path.stat().st_size for path in self.directory.glob("log/*.log")}

    def _logged_since(self, known: dict[Path, int]) -> str:
        """What the server said since then: at first beside, then in its own rotated logs."""
        said = b""
        for path in (self.directory / _STARTUP_LOG, *sorted(self.directory.glob("log/*.log"))):
            if path.exists():
                said += path.read_bytes()[known.get(path, 0) :]
        return said.decode(errors="replace").strip()

    def _socket_directory(self) -> Path:
        if _fits(self.directory):
            return self.directory
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:12]
        name = f"darkhorses-{self._account.uid}-{digest}"
        for parent in _short_directories(self._account):
            if parent.is_dir() and os.access(parent, os.W_OK) and _fits(parent / name):
                return self._private_directory(parent / name)
        raise EmbeddedServerError(
            f"the path {self.directory} is too long for a socket, and there is no temporary "
            f"directory with a shorter one: set DARKHORSES_DATA_DIR to a shorter path"
        )

    def _private_directory(self, path: Path) -> Path:
        try:
            path.mkdir(mode=0o700)
            self._account.own(path)
        except FileExistsError:
            found = path.lstat()
            if (
                not stat.S_ISDIR(found.st_mode)
                or found.st_uid != self._account.uid
                or stat.S_IMODE(found.st_mode) != 0o700  # noqa: PLR2004
            ):
                raise EmbeddedServerError(
                    f"{path} is not a private directory of ours: remove it, or set "
                    f"DARKHORSES_DATA_DIR to a shorter path"
                ) from None
        return path

    def _refuse_older_cluster(self) -> None:
        for marker in self.directory.parent.glob("postgres[0-9]*/PG_VERSION"):
            if marker.parent != self.directory and not marker.parent.name.endswith(".partial"):
                raise _wrong_version(marker.parent, marker.read_text().strip())

    def _command(self, program: str, *arguments: str | Path) -> None:
        result = self._account.run(self._programs / program, *arguments)
        if result.returncode != 0:
            said = (result.stderr.strip() or result.stdout.strip())[-2000:]
            raise EmbeddedServerError(f"{program} of the embedded PostgreSQL failed: {said}")


def _pid_in(path: Path) -> int | None:
    try:
        return int(path.read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _fits(directory: Path) -> bool:
    path = str(directory / f".s.PGSQL.{PORT}")
    return len(os.fsencode(path)) < _LONGEST_SOCKET and _PLAIN_PATH.fullmatch(path) is not None


def _short_directories(account: Account) -> list[Path]:
    runtime = Path("/run") if account.is_other else Path(f"/run/user/{account.uid}")
    return [runtime, Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108  # made private


def _wrong_version(directory: Path, found: str) -> EmbeddedServerError:
    return EmbeddedServerError(
        f"{directory} holds data of PostgreSQL {found}, and this DarkHorses brings "
        f"{MAJOR_VERSION}: export it with the DarkHorses that made it, or move it away"
    )
