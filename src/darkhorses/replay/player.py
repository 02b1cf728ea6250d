"""The writer of a replay: it repeats a recorded day in the way in which a worker writes it."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from itertools import chain

import msgspec

from darkhorses.domain.diff import KnownRace, RaceDelta, compare
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.market_at import PriceChange, runner_at
from darkhorses.domain.races import Card, Quote, QuoteKey, Race
from darkhorses.domain.stages import RESULT
from darkhorses.replay.clock import ReplayClock
from darkhorses.replay.steps import Step, has_end, over_at, steps
from darkhorses.store.pool import Database
from darkhorses.store.recorded_days import RecordedDay, RecordedRace
from darkhorses.store.writing.lease import Lease
from darkhorses.store.writing.market import write_market

Seen = Callable[[int], Awaitable[None]]
"""Waits until a revision has been taken in by whoever is to see every step."""


_Changes = dict[RaceId, list[PriceChange]]


class Player:
    """Plays a day into an empty database, under a lease of its own, by the replayed clock."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        day: RecordedDay,
        *,
        clock: ReplayClock,
        start: datetime,
    ) -> None:
        self._database = database
        self._lease = lease
        self._clock = clock
        self._start = start
        self._races = {race.race.race_id: _RacePlayed(race) for race in day.races}
        self._steps: Iterator[Step] = steps(day, start=start)
        self._newcomers = day.bookmakers

    async def catch_up(self, *, seen: Seen | None = None) -> None:
        """Write at once all that happened up to the start."""
        for step in self._steps:
            if step.at > self._start:
                self._steps = chain([step], self._steps)
                return
            await self._write(step, seen)

    async def play(self, *, seen: Seen | None = None) -> None:
        """Write every other step at its time."""
        self._clock.begin()
        for step in self._steps:
            await self._clock.until(step.at)
            await self._write(step, seen)
        self._clock.end()

    async def _write(self, step: Step, seen: Seen | None) -> None:
        changes: _Changes = {race_id: [] for race_id in step.race_ids}
        for race_id, change in step.changes:
            changes[race_id].append(change)
        written = await write_market(
            self._database,
            self._lease,
            [self._races[race_id].look(step.at, found) for race_id, found in changes.items()],
            seen_at=step.at,
            bookmakers=self._newcomers,
        )
        self._newcomers = ()
        if seen is not None:
            await seen(written.revision)


class _RacePlayed:
    """A race as far as it was played."""

    def __init__(self, recorded: RecordedRace) -> None:
        self._recorded = recorded
        logged = {(change.horse_id, change.bookmaker_id) for change in recorded.changes}
        # Who was named and never had a price left nothing in the log.
        self._quotes: dict[QuoteKey, Quote] = {
            key: quote for key, quote in recorded.quotes.items() if key not in logged
        }
        self.known: KnownRace | None = None

    def look(self, at: datetime, changes: list[PriceChange]) -> RaceDelta:
        """What a look at a moment finds, with the prices that changed then."""
        news = {(one.horse_id, one.bookmaker_id): self._quote(one) for one in changes}
        # In front, so that they come into the log in their order.
        self._quotes = news | {k: q for k, q in self._quotes.items() if k not in news}
        known = [runner_at(runner, at) for runner in self._recorded.runners]
        removed = {one.runner.horse_id for one in known if one.removed_at is not None}
        card = Card(
            race=self._race_at(at),
            runners={one.runner.horse_id: one.runner for one in known if one.removed_at is None},
            quotes={
                key: quote
                for key, quote in self._quotes.items()
                if key[0] not in removed or key in news
            },
            refreshed_at=at,
        )
        delta = compare(self.known, card, seen_at=at)
        self.known = delta.after
        return delta

    def _quote(self, change: PriceChange) -> Quote:
        last = self._recorded.quotes.get((change.horse_id, change.bookmaker_id))
        return Quote(
            price=change.price,
            ew_places=last.ew_places if last is not None else None,
            ew_denom=last.ew_denom if last is not None else None,
        )

    def _race_at(self, at: datetime) -> Race:
        """The race before its end was known, or as it ended."""
        race = self._recorded.race
        if not has_end(self._recorded) or at >= over_at(self._recorded):
            return race
        status = None if race.race_status == RESULT else race.race_status
        return msgspec.structs.replace(race, race_status=status, is_abandoned=False)
