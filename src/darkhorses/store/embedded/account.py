"""Who the embedded PostgreSQL runs as: we ourselves, or for root a system user."""

import os
import pwd
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Self

import msgspec

from darkhorses.store.embedded.locks import FileLock
from darkhorses.store.errors import EmbeddedServerError

SYSTEM_USER = "darkhorses"
SYSTEM_DIRECTORY = Path("/var/lib/darkhorses")
"""Where root's data and everything of that user's is."""

_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A user of this machine; ``is_other`` when it is not the one that we run as."""

    uid: int
    gid: int
    is_other: bool

    @classmethod
    def choose(cls) -> Self:
        """Our own account, or for root the system user ``darkhorses``, made when missing."""
        if os.geteuid() != 0:
            return cls(uid=os.geteuid(), gid=os.getegid(), is_other=False)
        entry = _system_user()
        return cls(uid=entry.pw_uid, gid=entry.pw_gid, is_other=True)

    def run(self, *command: str | Path, timeout: float = 120) -> "subprocess.CompletedProcess[str]":
        """Run a command as this account, away from our terminal and our folder."""
        return subprocess.run(  # noqa: S603  # our own commands, never a shell's text from outside
            [str(part) for part in command],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            cwd="/",
            env=_ENVIRONMENT,
            timeout=timeout,
            start_new_session=True,
            user=self.uid if self.is_other else None,
            group=self.gid if self.is_other else None,
            extra_groups=[] if self.is_other else None,
        )

    def can_enter(self, directory: Path) -> bool:
        """Whether this account may pass through the directory and every folder above it."""
        return self.run("/bin/sh", "-c", 'test -x "$1"', "sh", directory).returncode == 0

    def own(self, path: Path) -> None:
        """Make a path of ours this account's."""
        if self.is_other:
            os.chown(path, self.uid, self.gid)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    try:
        ensure_open_directory(SYSTEM_DIRECTORY)
        # Two useradd at once may write one user with two numbers, the first of them for nothing.
        lock = FileLock(SYSTEM_DIRECTORY / "account.lock")
        lock.acquire(timeout=timedelta(minutes=1))
        try:
            return _make_system_user()
        finally:
            lock.release()
    except (OSError, subprocess.SubprocessError) as error:
        raise _no_user(str(error)) from error


def ensure_open_directory(directory: Path) -> None:
    """Make a directory that everybody may enter; one that is there is left as it is."""
    if not directory.exists():
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)


def _make_system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)  # another process was first
    except KeyError:
        command = ["useradd", "--system", "--user-group", "--no-create-home"]
        command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        made = subprocess.run(  # noqa: S603
            command, check=False, capture_output=True, text=True, timeout=60
        )
        said = made.stderr.strip()
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise _no_user(said) from None


def _no_user(reason: str) -> EmbeddedServerError:
    return EmbeddedServerError(
        f"PostgreSQL does not run as root, and a system user {SYSTEM_USER} for it cannot be made "
        f"({reason}): make one with useradd --system {SYSTEM_USER}, run darkhorses as another "
        f"user, or set DATABASE_URL"
    )
