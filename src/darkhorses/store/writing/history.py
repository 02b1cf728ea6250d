"""The one way into the tables of past races: a day of a region at a time, as a whole or not at all.

The days are no part of the live market, so that a backfill may write them while a worker leads:
what is serialised is each day of a region, by an advisory lock that ends with its transaction (and
so holds through poolers too). Who comes with an older reading than the stored one writes nothing.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime

import msgspec

from darkhorses.domain.earlier_keys import KnownRunner, course_key, horse_key, runner_of
from darkhorses.domain.history import HistoricalRow
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.race_days import RaceDay
from darkhorses.domain.races import Unreadable
from darkhorses.domain.results import RaceResult
from darkhorses.domain.settlement import is_handicap
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries
from darkhorses.store.writing.market import set_aside

Transaction = Callable[[], AbstractAsyncContextManager[Connection]]
"""Begins a transaction: a fenced one of a leader, or a plain one of a backfill."""


class PastDay(msgspec.Struct, frozen=True, kw_only=True):
    """A reading of a day of a region; ``ledger.checked_at`` is when the feed was asked.

    Of ``whole_races`` every runner is among the rows, so that what is stored of others is wrong.
    """

    ledger: RaceDay
    rows: Sequence[HistoricalRow]
    whole_races: Collection[RaceId] = ()
    results: Sequence[RaceResult]
    provisional: bool
    unreadable: Sequence[Unreadable] = ()


class WrittenDay(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows were new or different; ``revised`` said something else before, or are gone."""

    written: int = 0
    revised: int = 0


async def write_past_day(transaction: Transaction, past: PastDay) -> WrittenDay | None:
    """Write a reading and its ledger row; None when a newer reading is stored already."""
    ledger = past.ledger
    read_at = ledger.checked_at
    if read_at is None:
        raise ValueError("a reading without the time at which it was made")
    async with transaction() as connection:
        await _serialize(connection, ledger.race_date, ledger.region)
        checked_at: datetime | None = await queries.race_day_checked_at(
            connection, race_date=ledger.race_date, region=ledger.region
        )
        if checked_at is not None and checked_at > read_at:
            return None
        await _give_earlier_rows_ids(connection, past, read_at)
        written = await queries.write_history(
            connection,
            rows=msgspec.json.encode(past.rows).decode(),
            whole_races=list(past.whole_races),
            written_at=read_at,
        )
        await queries.write_results(connection, results=_results_json(past), written_at=read_at)
        await set_aside(connection, past.unreadable, read_at)
        await queries.race_day_write(
            connection,
            race_date=ledger.race_date,
            region=ledger.region,
            cards=ledger.cards.value,
            results=ledger.results.value,
            races_count=ledger.races_count,
            results_count=ledger.results_count,
            rows_count=ledger.rows_count,
            reason=ledger.reason,
            checked_at=read_at,
            is_complete=ledger.is_complete,
        )
    return WrittenDay(written=written["written"], revised=written["revised"])


async def _give_earlier_rows_ids(
    connection: Connection, past: PastDay, superseded_at: datetime
) -> None:
    """Let rows that the earlier system told of the day be those of the runners they mean."""
    ledger = past.ledger
    rows = queries.history_without_ids(connection, race_date=ledger.race_date, region=ledger.region)
    earlier = [row async for row in rows]
    if not earlier:
        return
    known: dict[str, list[KnownRunner]] = {}
    for told in past.rows:
        key = horse_key(told.horse_name)
        known.setdefault(key, []).append(
            KnownRunner(
                race_id=told.race_id,
                horse_id=told.horse_id,
                horse_key=key,
                course_key=course_key(told.track),
            )
        )
    meant = []
    for row in earlier:
        candidates = known.get(horse_key(row["horse_name"]), ())
        runner = runner_of(row["horse_name"], row["track"], candidates)
        if runner is not None:
            meant.append((row, runner))
    await queries.give_history_ids(
        connection,
        race_ids=[row["race_id"] for row, _ in meant],
        horse_ids=[row["horse_id"] for row, _ in meant],
        new_race_ids=[runner.race_id for _, runner in meant],
        new_horse_ids=[runner.horse_id for _, runner in meant],
        superseded_at=superseded_at,
    )


async def note_failed_reading(
    transaction: Transaction, day: date, regions: Sequence[str], reason: str
) -> None:
    """Note that a day could not be read; what is known of it stands."""
    async with transaction() as connection:
        for region in sorted(regions):
            await _serialize(connection, day, region)
            await queries.race_day_failed(connection, race_date=day, region=region, reason=reason)


async def _serialize(connection: Connection, day: date, region: str) -> None:
    await queries.race_day_serialize(connection, race_date=day, region=region)


def _results_json(past: PastDay) -> str:
    rows = []
    for result in past.results:
        fields = msgspec.structs.asdict(result)
        runners = fields.pop("runners")
        fields |= {
            "is_handicap": is_handicap(result.race_name),
            "runners_count": len(runners),
            "is_provisional": past.provisional,
        }
        rows.append(fields)
    return msgspec.json.encode(rows).decode()
