import re
from collections import Counter
from pathlib import Path

import darkhorses.store

SQL = Path(darkhorses.store.__path__[0]) / "sql"
DEFINITION = re.compile(r"^-- name: *([\w-]+).*\n(.*)", re.MULTILINE)


def definitions() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for path in sorted(SQL.glob("*.sql")):
        found += DEFINITION.findall(path.read_text())
    return found


def test_no_query_takes_anothers_name() -> None:
    counts = Counter(name for name, _ in definitions())

    assert [name for name, count in counts.items() if count > 1] == []
    assert len(counts) > 10


def test_every_query_says_in_a_sentence_what_it_is_for() -> None:
    assert [name for name, line in definitions() if not re.match(r"-- [A-Z].*", line)] == []
