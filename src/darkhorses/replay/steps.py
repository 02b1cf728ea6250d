"""A recorded day as the steps in which it is written again."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import merge

import msgspec

from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.market_at import PriceChange
from darkhorses.domain.races import QuoteKey
from darkhorses.domain.stages import QUIET, RESULT, Stage, stage_at
from darkhorses.store.recorded_days import RecordedDay, RecordedRace

CARD_LOOK = timedelta(seconds=60)
POST_LOOK = timedelta(seconds=20)
"""How often races count as looked at: all that are not over, and those at post."""

Change = tuple[RaceId, PriceChange]
_Key = tuple[RaceId, QuoteKey]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What is written at once: a look at some races, and the changes that it sees.

    The changes of a race stand together, and no quote changes twice in a step.
    """

    at: datetime
    race_ids: tuple[RaceId, ...]
    changes: tuple[Change, ...] = ()


def first_moment(day: RecordedDay) -> datetime:
    """When the first price of a day took effect; raises ValueError for a day without any."""
    return min(race.changes[0].at for race in day.races if race.changes)


def last_moment(day: RecordedDay) -> datetime:
    """When there is nothing more to come: the last race is over, and the last price changed."""
    return max(max(over_at(race), _last_change(race)) for race in day.races)


def over_at(race: RecordedRace) -> datetime:
    """When the market of a race ended."""
    if race.race.race_status == RESULT:
        # A result is told after the off, even if the facts were written for the last time before.
        return max(race.written_at, race.race.off_dt)
    return race.written_at if race.race.is_abandoned else _last_change(race) + QUIET


def has_end(race: RecordedRace) -> bool:
    """Whether it is known how a race ended: with a result, or abandoned."""
    return race.race.race_status == RESULT or race.race.is_abandoned


def steps(day: RecordedDay, *, start: datetime) -> Iterator[Step]:
    """All steps by time; looks that find nothing are made from ``start`` on.

    Changes keep their order, as they took effect.
    """
    begin = first_moment(day)
    everything = tuple(race.race.race_id for race in day.races)
    yield Step(at=begin, race_ids=everything)
    yield from merge(
        _changing(day), _turning(day), _looking(day, max(start, begin)), key=lambda step: step.at
    )


def _changing(day: RecordedDay) -> Iterator[Step]:
    """The price changes, as many in a step as keep their order there."""
    ordered = sorted(
        ((race.race.race_id, change) for race in day.races for change in race.changes),
        key=lambda one: (one[1].at, one[1].change_id),
    )
    run: list[Change] = []
    keys: set[_Key] = set()
    for race_id, change in ordered:
        key = race_id, (change.horse_id, change.bookmaker_id)
        if run and (
            change.at != run[0][1].at
            or key in keys
            or (race_id != run[-1][0] and any(race_id == other for other, _ in run))
        ):
            yield _step_of(run)
            run, keys = [], set()
        run.append((race_id, change))
        keys.add(key)
    if run:
        yield _step_of(run)


def _step_of(run: list[Change]) -> Step:
    race_ids = dict.fromkeys(race_id for race_id, _ in run)
    return Step(at=run[0][1].at, race_ids=tuple(race_ids), changes=tuple(run))


def _turning(day: RecordedDay) -> Iterator[Step]:
    """Withdrawals, removals from the card, and ends of races."""
    moments: set[tuple[datetime, RaceId]] = set()
    for race in day.races:
        turns = [at for one in race.runners for at in (one.non_runner_at, one.removed_at)]
        if has_end(race):
            turns.append(over_at(race))
        moments |= {(at, race.race.race_id) for at in turns if at is not None}
    begin = first_moment(day)
    for at, race_id in sorted(moments):
        if at > begin:
            yield Step(at=at, race_ids=(race_id,))


def _looking(day: RecordedDay, start: datetime) -> Iterator[Step]:
    """Looks that find nothing new: at the whole card, and more often at races at post."""
    end = last_moment(day)
    at, number = start, 0
    while at < end:
        is_card = number % (CARD_LOOK // POST_LOOK) == 0
        seen = tuple(
            race.race.race_id
            for race in day.races
            if over_at(race) > at and (is_card or stage_at(race.race.off_dt, at) is Stage.AT_POST)
        )
        if seen:
            yield Step(at=at, race_ids=seen)
        at, number = at + POST_LOOK, number + 1
    yield Step(at=end, race_ids=tuple(race.race.race_id for race in day.races))


def _last_change(race: RecordedRace) -> datetime:
    """When its price last changed, or its off if that is later."""
    return max([race.race.off_dt, *(change.at for change in race.changes[-1:])])
