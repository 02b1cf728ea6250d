"""The job that repairs gaps: what polling missed of a race is asked of the feed's price history.

It asks runner by runner, only while the feed has room beside live odds, and keeps each answer. Once
all runners of a race are answered, the race is written in one transaction, or not at all; so a stop
at any moment loses nothing, doubles nothing, and asks nobody twice.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import structlog
from apscheduler.triggers.interval import IntervalTrigger

from darkhorses.domain.gaps import RunnerHistory
from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.london import race_day
from darkhorses.domain.repairs import (
    FIRST_DAY,
    REPAIRED_FOR,
    Occasion,
    RaceGaps,
    RepairableRace,
    RepairState,
    by_urgency,
    find_race_gaps,
    occasion_of,
)
from darkhorses.store.gap_repairs import (
    AskedRunner,
    QuoteLogs,
    quote_logs_of,
    repairable_races,
    runners_asked,
    runners_to_repair,
)
from darkhorses.store.lease import ALL_REGIONS
from darkhorses.store.pool import Database
from darkhorses.store.worker_figures import WorkerFigures, add
from darkhorses.store.writing.gap_repairs import (
    RaceRepair,
    begin_repair,
    note_answer,
    note_no_answer,
    write_repair,
)
from darkhorses.store.writing.lease import Lease
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.errors import (
    CircuitOpenError,
    MalformedError,
    NotFoundError,
    PlanTooSmallError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from darkhorses.worker.scheduling import ScheduledJob

_log = structlog.get_logger("darkhorses.worker")

Clock = Callable[[], datetime]
"""Gives the present instant, in UTC."""

GAP_REPAIR = "gap_repair"

_EVERY = timedelta(minutes=5)
_AT_MOST = timedelta(minutes=4)
_PATIENCE = timedelta(days=1)
"""For so long a runner is asked about again whose answers cannot be read."""

_FAILURES_OF_RACE = 2
"""After so many failures in a row another race is tried."""

_FAILURES_OF_FEED = 4
"""After so many failures in a row the pass ends: far fewer than stop live odds from asking."""

_TRIES = 3
"""So often a race is written whose log moves on meanwhile."""

_histories = msgspec.json.Decoder(RunnerHistory)


class Repaired(msgspec.Struct, kw_only=True):
    """What a pass did: races, requests by their outcome, and entries added to the log.

    ``left`` are races that are due and not repaired yet; ``stopped`` says why the pass ended
    before them.
    """

    races: int = 0
    impossible: int = 0
    asked: int = 0
    not_found: int = 0
    failed: int = 0
    added: int = 0
    left: int = 0
    stopped: str | None = None


class GapRepair:
    """Repairs races of its regions, a pass at a time.

    ``writing`` is the lock of whoever adds to the change log in this process.
    """

    def __init__(
        self,
        feed: RacingApi,
        database: Database,
        writing: asyncio.Lock,
        clock: Clock,
        figures: WorkerFigures | None = None,
        *,
        regions: Collection[str] = ALL_REGIONS,
    ) -> None:
        self._feed = feed
        self._database = database
        self._writing = writing
        self._clock = clock
        self._regions = frozenset(regions)
        self._figures = figures if figures is not None else WorkerFigures()
        self._not_in_plan: str | None = None

    async def run(self, lease: Lease, *, at_most: timedelta | None = None) -> Repaired:
        """One pass over the races that are due, the most recent day's first, of it the biggest.

        Ends when all are repaired, when the feed has no room or fails, or after ``at_most``; an
        account whose plan has no price histories is asked once. Raises BadCredentialsError and
        StoreErrors.
        """
        now = self._clock()
        due = await self._due(now)
        if self._not_in_plan is not None or not due:
            return Repaired(left=len(due), stopped=self._not_in_plan)
        one = _Pass(
            self._feed,
            self._database,
            self._writing,
            self._clock,
            lease=lease,
            deadline=None if at_most is None else now + at_most,
        )
        try:
            await one.repair(due)
        except PlanTooSmallError as error:
            self._not_in_plan = one.done.stopped = str(error)
            _log.warning("gap_repair.not_in_plan", error=str(error))
        finally:
            if one.done.added:
                add(self._figures.changes, "history", one.done.added)
        _log.info("gap_repair.finished", **msgspec.structs.asdict(one.done))
        return one.done

    async def _due(self, now: datetime) -> list[tuple[RepairableRace, Occasion]]:
        today = race_day(now)
        async with self._database.connection() as connection:
            races = await repairable_races(
                connection, max(FIRST_DAY, today - REPAIRED_FOR), self._regions
            )
        occasions = ((race, occasion_of(race, now)) for race in by_urgency(races, today))
        return [(race, occasion) for race, occasion in occasions if occasion is not None]


class _Stopped(Exception):  # noqa: N818  # a pass that ends early has not failed
    """The pass ends here, for the reason given."""


class _Pass:
    """One pass: what it did so far, and until when it may go on."""

    def __init__(
        self,
        feed: RacingApi,
        database: Database,
        writing: asyncio.Lock,
        clock: Clock,
        *,
        lease: Lease,
        deadline: datetime | None,
    ) -> None:
        self._feed = feed
        self._database = database
        self._writing = writing
        self._clock = clock
        self._lease = lease
        self._deadline = deadline
        self._failures_in_a_row = 0
        self.done = Repaired()

    async def repair(self, due: Sequence[tuple[RepairableRace, Occasion]]) -> None:
        """Repair what can be repaired of these races, in this order."""
        done = self.done
        done.left = len(due)
        for race, occasion in due:
            try:
                repair = await self._repair(race, occasion)
            except _Stopped as stopped:
                done.stopped = str(stopped)
                return
            if repair is not None:
                done.left -= 1
                done.races += repair.state is RepairState.REPAIRED
                done.impossible += repair.state is RepairState.IMPOSSIBLE
                done.added += len(repair.gaps.added)

    async def _repair(self, race: RepairableRace, occasion: Occasion) -> RaceRepair | None:
        """Ask whom nobody asked yet and write the race; None when it has to wait."""
        self._require_room()
        await begin_repair(self._database, self._lease, race, occasion, self._clock())
        async with self._database.connection() as connection:
            runners = await runners_to_repair(connection, race.race_id)
            asked = await runners_asked(connection, race.race_id)
        failed = 0
        for horse_id in runners:
            if not self._is_answered(asked.get(horse_id)):
                self._require_room()
                failed = 0 if await self._ask(race.race_id, horse_id) else failed + 1
                if failed == _FAILURES_OF_RACE:
                    return None
        async with self._database.connection() as connection:
            asked = await runners_asked(connection, race.race_id)
        if not all(self._is_answered(asked.get(horse_id)) for horse_id in runners):
            return None
        return await self._write(race, occasion, list(asked.values()))

    def _require_room(self) -> None:
        if self._deadline is not None and self._clock() >= self._deadline:
            raise _Stopped("its time was up")
        if not self._feed.has_room:
            raise _Stopped("the feed has no room beside live odds")

    def _is_answered(self, runner: AskedRunner | None) -> bool:
        """Whether all is known of a runner that will be."""
        if runner is None:
            return False
        return runner.outcome != "failed" or self._clock() - runner.asked_at >= _PATIENCE

    async def _ask(self, race_id: RaceId, horse_id: HorseId) -> bool:
        """Ask about a runner and keep the answer; whether there was one."""
        asked_at = self._clock()
        self.done.asked += 1
        try:
            history = await self._feed.odds_history(race_id, horse_id)
        except NotFoundError:
            self.done.not_found += 1
            await self._note_none(race_id, horse_id, asked_at, error=None)
        except (ThrottledError, CircuitOpenError) as error:
            raise _Stopped(str(error)) from error
        except (MalformedError, RejectedError, UnavailableError) as error:
            self.done.failed += 1
            await self._note_none(race_id, horse_id, asked_at, error=str(error))
            self._failures_in_a_row += 1
            if self._failures_in_a_row == _FAILURES_OF_FEED:
                raise _Stopped(str(error)) from error
            return False
        else:
            await note_answer(self._database, self._lease, history, asked_at)
        self._failures_in_a_row = 0
        return True

    async def _note_none(
        self, race_id: RaceId, horse_id: HorseId, asked_at: datetime, *, error: str | None
    ) -> None:
        await note_no_answer(
            self._database, self._lease, race_id, horse_id, error=error, asked_at=asked_at
        )

    async def _write(
        self, race: RepairableRace, occasion: Occasion, asked: Sequence[AskedRunner]
    ) -> RaceRepair | None:
        """Lay the answers beside the log and write the race; None when the log does not rest."""
        texts = [runner.history for runner in asked if runner.history is not None]
        until = race.outage_to if occasion is Occasion.OUTAGE else None
        for _ in range(_TRIES):
            async with self._database.connection() as connection:
                log = await quote_logs_of(connection, race.race_date, race.race_id)
            # Beside the loop: the alignment of a race takes long enough for live odds to notice.
            gaps = await asyncio.to_thread(_find, texts, log, until)
            repair = _race_repair(race, occasion, gaps, log, asked)
            async with self._writing:
                if await write_repair(
                    self._database, self._lease, repair, written_at=self._clock()
                ):
                    return repair
        return None


def gap_repair_job(
    feed: RacingApi,
    database: Database,
    writing: asyncio.Lock,
    *,
    regions: Collection[str],
    clock: Clock,
    figures: WorkerFigures | None = None,
) -> ScheduledJob:
    """Schedule it: every 5 minutes, after the shift's first looks."""
    repair = GapRepair(feed, database, writing, clock, figures, regions=regions)
    return ScheduledJob(
        name=GAP_REPAIR,
        reason="every 5 minutes",
        trigger=IntervalTrigger(seconds=_EVERY.total_seconds(), timezone=UTC),
        work=partial(repair.run, at_most=_AT_MOST),
        at_once=False,
        record_success=False,
    )


def _find(texts: Sequence[str], log: QuoteLogs, until: datetime | None) -> RaceGaps:
    return find_race_gaps(map(_histories.decode, texts), log.entries, until=until)


def _race_repair(
    race: RepairableRace,
    occasion: Occasion,
    gaps: RaceGaps,
    log: QuoteLogs,
    asked: Sequence[AskedRunner],
) -> RaceRepair:
    """The race's repair with its figures, and with the reason for what is not whole."""
    outcomes = Counter(runner.outcome for runner in asked)
    failed = [runner for runner in asked if runner.outcome == "failed"]
    reason = None
    if failed:
        reason = f"{len(failed)} of {len(asked)} runners not read: {failed[0].error}"
    elif not outcomes["answered"]:
        reason = "the feed has no price history of its runners" if asked else "it has no runners"
    return RaceRepair(
        race=race,
        occasion=occasion,
        state=RepairState.REPAIRED if outcomes["answered"] else RepairState.IMPOSSIBLE,
        gaps=gaps,
        log_newest=log.newest,
        runners_asked=len(asked),
        runners_not_found=outcomes["not_found"],
        runners_failed=len(failed),
        reason=reason,
    )
