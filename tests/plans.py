"""Plans of the database, as EXPLAIN (FORMAT JSON) tells them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from darkhorses.store.pool import Connection


def scans_of(table: str, plan: Any) -> list[str]:
    """The kinds of nodes of a plan that read a table, anywhere in it."""
    return [kind for name, kind in scans(plan) if name == table]


def scans(plan: Any) -> list[tuple[str, str]]:
    """The tables that a plan reads anywhere in it, each with the kind of node."""
    if isinstance(plan, list):
        return [scan for part in plan for scan in scans(part)]
    if not isinstance(plan, dict):
        return []
    mine = [(plan["Relation Name"], plan["Node Type"])] if "Relation Name" in plan else []
    return mine + scans(list(plan.values()))


def scans_of_log(plan: Any) -> dict[str, str]:
    """The months of the change log that a plan reads, each with the kind of node."""
    return {name: kind for name, kind in scans(plan) if name.startswith("ra_odds_changes_")}


@asynccontextmanager
async def scans_done_of_log(connection: Connection) -> AsyncIterator[dict[str, str]]:
    """The months of the change log that are read meanwhile, by index or not; told at the end.

    What a function asks is in no plan, but it is counted.
    """
    await connection.execute("SELECT pg_stat_force_next_flush()")
    done: dict[str, str] = {}
    async with connection.transaction():
        yield done
        rows = await connection.fetch(
            "SELECT relname, seq_scan FROM pg_stat_xact_user_tables"
            " WHERE relname ~ '^ra_odds_changes_' AND seq_scan + idx_scan > 0 ORDER BY relname"
        )
    done |= {row["relname"]: "Seq Scan" if row["seq_scan"] else "Index Scan" for row in rows}
