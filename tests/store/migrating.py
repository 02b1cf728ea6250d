"""A database on its way: the migrations as they were when one of them was the newest."""

import shutil
from pathlib import Path

from darkhorses.store.migrations import migrations_directory


def migrations_up_to(name: str, directory: Path, *, inclusive: bool) -> Path:
    """The migrations before one of them, or with it too, copied into a new directory."""
    directory.mkdir()
    for file in migrations_directory().glob("*.sql"):
        if file.stem < name or (inclusive and file.stem == name):
            shutil.copy(file, directory)
    return directory
