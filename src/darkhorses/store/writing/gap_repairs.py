"""Writing gap repairs: what the feed answers, runner by runner, and a race's missed prices at once.

Answers are no part of the market; they are kept until their race is written. That adds to the
change log, so whoever calls ``write_repair`` holds the process's writing lock.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from darkhorses.domain.gaps import RunnerHistory
from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.repairs import AddedPrice, Occasion, RaceGaps, RepairableRace, RepairState
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries
from darkhorses.store.writing import outbox
from darkhorses.store.writing.change_log import NewEntry, append_changes
from darkhorses.store.writing.lease import Lease, take_turn, writing_transaction
from darkhorses.store.writing.market import set_aside


class RaceRepair(msgspec.Struct, frozen=True, kw_only=True):
    """What a race's repair brought; ``log_newest`` is the newest entry of the log that it knew.

    ``state`` is REPAIRED or IMPOSSIBLE; ``reason`` says what is not whole.
    """

    race: RepairableRace
    occasion: Occasion
    state: RepairState
    gaps: RaceGaps
    log_newest: int
    runners_asked: int
    runners_not_found: int
    runners_failed: int
    reason: str | None


async def begin_repair(
    database: Database, lease: Lease, race: RepairableRace, occasion: Occasion, now: datetime
) -> None:
    """Begin to ask about a race, or go on: answers for the same repair are kept."""
    async with writing_transaction(database, lease) as connection:
        begun = await queries.repair_begin(
            connection,
            race_id=race.race_id,
            race_date=race.race_date,
            region=race.region,
            occasion=occasion.value,
            started_at=now,
        )
        if begun is not None:
            await queries.repair_forget_answers(connection, race_id=race.race_id)


async def note_answer(
    database: Database, lease: Lease, history: RunnerHistory, asked_at: datetime
) -> None:
    """Keep a runner's history until its race is written, and what of it could not be understood."""
    kept = msgspec.structs.replace(history, unreadable=())
    async with writing_transaction(database, lease) as connection:
        await set_aside(connection, history.unreadable, asked_at)
        await queries.repair_note_answer(
            connection,
            race_id=history.race_id,
            horse_id=history.horse_id,
            outcome="answered",
            asked_at=asked_at,
            error=None,
            history=msgspec.json.encode(kept).decode(),
        )


async def note_no_answer(
    database: Database,
    lease: Lease,
    race_id: RaceId,
    horse_id: HorseId,
    *,
    error: str | None,
    asked_at: datetime,
) -> None:
    """Note that the feed has no history of a runner, or why it could not be read."""
    async with writing_transaction(database, lease) as connection:
        await queries.repair_note_answer(
            connection,
            race_id=race_id,
            horse_id=horse_id,
            outcome="not_found" if error is None else "failed",
            asked_at=asked_at,
            error=error,
            history=None,
        )


async def write_repair(
    database: Database, lease: Lease, repair: RaceRepair, *, written_at: datetime
) -> bool:
    """Write a race's repair, all of it or nothing; whether it was written.

    It is not when the log has moved on meanwhile, nor when the race is no longer being asked about.
    """
    race = repair.race
    async with writing_transaction(database, lease) as connection:
        await take_turn(connection)
        found = await queries.repair_lock(connection, race_id=race.race_id)
        if found is None or (found["occasion"], found["state"]) != (
            repair.occasion.value,
            RepairState.ASKING.value,
        ):
            return False
        newest = await queries.newest_change_of_race(
            connection, race_date=race.race_date, race_id=race.race_id
        )
        if newest != repair.log_newest:
            return False
        await _let_bookmakers_in(connection, repair.gaps)
        await _write_missed(connection, race, repair.gaps.added, written_at)
        await _finish(connection, repair, written_at)
    return True


async def _let_bookmakers_in(connection: Connection, gaps: RaceGaps) -> None:
    bookmakers = [bookmaker for bookmaker, _ in gaps.bookmakers]
    if bookmakers:
        await queries.let_bookmakers_in(
            connection,
            bookmaker_ids=[bookmaker.bookmaker_id for bookmaker in bookmakers],
            bookmaker_names=[bookmaker.bookmaker_name for bookmaker in bookmakers],
            bookmaker_types=[bookmaker.bookmaker_type.value for bookmaker in bookmakers],
            quoted_at=[quoted_at for _, quoted_at in gaps.bookmakers],
        )


async def _write_missed(
    connection: Connection, race: RepairableRace, added: Sequence[AddedPrice], seen_at: datetime
) -> None:
    if not added:
        return
    told = await outbox.audience(connection)
    entries = [
        NewEntry(
            race.race_date,
            race.race_id,
            entry.horse_id,
            entry.bookmaker_id,
            entry.point.price,
            entry.point.at,
        )
        for entry in added
    ]
    await append_changes(connection, entries, seen_at=seen_at, is_repair=True)
    revision = await queries.next_revision(connection)
    await queries.touch_repaired_race(connection, race_id=race.race_id, revision=revision)
    await outbox.announce(connection, told, (), seen_at=seen_at)
    await queries.notify_market(connection)


async def _finish(connection: Connection, repair: RaceRepair, written_at: datetime) -> None:
    gaps, lag = repair.gaps, repair.gaps.lag
    await queries.repair_finish(
        connection,
        race_id=repair.race.race_id,
        state=repair.state.value,
        runners_asked=repair.runners_asked,
        runners_not_found=repair.runners_not_found,
        runners_failed=repair.runners_failed,
        points=gaps.points,
        seen=gaps.seen,
        added=len(gaps.added),
        unplaced=gaps.unplaced,
        lag_count=lag.count if lag is not None else 0,
        lag_median_seconds=lag.median if lag is not None else None,
        lag_p90_seconds=lag.p90 if lag is not None else None,
        lag_max_seconds=lag.longest if lag is not None else None,
        reason=repair.reason,
        repaired_at=written_at,
    )
    await queries.repair_drop_histories(connection, race_id=repair.race.race_id)
