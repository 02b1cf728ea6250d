"""A feed that invents its race days: schedule, market and results brought together."""

import asyncio
from datetime import date, datetime, timedelta
from functools import lru_cache

import msgspec

from darkhorses.domain.london import race_day
from darkhorses.simulator.books import make_books
from darkhorses.simulator.cards import CardWriter, RaceState, state_at
from darkhorses.simulator.events import EventMaker, Events
from darkhorses.simulator.market import Market
from darkhorses.simulator.names import PLACES, REGIONS
from darkhorses.simulator.outcomes import exchange_prices_are_in, run_race, write_result
from darkhorses.simulator.races import RaceFacts, RaceMaker
from darkhorses.simulator.schedule import Schedule, Slot
from darkhorses.simulator.source import Selection, page

_AHEAD = timedelta(days=7)
_KEPT_RACES = 160
_KEPT_RESULTS = 1_000


class _Run(msgspec.Struct, kw_only=True):
    """A race with all that is known of it, kept while it is asked for."""

    race: RaceFacts
    events: Events
    market: Market
    writer: CardWriter


class GeneratedSource:
    """Answers from simulated race days; ``refresh`` is the seconds between refreshes of a race."""

    def __init__(
        self, *, seed: int, schedule: Schedule, speed: float = 1.0, refresh: int = 20
    ) -> None:
        self._seed = seed
        self._schedule = schedule
        self._speed = speed
        self._refresh = refresh
        self._books = make_books(seed)
        self._races = RaceMaker(seed)
        self._events = EventMaker(seed, speed)
        self._run = lru_cache(maxsize=_KEPT_RACES)(self._make_run)
        self._events_of = lru_cache(maxsize=_KEPT_RESULTS)(self._make_events)
        self._result = lru_cache(maxsize=_KEPT_RESULTS)(self._write_result)

    async def racecards(self, day: date, selection: Selection, now: datetime) -> bytes:
        """The cards of a race day; none before 2023-01-23 and more than a week ahead."""
        slots = () if day > race_day(now) + _AHEAD else self._schedule.races_on(day)
        wanted = [
            slot
            for slot in slots
            if selection.wants(slot.meeting.place.region_code, slot.meeting.place.course_id)
        ]
        items = []
        for slot in wanted[selection.skip : selection.skip + selection.limit]:
            items.append(self._card(slot, now))
            # A whole day is much work: others get their turn between two races.
            await asyncio.sleep(0)
        return page("racecards", items, len(wanted), selection)

    async def racecard(self, race_id: str, now: datetime) -> bytes | None:
        """One card."""
        slot = self._visible(race_id, now)
        return None if slot is None else self._card(slot, now)

    async def runner_odds(self, race_id: str, horse_id: str, now: datetime) -> bytes | None:
        """One runner's prices with their history; None for one that is not quoted."""
        slot = self._visible(race_id, now)
        if slot is None or slot.meeting.place.region_code not in {"gb", "ire"}:
            return None
        run = self._run(slot)
        if self._state(run.race, run.events, now).status == "entry":
            return None
        return run.writer.runner_odds(horse_id, run.market.stamp(now))

    async def results(self, first: date, last: date, selection: Selection, now: datetime) -> bytes:
        """The results of the days from first to last, newest first."""
        finished: list[Slot] = []
        day = min(last, race_day(now))
        while day >= first:
            slots = [
                slot
                for slot in self._schedule.races_on(day)
                if selection.wants(slot.meeting.place.region_code, slot.meeting.place.course_id)
                and self._has_result(slot, now)
            ]
            finished += sorted(slots, key=lambda slot: slot.off_dt, reverse=True)
            day -= timedelta(days=1)
            await asyncio.sleep(0)
        items = []
        for slot in finished[selection.skip : selection.skip + selection.limit]:
            items.append(self._result(slot, exchange_prices_are_in(slot, now)))
            await asyncio.sleep(0)
        return page("results", items, len(finished), selection)

    async def result(self, race_id: str, now: datetime) -> bytes | None:
        """One result; None before there is one."""
        slot = self._visible(race_id, now)
        if slot is None or not self._has_result(slot, now):
            return None
        return self._result(slot, exchange_prices_are_in(slot, now))

    def courses(self, regions: frozenset[str]) -> bytes:
        """Courses, of all regions when none is named."""
        courses = [
            {
                "id": place.course_id,
                "course": place.course,
                "region_code": place.region_code,
                "region": place.region,
            }
            for place in PLACES
            if not regions or place.region_code in regions
        ]
        return msgspec.json.encode({"courses": courses, "total": len(courses)})

    def regions(self) -> bytes:
        """All regions."""
        return msgspec.json.encode(
            [{"region": region, "region_code": code} for region, code in REGIONS]
        )

    def _visible(self, race_id: str, now: datetime) -> Slot | None:
        slot = self._schedule.race(race_id)
        if slot is None or slot.race_date > race_day(now) + _AHEAD:
            return None
        return slot

    def _card(self, slot: Slot, now: datetime) -> bytes:
        run = self._run(slot)
        return run.writer.card(run.market.stamp(now), self._state(run.race, run.events, now))

    def _state(self, race: RaceFacts, events: Events, now: datetime) -> RaceState:
        abandoned = events.abandoned_at is not None and events.abandoned_at <= now
        result = events.abandoned_at is None and events.result_at <= now
        return state_at(race, result=result, abandoned=abandoned, now=now)

    def _has_result(self, slot: Slot, now: datetime) -> bool:
        if slot.off_dt > now:
            return False
        events = self._events_of(slot)
        return events.abandoned_at is None and events.result_at <= now

    def _make_events(self, slot: Slot) -> Events:
        return self._events.events(self._races.facts(slot))

    def _make_run(self, slot: Slot) -> _Run:
        race = self._races.facts(slot)
        events = self._events_of(slot)
        market = Market(
            seed=self._seed, race=race, events=events, books=self._books, speed=self._speed,
            refresh=self._refresh,
        )  # fmt: skip
        writer = CardWriter(seed=self._seed, race=race, market=market, books=self._books)
        return _Run(race=race, events=events, market=market, writer=writer)

    def _write_result(self, slot: Slot, shows_exchange: bool) -> bytes:  # noqa: FBT001
        run = self._run(slot)
        outcome = run_race(seed=self._seed, race=run.race, market=run.market, books=self._books)
        return write_result(
            seed=self._seed,
            race=run.race,
            events=run.events,
            outcome=outcome,
            shows_exchange=shows_exchange,
        )
