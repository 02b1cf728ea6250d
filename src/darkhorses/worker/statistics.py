"""The statistics job: what is new since the last run is added to the sums, and the figures follow.

It is never in the way of the live odds: no lock of the collector is held, at most one connection
at a time and each for a moment, and what a race's prices say is worked out beside the loop, race
by race. A run that has much to do ends at its time limit with the figures of what it has done; the
next one goes on from there.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import msgspec
import structlog
from apscheduler.triggers.interval import IntervalTrigger

from darkhorses.domain.bookmakers import BookmakerType
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.price_moves import RaceMeasure, Tick, measure_race
from darkhorses.domain.price_summaries import LoggedPrice
from darkhorses.domain.stages import is_over
from darkhorses.domain.statistics import RUN_EVERY, headlines
from darkhorses.store.live_figures import live_figures
from darkhorses.store.past_figures import past_figures
from darkhorses.store.past_prices import change_log_of
from darkhorses.store.pool import Connection, Database
from darkhorses.store.races import StoredRunner, runners_of
from darkhorses.store.reference import all_bookmakers
from darkhorses.store.statistics import Statistics, counted_so_far, current_statistics
from darkhorses.store.writing.lease import Lease
from darkhorses.store.writing.statistics import (
    CHANGES_AT_ONCE,
    MeasuredRace,
    RaceToMeasure,
    count_changes,
    count_past_days,
    races_to_measure,
    store_statistics,
    write_measures,
)
from darkhorses.worker.scheduling import ScheduledJob

_log = structlog.get_logger("darkhorses.worker")

STATISTICS = "statistics"

_DAYS_AT_ONCE = 20
_RACES_AT_ONCE = 25
_READ_LIMIT = timedelta(seconds=15)
_FIRST_AFTER = timedelta(seconds=15)
_RUN_LIMIT = timedelta(minutes=2)

Clock = Callable[[], datetime]
"""Gives the present instant, in UTC."""


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    """What a run added: price changes, past days of a region, races measured; and how long it took.

    ``caught_up`` is False when it ended at its time limit.
    """

    changes: int
    past_days: int
    races: int
    caught_up: bool
    milliseconds: int


class Updater:
    """Brings the statistics up to date under a lease."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        card_interval: timedelta,
        changes_at_once: int = CHANGES_AT_ONCE,
    ) -> None:
        self._database = database
        self._clock = clock
        self._card_interval = card_interval
        self._changes_at_once = changes_at_once

    async def refresh(self, lease: Lease, *, limit: timedelta | None = None) -> Refreshed:
        """Add what is new and store the figures; with a time limit, as much as it allows.

        Raises LeaseLostError when another worker leads by now, and other StoreErrors; what was
        added before that stays added.
        """
        started = self._clock()
        time_is_up = _deadline(self._clock, limit)
        changes = past_days = races = 0
        caught_up = False
        while not time_is_up():
            counted = await count_changes(self._database, lease, up_to=self._changes_at_once)
            changes += counted or 0
            days = await count_past_days(self._database, lease, up_to=_DAYS_AT_ONCE)
            past_days += days
            measured = 0 if counted is not None else await self._measure_some(lease)
            races += measured
            if counted is None and not days and not measured:
                caught_up = True
                break
        await self._store(lease)
        refreshed = Refreshed(
            changes=changes,
            past_days=past_days,
            races=races,
            caught_up=caught_up,
            milliseconds=int((self._clock() - started).total_seconds() * 1000),
        )
        _log.info("statistics.refreshed", **msgspec.to_builtins(refreshed))
        return refreshed

    async def _measure_some(self, lease: Lease) -> int:
        """Measure a few of the races that are over; how many."""
        now = self._clock()
        async with self._reading() as connection:
            waiting = await races_to_measure(connection, now=now, up_to=_RACES_AT_ONCE)
            ended = [race for race in waiting if _is_over(race, now)]
            exchanges = await _exchanges(connection) if ended else frozenset[BookmakerId]()
        measured = [await self._measure(race, exchanges) for race in ended]
        if measured:
            await write_measures(self._database, lease, measured)
        return len(measured)

    async def _measure(
        self, race: RaceToMeasure, exchanges: AbstractSet[BookmakerId]
    ) -> MeasuredRace:
        async with self._reading() as connection:
            log = await change_log_of(connection, race.race_date, race.race_id)
            runners = await runners_of(connection, [race.race_id])
        measure = await asyncio.to_thread(
            measure_log,
            log,
            off_dt=race.off_dt,
            active=to_run_at(race.off_dt, runners),
            exchanges=exchanges,
        )
        return MeasuredRace(race=race, measure=measure)

    async def _store(self, lease: Lease) -> None:
        now = self._clock()
        async with self._reading() as connection:
            progress = await counted_so_far(connection)
            last = await current_statistics(connection)
            live = await live_figures(connection, now=now, card_interval=self._card_interval)
            if last is not None and last.past_days_counted == progress.past_days_counted:
                past = last.historical
            else:
                past = await past_figures(connection)
        statistics = Statistics(
            computed_at=now,
            change_id=progress.change_id,
            past_days_counted=progress.past_days_counted,
            live=live,
            historical=past,
        )
        await store_statistics(self._database, lease, statistics, headlines(live, past))

    def _reading(self) -> AbstractAsyncContextManager[Connection]:
        return self._database.transaction(statement_timeout=_READ_LIMIT)


