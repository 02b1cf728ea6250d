"""Races and runners as they are stored, with when they were looked at and their revision."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import asyncpg
import msgspec

from darkhorses.domain.identifiers import CourseId, HorseId, RaceId
from darkhorses.domain.races import Race, Runner
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

RUNNER_COLUMNS = (
    "race_id",
    "horse_id",
    "horse_name",
    "horse_number",
    "draw",
    "jockey",
    "jockey_id",
    "jockey_claim_lbs",
    "trainer",
    "trainer_id",
    "age",
    "weight_lbs",
    "headgear",
    "form",
    "official_rating",
    "silk_url",
    "is_non_runner",
    "non_runner_at",
    "is_reserve",
    "removed_at",
    "updated_at",
    "revision",
)
"""The columns of a runner in the order in which they are asked for."""


class StoredRace(msgspec.Struct, frozen=True, kw_only=True):
    """A race and what the worker noted on it.

    ``checked_at`` is when the feed was last asked about it and answered, ``odds_refreshed_at``
    the feed's own stamp, ``odds_changed_at`` when a price last changed (all UTC).
    """

    race: Race
    checked_at: datetime
    odds_refreshed_at: datetime | None
    odds_changed_at: datetime | None
    revision: int


class StoredRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A runner of a race; ``removed_at`` is set once it is no longer on the card."""

    race_id: RaceId
    runner: Runner
    non_runner_at: datetime | None
    removed_at: datetime | None
    updated_at: datetime
    revision: int


async def races_after(connection: Connection, *, revision: int, from_day: date) -> list[StoredRace]:
    """Races from a day on with a revision above the given one (0 for all), by off time."""
    rows = queries.races_after_revision(connection, revision=revision, from_day=from_day)
    return [race_from(row) async for row in rows]


async def races_of_day(connection: Connection, race_day: date) -> list[StoredRace]:
    """All races of a London race day, by off time."""
    return [race_from(row) async for row in queries.races_of_day(connection, race_day=race_day)]


async def race_with_id(connection: Connection, race_id: RaceId) -> StoredRace | None:
    """One race; None when it is not stored."""
    rows = [race_from(row) async for row in queries.race_with_id(connection, race_id=race_id)]
    return rows[0] if rows else None


async def runners_of(
    connection: Connection, race_ids: Sequence[RaceId], *, after: int = 0
) -> list[StoredRunner]:
    """Runners of these races with a revision above ``after``, removed ones included."""
    rows = queries.runners_after_revision(connection, race_ids=list(race_ids), revision=after)
    return [runner_from(row) async for row in rows]


def race_from(row: asyncpg.Record) -> StoredRace:
    """A race from its columns by name."""
    return StoredRace(
        race=Race(
            race_id=RaceId(row["race_id"]),
            race_date=row["race_date"],
            off_dt=row["off_dt"],
            off_time=row["off_time"],
            course_id=CourseId(row["course_id"]),
            course=row["course"],
            region=row["region"],
            race_name=row["race_name"],
            race_class=row["race_class"],
            race_type=row["race_type"],
            pattern=row["pattern"],
            distance=row["distance"],
            distance_f=row["distance_f"],
            going=row["going"],
            surface=row["surface"],
            age_band=row["age_band"],
            rating_band=row["rating_band"],
            prize=row["prize"],
            field_size=row["field_size"],
            race_status=row["race_status"],
            is_abandoned=row["is_abandoned"],
        ),
        checked_at=row["checked_at"],
        odds_refreshed_at=row["odds_refreshed_at"],
        odds_changed_at=row["odds_changed_at"],
        revision=row["revision"],
    )


def runner_from(row: Mapping[str, Any]) -> StoredRunner:
    """A runner from its columns by name."""
    return StoredRunner(
        race_id=RaceId(row["race_id"]),
        runner=Runner(
            horse_id=HorseId(row["horse_id"]),
            horse_name=row["horse_name"],
            horse_number=row["horse_number"],
            draw=row["draw"],
            jockey=row["jockey"],
            jockey_id=row["jockey_id"],
            jockey_claim_lbs=row["jockey_claim_lbs"],
            trainer=row["trainer"],
            trainer_id=row["trainer_id"],
            age=row["age"],
            weight_lbs=row["weight_lbs"],
            headgear=row["headgear"],
            form=row["form"],
            official_rating=row["official_rating"],
            silk_url=row["silk_url"],
            is_non_runner=row["is_non_runner"],
            is_reserve=row["is_reserve"],
        ),
        non_runner_at=row["non_runner_at"],
        removed_at=row["removed_at"],
        updated_at=row["updated_at"],
        revision=row["revision"],
    )
