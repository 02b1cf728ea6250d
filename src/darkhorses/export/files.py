"""Exports into files that are whole or are not there."""

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from darkhorses.domain.errors import DarkHorsesError


class CannotWriteError(DarkHorsesError):
    """The file of an export cannot be written; nothing stands under its name."""


async def write_whole(pieces: AsyncGenerator[bytes], path: Path, *, replace: bool = True) -> int:
    """Write all pieces under another name and give the file its own last; its size in bytes.

    What stood there before stays until then, and for ever without ``replace``. Raises
    CannotWriteError, and whatever the pieces raise.
    """
    if not replace:
        refuse_taken(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        async with aclosing(pieces):
            with partial.open("wb") as file:
                async for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
        _settle(partial, path, replace=replace)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise CannotWriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return size


def refuse_taken(path: Path) -> None:
    """Raise CannotWriteError where something has this name already."""
    if path.exists():
        raise _exists(path)


def _settle(partial: Path, path: Path, *, replace: bool) -> None:
    if replace:
        partial.replace(path)
    else:
        path.hardlink_to(partial)  # unlike a renaming, it refuses a name that is taken
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _exists(path: Path) -> CannotWriteError:
    return CannotWriteError(f"{path} exists already; it is left as it is: choose another name")
