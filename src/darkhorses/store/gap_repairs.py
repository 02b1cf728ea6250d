"""The ledger of gap repairs: how complete the path of a race is, and how late polls were.

Source of truth: ``ra_gap_repairs``, a row per race that was asked about or that an outage touched.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

import msgspec

from darkhorses.domain.gaps import LogEntry
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.market_at import ChangeSource
from darkhorses.domain.races import QuoteKey
from darkhorses.domain.repairs import Lag, Occasion, RepairableRace, RepairState
from darkhorses.store.odds import stored_price
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

REPAIR_COLUMNS = (
    "race_id",
    "race_date",
    "region",
    "occasion",
    "state",
    "outage_from",
    "outage_to",
    "runners_asked",
    "runners_not_found",
    "runners_failed",
    "points",
    "seen",
    "added",
    "unplaced",
    "lag_count",
    "lag_median_seconds",
    "lag_p90_seconds",
    "lag_max_seconds",
    "reason",
    "started_at",
    "repaired_at",
)
"""The columns of a row of the ledger in the order in which they are asked for."""


class GapRepair(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the ledger (times UTC); the figures are of the last repair, 0 before the first.

    ``points`` are the price changes in the feed's history over all quotes; ``seen`` those that
    polls saw in time, ``unplaced`` those that are not in the log, ``added`` entries that
    repairs brought into the log. A repair on the occasion of an outage covers the market up to
    ``outage_to`` and is followed by the final one. ``reason`` says what is not whole.
    """

    race_id: RaceId
    race_date: date
    region: str
    occasion: Occasion
    state: RepairState
    outage_from: datetime | None
    outage_to: datetime | None
    runners_asked: int
    runners_not_found: int
    runners_failed: int
    points: int
    seen: int
    added: int
    unplaced: int
    lag: Lag | None
    reason: str | None
    started_at: datetime | None
    repaired_at: datetime | None

    @property
    def completeness_polled(self) -> float | None:
        """The share of price changes that polls saw in time; None where none is known."""
        return self.seen / self.points if self.points else None

    @property
    def completeness(self) -> float | None:
        """The share of price changes that stand in the log now; None where none is known."""
        return (self.points - self.unplaced) / self.points if self.points else None


class AskedRunner(msgspec.Struct, frozen=True, kw_only=True):
    """What the feed answered about a runner; ``history`` is a RunnerHistory as JSON.

    ``outcome`` is ``answered``, ``not_found`` or ``failed``; ``asked_at`` is the first asking.
    """

    horse_id: HorseId
    outcome: str
    asked_at: datetime
    error: str | None
    history: str | None


class QuoteLogs(msgspec.Struct, frozen=True, kw_only=True):
    """The log of a race by quote, in order of time; ``newest`` is its highest change_id, or 0."""

    entries: dict[QuoteKey, list[LogEntry]]
    newest: int


async def repairs_of(
    connection: Connection, race_ids: Collection[RaceId]
) -> dict[RaceId, GapRepair]:
    """What the ledger says of some races; those that it does not know are left out."""
    rows = queries.repairs_of_races(connection, race_ids=list(race_ids))
    return {repair.race_id: repair for repair in [repair_from(row) async for row in rows]}


async def repairable_races(
    connection: Connection, first_day: date, regions: Collection[str]
) -> list[RepairableRace]:
    """The races of some regions from a day on that have had no final repair."""
    rows = queries.repairable_races(connection, first_day=first_day, regions=list(regions))
    return [msgspec.convert(dict(row), RepairableRace) async for row in rows]


async def runners_to_repair(connection: Connection, race_id: RaceId) -> list[HorseId]:
    """The runners of a race that may have been quoted, by saddle-cloth number."""
    rows = queries.runners_to_repair(connection, race_id=race_id)
    return [HorseId(row["horse_id"]) async for row in rows]


async def runners_asked(connection: Connection, race_id: RaceId) -> dict[HorseId, AskedRunner]:
    """What the feed has answered about the runners of a race so far."""
    rows = queries.runners_asked(connection, race_id=race_id)
    asked = [msgspec.convert(dict(row), AskedRunner) async for row in rows]
    return {runner.horse_id: runner for runner in asked}


async def quote_logs_of(connection: Connection, day: date, race_id: RaceId) -> QuoteLogs:
    """A race's log, as histories are laid beside it."""
    newest = 0
    entries: dict[QuoteKey, list[LogEntry]] = {}
    async for (
        change_id,
        horse,
        bookmaker,
        decimal,
        fractional,
        at,
        seen_at,
        source,
    ) in queries.price_changes_of_race(
        connection, race_id=race_id, race_date=day, horse_id=None, until=None
    ):
        newest = max(newest, change_id)
        entry = LogEntry(
            at=at,
            price=stored_price(decimal, fractional),
            seen_at=seen_at,
            by_poll=ChangeSource(source) is ChangeSource.POLL,
        )
        entries.setdefault((HorseId(horse), BookmakerId(bookmaker)), []).append(entry)
    return QuoteLogs(entries=entries, newest=newest)


def repair_from(row: Mapping[str, Any]) -> GapRepair:
    """A row of the ledger from its columns by name."""
    fields = dict(row)
    count = fields.pop("lag_count")
    figures = {
        name: fields.pop(f"lag_{column}_seconds")
        for name, column in (("median", "median"), ("p90", "p90"), ("longest", "max"))
    }
    lag = Lag(count=count, **figures) if count else None
    return msgspec.convert(fields | {"lag": lag}, GapRepair)
