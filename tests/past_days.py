"""What the tables of past days say, and whether they still say it."""

from typing import Any

from darkhorses.store.pool import Connection, Database

_CHECKSUMS = """
    SELECT
        (SELECT md5(coalesce(string_agg(row::text, '' ORDER BY row::text), '')) FROM (
            SELECT to_jsonb(h) - ARRAY['created_at', 'updated_at', 'match_timestamp'] AS row
            FROM ra_odds_historical AS h) AS rows),
        (SELECT md5(coalesce(string_agg(row::text, '' ORDER BY row::text), '')) FROM (
            SELECT to_jsonb(r) - ARRAY['created_at', 'updated_at'] AS row
            FROM ra_results AS r) AS rows),
        (SELECT md5(coalesce(string_agg(row::text, '' ORDER BY row::text), '')) FROM (
            SELECT to_jsonb(d) - ARRAY['attempts', 'checked_at', 'completed_at'] AS row
            FROM race_days AS d) AS rows),
        (SELECT count(*) FROM ra_odds_historical),
        (SELECT count(*) FROM ra_odds_historical_revisions)
"""


async def checksums(connection: Connection) -> tuple[Any, ...]:
    """Of historical rows, results and ledger, without times and attempts; rows and revisions."""
    (row,) = await connection.fetch(_CHECKSUMS)
    return tuple(row)


async def table(database: Database, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a query as tuples."""
    async with database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(sql, *values)]
