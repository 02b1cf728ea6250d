"""The SQL of ``sql/*.sql`` by file and name: ``queries.races.races_from_day(connection, …)``."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import aiosql

queries: Any = aiosql.from_path(Path(str(files("darkhorses.store"))) / "sql", "asyncpg")
