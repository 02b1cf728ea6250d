"""What PostgreSQL says of a statement that it has run."""

from typing import Any


def rows_of(command_tag: Any) -> int:
    """How many rows a statement wrote: 1 of ``UPDATE 1``."""
    return int(str(command_tag).rpartition(" ")[2])
