"""Results of races, with what was said of them before."""

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.past_races import StoredResult, StoredWinner
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

_exact = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


class StoredRevision(msgspec.Struct, frozen=True, kw_only=True):
    """A correction of a runner's row: the columns that changed, with what they ``said`` before."""

    horse_id: HorseId
    superseded_at: datetime
    said: dict[str, Any]


class WithoutResult(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a race that has no result."""

    is_known: bool
    is_void: bool


class ResultFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Race days of London, both included; names are compared without regard to case."""

    from_day: date = date.min
    to_day: date = date.max
    course: str | None = None
    region: str | None = None


async def results_page(
    connection: Connection, filters: ResultFilters, *, limit: int, offset: int
) -> list[StoredResult]:
    """Results by day and off time, the newest first."""
    rows = queries.results_page(
        connection, **msgspec.structs.asdict(filters), row_limit=limit, row_offset=offset
    )
    return [_stored(row) async for row in rows]


async def winners_of(
    connection: Connection, race_ids: Collection[RaceId]
) -> dict[RaceId, list[StoredWinner]]:
    """Who won these races; a race that nobody won is left out."""
    winners: dict[RaceId, list[StoredWinner]] = {}
    async for row in queries.winners_of_races(connection, race_ids=list(race_ids)):
        winner = StoredWinner(**row)
        winners.setdefault(winner.race_id, []).append(winner)
    return winners


async def result_of(connection: Connection, race_id: RaceId) -> StoredResult | None:
    """A race's result, or None."""
    row = await queries.result_of_race(connection, race_id=race_id)
    return None if row is None else _stored(row)


async def revisions_of(connection: Connection, race_id: RaceId) -> list[StoredRevision]:
    """What was corrected in a race's rows, the newest correction first; numbers stay exact."""
    return [
        StoredRevision(
            horse_id=HorseId(row["horse_id"]),
            superseded_at=row["superseded_at"],
            said=_exact.decode(row["said"]),
        )
        async for row in queries.revisions_of_race(connection, race_id=race_id)
    ]


async def without_result(connection: Connection, race_id: RaceId) -> WithoutResult:
    """What is known of a race that has no result."""
    return WithoutResult(**await queries.race_without_result(connection, race_id=race_id))


def _stored(row: asyncpg.Record) -> StoredResult:
    return msgspec.convert(dict(row) | {"tote": msgspec.json.decode(row["tote"])}, StoredResult)
