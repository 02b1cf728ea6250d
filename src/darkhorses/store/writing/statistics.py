"""The one way into the sums of statistics: a stretch of the log, a day, or a few races at a time.

Every transaction is fenced, small, and as a whole or not at all, so that a run can be cut off
anywhere and the next one goes on from there.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta

import msgspec

from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.price_moves import RaceMeasure
from darkhorses.domain.statistics import Metric
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries
from darkhorses.store.statistics import Statistics
from darkhorses.store.writing.lease import Lease, writing_transaction

CHANGES_AT_ONCE = 100_000
"""Price changes in one transaction: about a second's."""

_STATEMENT_LIMIT = "15s"
_HOURLY_AFTER = timedelta(days=2)
_DAILY_AFTER = timedelta(days=60)


class RaceToMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """A race past its off whose log has grown since it was measured, as it is stored."""

    race_id: RaceId
    race_date: date
    newest_change_id: int
    off_dt: datetime
    race_status: str | None
    is_abandoned: bool
    odds_changed_at: datetime | None


class MeasuredRace(msgspec.Struct, frozen=True, kw_only=True):
    """A race and what its log said, up to ``race.newest_change_id`` at least."""

    race: RaceToMeasure
    measure: RaceMeasure


@asynccontextmanager
async def _transaction(database: Database, lease: Lease) -> AsyncIterator[Connection]:
    async with writing_transaction(database, lease) as connection:
        await queries.statistics_limits(connection, statement_timeout=_STATEMENT_LIMIT)
        yield connection


async def count_changes(
    database: Database, lease: Lease, *, up_to: int = CHANGES_AT_ONCE
) -> int | None:
    """Add the next stretch of the change log to the sums; None when all of it is counted.

    The answer is how many changes there were among the next ``up_to`` numbers.
    """
    async with _transaction(database, lease) as connection:
        after: int = await queries.statistics_cursor(connection)
        newest: int = await queries.statistics_newest_change(connection)
        if newest <= after:
            return None
        until = min(after + up_to, newest)
        months = await queries.statistics_months(connection, after=after, up_to=until)
        number: int = await queries.statistics_count_changes(
            connection,
            after=after,
            up_to=until,
            # Where all numbers of the stretch were taken back, no day has any.
            first_day=months["first_day"] or date.min,
            end_day=months["end_day"] or date.min,
        )
        return number


async def count_past_days(database: Database, lease: Lease, *, up_to: int) -> int:
    """Count past days of which the ledger says something new; how many there were.

    A day that is written meanwhile is counted by the older words, and so once more later.
    """
    async with _transaction(database, lease) as connection:
        days = [row async for row in queries.statistics_days_to_count(connection, up_to=up_to)]
        for day in days:
            key = {"race_date": day["race_date"], "region": day["region"]}
            rows = queries.statistics_races_of_past_day(connection, **key)
            race_ids = [row["race_id"] async for row in rows]
            await queries.statistics_forget_past_races(connection, race_ids=race_ids)
            await queries.statistics_count_past_races(connection, race_ids=race_ids)
            await queries.statistics_note_past_day(
                connection, **key, attempts=day["attempts"], checked_at=day["checked_at"]
            )
        return len(days)


async def races_to_measure(
    connection: Connection, *, now: datetime, up_to: int
) -> list[RaceToMeasure]:
    """Races past their off that were not measured, or have grown since, the oldest first."""
    rows = queries.statistics_races_to_measure(connection, now=now, up_to=up_to)
    return [RaceToMeasure(**dict(row)) async for row in rows]


async def write_measures(
    database: Database, lease: Lease, measured: Sequence[MeasuredRace]
) -> None:
    """Put what races' logs said in the place of what they said before."""
    races = [
        {
            "race_id": one.race.race_id,
            "measured_change_id": one.race.newest_change_id,
            "runners": one.measure.runners,
            "priced_runners": one.measure.priced_runners,
            "best_book": one.measure.best_book,
            "market_moves": one.measure.market_moves,
        }
        for one in measured
    ]
    bookmakers = [
        msgspec.structs.asdict(bookmaker)
        | {"race_id": one.race.race_id, "race_date": one.race.race_date}
        for one in measured
        for bookmaker in one.measure.bookmakers
    ]
    async with _transaction(database, lease) as connection:
        await queries.statistics_note_measures(
            connection, races=msgspec.json.encode(races).decode()
        )
        await queries.statistics_forget_measures(
            connection, race_ids=[one.race.race_id for one in measured]
        )
        await queries.statistics_write_measures(
            connection, measures=msgspec.json.encode(bookmakers).decode()
        )


async def store_statistics(
    database: Database,
    lease: Lease,
    statistics: Statistics,
    headlines: dict[Metric, float | None],
) -> None:
    """Store the newest figures, keep the headlines of this run, and thin those of old ones."""
    at = statistics.computed_at
    async with _transaction(database, lease) as connection:
        await queries.statistics_store(
            connection,
            computed_at=at,
            change_id=statistics.change_id,
            past_days_counted=statistics.past_days_counted,
            live=msgspec.json.encode(statistics.live).decode(),
            historical=msgspec.json.encode(statistics.historical).decode(),
        )
        await queries.statistics_keep_snapshot(
            connection, computed_at=at, figures=msgspec.json.encode(headlines).decode()
        )
        await queries.statistics_thin_snapshots(
            connection, hourly_before=at - _HOURLY_AFTER, daily_before=at - _DAILY_AFTER
        )