def statistics_job(database: Database, *, card_interval: timedelta, clock: Clock) -> ScheduledJob:
    """Schedule it: soon after the start and every ten minutes, two minutes at most.

    Not at once: there would be nothing to count before the first look.
    Successes leave no record beside the figures' own: they would be 144 a day.
    """
    updater = Updater(database, clock=clock, card_interval=card_interval)

    async def work(lease: Lease) -> Refreshed:
        return await updater.refresh(lease, limit=_RUN_LIMIT)

    return ScheduledJob(
        name=STATISTICS,
        reason=f"every {RUN_EVERY // timedelta(minutes=1)} minutes",
        trigger=IntervalTrigger(
            seconds=RUN_EVERY.total_seconds(), start_date=clock() + _FIRST_AFTER, timezone=UTC
        ),
        work=work,
        at_once=False,
        record_success=False,
    )


def measure_log(
    log: Mapping[HorseId, Sequence[LoggedPrice]],
    *,
    off_dt: datetime,
    active: AbstractSet[HorseId],
    exchanges: AbstractSet[BookmakerId],
) -> RaceMeasure:
    """Measure a race by its log up to its scheduled off; each runner's prices oldest first."""
    ticks = (
        Tick(
            horse_id=horse_id,
            bookmaker_id=entry.bookmaker_id,
            price=entry.price,
            seen_at=entry.at,
        )
        for horse_id, entries in log.items()
        for entry in entries
        if entry.at <= off_dt
    )
    return measure_race(ticks, active=active, exchanges=exchanges)


def to_run_at(off_dt: datetime, runners: Iterable[StoredRunner]) -> frozenset[HorseId]:
    """The horses that were to run at the scheduled off: who was withdrawn later was among them."""
    return frozenset(
        stored.runner.horse_id
        for stored in runners
        if not stored.runner.is_reserve
        and not (
            stored.runner.is_non_runner
            and (stored.non_runner_at is None or stored.non_runner_at <= off_dt)
        )
        and (stored.removed_at is None or stored.removed_at > off_dt)
    )


def _deadline(clock: Clock, limit: timedelta | None) -> Callable[[], bool]:
    """Whether the time is up, whenever asked; without a limit it never is."""
    if limit is None:
        return lambda: False
    end = clock() + limit
    return lambda: clock() >= end


def _is_over(race: RaceToMeasure, now: datetime) -> bool:
    return is_over(
        off_dt=race.off_dt,
        race_status=race.race_status,
        is_abandoned=race.is_abandoned,
        last_change_at=race.odds_changed_at,
        now=now,
    )


async def _exchanges(connection: Connection) -> frozenset[BookmakerId]:
    return frozenset(
        stored.bookmaker.bookmaker_id
        for stored in await all_bookmakers(connection)
        if stored.bookmaker.bookmaker_type is BookmakerType.EXCHANGE
    )
