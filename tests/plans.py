"""Plans of the database, as EXPLAIN (FORMAT JSON) tells them."""

from typing import Any


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
