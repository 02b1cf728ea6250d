"""The SQL of ``sql/*.sql`` by its name, of which there is one over all files."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import aiosql

queries: Any = aiosql.from_path(
    Path(str(files("darkhorses.store"))) / "sql", "asyncpg", mandatory_parameters=False
)
