"""Locks on files that end with their process, however it ends."""

import fcntl
import os
import time
from datetime import timedelta
from pathlib import Path
from weakref import WeakSet

from darkhorses.store.errors import EmbeddedServerError

_PAUSE = 0.02


class FileLock:
    """An ``flock`` on a file of its own; held by this process and not by its forked children."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def __repr__(self) -> str:
        return f"FileLock({str(self.path)!r}, held={self.is_held})"

    @property
    def is_held(self) -> bool:
        """Whether this process holds it, shared or exclusive."""
        return self._descriptor is not None

    def acquire(self, *, shared: bool = False, timeout: timedelta) -> None:
        """Take the lock; raises EmbeddedServerError when others keep it for longer than that."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + timeout.total_seconds()
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        while not _try(descriptor, kind):
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise EmbeddedServerError(
                    f"another process has been starting or stopping the embedded PostgreSQL for "
                    f"{timeout.total_seconds():.0f} s; find it with: fuser {self.path}"
                )
            time.sleep(_PAUSE)
        self._descriptor = descriptor
        _held.add(self)

    def try_exclusive(self) -> bool:
        """Turn a shared lock into an exclusive one; False when others share it."""
        return self._descriptor is not None and _try(self._descriptor, fcntl.LOCK_EX)

    def release(self) -> None:
        """Give the lock back; forked children that still have the file open do not keep it."""
        descriptor, self._descriptor = self._descriptor, None
        _held.discard(self)
        if descriptor is not None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def _forget(self) -> None:
        # A forked child shares its parent's lock: it drops the file and leaves the lock alone.
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


_held: WeakSet[FileLock] = WeakSet()


def _forget_in_child() -> None:
    for lock in list(_held):
        lock._forget()  # noqa: SLF001  # the other half of this module
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)
