"""What became of the earlier system's tables: which were moved, and what was brought over."""

import msgspec

from darkhorses.store.earlier_tables import (
    LEGACY,
    Dependent,
    EarlierTable,
    find_earlier_tables,
    legacy_dependents,
)
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

BROUGHT, LEFT, FACT_LEFT_OUT = "brought", "left", "fact_left_out"


class AdoptedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table that was moved: every row is kept there, and was brought over or left for a reason.

    ``facts_left_out`` counts values, by column, of rows that were brought over without them.
    """

    name: str
    kept_as: str
    rows_kept: int
    rows_brought: int
    rows_left: dict[str, int]
    facts_left_out: dict[str, int]
    finished: bool

    @property
    def rows_seen(self) -> int:
        """Rows of which it is known what became of them: all of them in the end."""
        return self.rows_brought + sum(self.rows_left.values())


class Adoption(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the adoption of an earlier system stands.

    ``waiting`` are tables that the next `darkhorses migrate` will adopt.
    """

    tables: tuple[AdoptedTable, ...] = ()
    dependents: tuple[Dependent, ...] = ()
    waiting: tuple[EarlierTable, ...] = ()

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing to be done any more."""
        return not self.waiting and all(table.finished for table in self.tables)


async def current_adoption(connection: Connection) -> Adoption | None:
    """How it stands; None where there never was an earlier system."""
    if not await queries.migrations_recorded(connection):
        waiting = await find_earlier_tables(connection)
        return Adoption(waiting=waiting) if waiting else None
    if not await queries.adoption_recorded(connection):
        return None
    outcomes: dict[tuple[str, str], dict[str, int]] = {}
    async for row in queries.adoption_outcomes(connection):
        of_table = outcomes.setdefault((row["table_name"], row["outcome"]), {})
        of_table[row["reason"]] = row["counted"]
    tables = [
        AdoptedTable(
            name=row["table_name"],
            kept_as=f"{LEGACY}.{row['table_name']}",
            rows_kept=row["rows_kept"],
            rows_brought=sum(outcomes.get((row["table_name"], BROUGHT), {}).values()),
            rows_left=outcomes.get((row["table_name"], LEFT), {}),
            facts_left_out=outcomes.get((row["table_name"], FACT_LEFT_OUT), {}),
            finished=row["finished"],
        )
        async for row in queries.adopted_tables(connection)
    ]
    if not tables:
        return None
    return Adoption(tables=tuple(tables), dependents=await legacy_dependents(connection))
