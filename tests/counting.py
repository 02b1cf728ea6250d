"""A market and past days to count, put into the tables in few words, and the sums as they stand."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from darkhorses.domain.london import race_day
from darkhorses.domain.statistics import LiveFigures, PastFigures
from darkhorses.store.pool import Connection, Database
from darkhorses.store.statistics import current_statistics
from darkhorses.store.writing.lease import Lease, acquire
from darkhorses.worker.statistics import Refreshed, Updater
from tests.market import NOON, StoppedClock, price

SUMS = (
    "statistics_progress",
    "statistics_counts",
    "statistics_entities",
    "statistics_hours",
    "statistics_races",
    "statistics_race_bookmakers",
    "statistics_past_days",
    "statistics_past_races",
)
OFF = NOON + timedelta(hours=1)


class Change(msgspec.Struct, frozen=True):
    """A price change to log: by minute before the off, a price as text or None for a pulled one."""

    race_id: str
    horse: str
    bookmaker: str
    minutes: float
    price: str | None
    source: str = "poll"


class Desk:
    """Writes what is to be counted, and counts it."""

    def __init__(self, database: Database, lease: Lease) -> None:
        self.database = database
        self.lease = lease
        self.clock = StoppedClock(OFF + timedelta(hours=2))

    @classmethod
    async def leading(cls, database: Database) -> "Desk":
        async with database.connection() as connection:
            lease = await acquire(connection, "live", "tests", ttl=timedelta(hours=1))
        assert lease is not None
        return cls(database, lease)

    async def refresh(self, *, changes_at_once: int = 1000) -> Refreshed:
        updater = Updater(
            self.database,
            clock=self.clock,
            card_interval=timedelta(seconds=60),
            changes_at_once=changes_at_once,
        )
        return await updater.refresh(self.lease)

    async def figures(self) -> tuple[LiveFigures, PastFigures]:
        async with self.database.connection() as connection:
            found = await current_statistics(connection)
        assert found is not None
        return found.live, found.historical

    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *values)]

    async def sums(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every sum."""
        return {
            table: sorted(await self.rows(f"SELECT * FROM {table}"), key=repr)  # noqa: S608  # our own names
            for table in SUMS
        }

    async def forget_sums(self) -> None:
        """Count nothing, as before the first run."""
        async with self.database.transaction() as connection:
            await connection.execute(f"TRUNCATE {', '.join(SUMS)}, statistics_current")
            await connection.execute("INSERT INTO statistics_progress DEFAULT VALUES")

    async def race(
        self,
        race_id: str,
        *horses: str,
        off_dt: datetime = OFF,
        course: str = "Hereford",
        status: str | None = "result",
    ) -> None:
        """A race and its runners."""
        await self.rows(
            "INSERT INTO ra_races (race_id, race_date, off_dt, off_time, course_id, course, region,"
            " race_name, race_status, checked_at, revision)"
            " VALUES ($1, $2, $3, '1:00', 'crs_' || $4, $4, 'GB', 'A Race', $5, $3, 1)",
            race_id,
            race_day(off_dt),
            off_dt,
            course,
            status,
        )
        await self.rows(
            "INSERT INTO ra_runners (race_id, horse_id, horse_name, revision)"
            " SELECT $1, name, name, 1 FROM unnest($2::text[]) AS name",
            race_id,
            list(horses),
        )

    async def bookmakers(self, *ids: str, exchanges: Iterable[str] = ()) -> None:
        for kind, named in (("fixed", ids), ("exchange", exchanges)):
            await self.rows(
                "INSERT INTO ra_bookmakers (bookmaker_id, bookmaker_name, bookmaker_type)"
                " SELECT id, initcap(id), $1 FROM unnest($2::text[]) AS id",
                kind,
                list(named),
            )

    async def log(self, *changes: Change, off_dt: datetime = OFF) -> None:
        """Append changes to the log, in this order."""
        async with self.database.connection() as connection:
            await log_changes(connection, changes, off_dt=off_dt)

    async def past_day(self, day: date, *runners: "PastRunner", region: str = "gb") -> None:
        """Write a past day as a reading of it does: its rows and its ledger in one transaction."""
        async with self.database.transaction() as connection:
            for runner in runners:
                await connection.execute(
                    _PAST_RUNNER, day, region.upper(), *msgspec.structs.astuple(runner)
                )
            await connection.execute(
                "INSERT INTO race_days AS day (race_date, region, cards, results, attempts,"
                " checked_at) VALUES ($1, $2, 'complete', 'complete', 1, $3)"
                " ON CONFLICT (race_date, region) DO UPDATE SET attempts = day.attempts + 1",
                day,
                region,
                datetime(2026, 6, 21, tzinfo=UTC),
            )


class PastRunner(msgspec.Struct, frozen=True):
    """A runner of a past race; ``sp`` None for a non-runner."""

    race_id: str
    horse_id: str
    position: int | None
    sp: float | None = None
    favourite: int | None = None
    returned: float = 0.0
    tied: int | None = None
    course: str = "Hereford"
    race_class: str | None = "Class 4"


_PAST_RUNNER = """
    INSERT INTO ra_odds_historical (
        date_of_race, country, race_id, horse_id, position_no, finishing_position, industry_sp,
        is_non_runner, sp_favorite_position, sp_win_return, dead_heat_count, track, course_id,
        race_class, off_dt, race_time, race_name, runners_count, horse_name, jockey_id, trainer_id,
        opening_price, closing_price, data_source
    )
    VALUES (
        $1, $2, $3, $4, $5::int,
        coalesce($5::int::text, CASE WHEN $6::float IS NOT NULL THEN 'PU' END),
        $6::float, $6::float IS NULL, $7, $8::float, $9, $10::text, 'crs_' || $10::text, $11,
        $1::date + time '13:00', '13:00', 'A Race', 0, $4, 'jky_' || right($4, 1),
        'trn_' || right($4, 1), $6::float, $6::float, 'card'
    )
    ON CONFLICT (race_id, horse_id) DO UPDATE
    SET date_of_race = excluded.date_of_race,
        position_no = excluded.position_no,
        finishing_position = excluded.finishing_position,
        sp_win_return = excluded.sp_win_return,
        sp_favorite_position = excluded.sp_favorite_position
"""


async def log_changes(
    connection: Connection, changes: Iterable[Change], *, off_dt: datetime = OFF
) -> None:
    rows = []
    for change in changes:
        told = None if change.price is None else price(change.price)
        at = off_dt - timedelta(minutes=change.minutes)
        rows.append(
            (
                race_day(off_dt),
                change.race_id,
                change.horse,
                change.bookmaker,
                None if told is None else told.decimal,
                None if told is None else told.fractional,
                at,
                at + timedelta(seconds=20),
                change.source,
            )
        )
    await connection.executemany(
        "INSERT INTO ra_odds_changes (race_date, race_id, horse_id, bookmaker_id, odds_decimal,"
        " odds_fractional, changed_at, seen_at, source)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        rows,
    )
