"""The change log as a folder of days, by the commands and the SQL of the documentation."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from darkhorses.store.pool import Connection
from tests.history import fill_changes
from tests.operation.runbooks import DOCS, commands_under, typed

FIRST_DAY = date(2026, 6, 20)
DAYS = (FIRST_DAY, FIRST_DAY + timedelta(days=1))

_SAME = """
    SELECT race_date, count(*), count(odds_decimal), sum(odds_decimal)
    FROM ra_odds_changes WHERE race_date = ANY ($1) GROUP BY 1 ORDER BY 1
"""


def _sql_of(document: str) -> str:
    text = (DOCS / document).read_text()
    (sql,) = re.findall(r"^```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(sql)


async def test_two_days_are_written_and_read_as_the_documentation_says(
    connection: Connection, database_url: str, tmp_path: Path
) -> None:
    await fill_changes(connection, 22_000, first_day=FIRST_DAY)
    commands = commands_under("scaling.md", "The change log elsewhere")
    assert "day=2026-06-20\n" in commands
    for day in DAYS:
        of_day = commands.replace("day=2026-06-20\n", f"day={day}\n")
        await typed(of_day, tmp_path, DATABASE_URL=database_url)

    expected = [tuple(row) for row in await connection.fetch(_SAME, DAYS)]
    sql = _sql_of("scaling.md")
    with duckdb.connect() as duck:
        duck.execute("SET file_search_path = $1", [str(tmp_path)])
        found: list[Any] = duck.sql(sql).fetchall()
        plan = duck.sql(sql).filter(f"day = DATE '{DAYS[1]}'").explain("analyze")

    assert [row[0] for row in expected] == [*DAYS]
    assert [row[1] for row in expected] == [20_000, 2_000]
    assert found == expected
    assert "Total Files Read: 1" in plan
