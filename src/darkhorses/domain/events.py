"""What happens in the market as events with bodies: what webhooks are told, in the API's names.

A ``price`` is an entry of the change log. A ``race`` says how things are and not how they changed,
so that being told twice does no harm.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec
from msgspec import UNSET, UnsetType

from darkhorses.domain.diff import KnownRace, RaceDelta
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.london import london_clock
from darkhorses.domain.races import Race, Runner
from darkhorses.domain.stages import RESULT, Stage, is_over, stage_at


class EventKind(StrEnum):
    """What can happen."""

    PRICE = "price"
    RACE = "race"
    NON_RUNNER = "non_runner"
    RESULT = "result"
    STATUS = "status"


class PriceEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A bookmaker changed its price on a runner, once per entry of the change log.

    ``odds_decimal`` None: the price was pulled. ``changed_at`` is when the change took effect,
    ``seen_at`` when it was seen (UTC); ``source`` is ``poll``, or ``history`` for one that was
    missed and found later. The each-way terms are those of the quote as it stands; the names are
    for receivers that keep nothing.
    """

    change_id: int
    race_id: RaceId
    horse_id: HorseId
    bookmaker_id: BookmakerId
    odds_decimal: Decimal | None
    odds_fractional: str | None
    changed_at: datetime
    seen_at: datetime
    source: str
    ew_places: int | None
    ew_denom: int | None
    horse_name: str | None
    course: str
    off_dt: datetime


QuotedPrice = tuple[Decimal | None, str | None, int | None, int | None]
"""Decimal, fraction, each-way places and denominator: ``[4.33, "10/3", 3, 5]``.

A pulled price (``[null, null, 3, 5]``) keeps the terms on which it may come back.
"""


class RunnerState(msgspec.Struct, frozen=True, kw_only=True):
    """A runner of a race; ``prices`` by bookmaker: [decimal, fraction, each-way places, denom]."""

    horse_id: HorseId
    horse_name: str
    horse_number: int | None
    draw: int | None
    jockey: str | None
    trainer: str | None
    is_non_runner: bool
    is_reserve: bool
    prices: dict[BookmakerId, QuotedPrice] | UnsetType = UNSET


class RaceEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A race as it stands; its runners have prices when each-way terms are what changed."""

    race_id: RaceId
    race_date: date
    race_time: str
    off_dt: datetime
    course: str
    region: str
    race_name: str
    race_class: str | None
    race_type: str | None
    distance: str | None
    going: str | None
    race_status: str | None
    is_abandoned: bool
    is_over: bool
    stage: Stage
    runners: tuple[RunnerState, ...]


class NonRunnerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A horse will not run; ``non_runner_at`` is when that was first seen (UTC)."""

    race_id: RaceId
    horse_id: HorseId
    horse_name: str
    horse_number: int | None
    non_runner_at: datetime
    course: str
    off_dt: datetime


class ResultEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A race has a result, or was abandoned: its market has ended."""

    race_id: RaceId
    race_status: str | None
    is_abandoned: bool
    course: str
    off_dt: datetime


class StatusEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Whether prices are being collected: ``ok``, or ``failing`` for the ``reasons`` given."""

    status: str
    reasons: tuple[str, ...]
    timestamp: datetime


StateEvent = RaceEvent | NonRunnerEvent | ResultEvent


def state_events(delta: RaceDelta, *, seen_at: datetime) -> Iterator[tuple[EventKind, StateEvent]]:
    """What else than prices a look at a race brought, seen at ``seen_at`` (UTC)."""
    race = delta.after.race
    terms_changed = any(
        not change.price_changed and change.quote.price is not None for change in delta.quotes
    )
    if delta.race_changed or delta.runners or delta.removed or terms_changed:
        yield EventKind.RACE, _race_event(delta.after, seen_at, with_prices=terms_changed)
    for runner in _new_non_runners(delta):
        yield EventKind.NON_RUNNER, _non_runner_event(race, runner, seen_at)
    if _has_ended(race) and (delta.before is None or not _has_ended(delta.before.race)):
        yield (
            EventKind.RESULT,
            ResultEvent(
                race_id=race.race_id,
                race_status=race.race_status,
                is_abandoned=race.is_abandoned,
                course=race.course,
                off_dt=race.off_dt,
            ),
        )


def _new_non_runners(delta: RaceDelta) -> Iterable[Runner]:
    before = {} if delta.before is None else delta.before.runners
    for runner in delta.runners:
        stored = before.get(runner.horse_id)
        if runner.is_non_runner and (stored is None or not stored.is_non_runner):
            yield runner


def _non_runner_event(race: Race, runner: Runner, seen_at: datetime) -> NonRunnerEvent:
    return NonRunnerEvent(
        race_id=race.race_id,
        horse_id=runner.horse_id,
        horse_name=runner.horse_name,
        horse_number=runner.horse_number,
        non_runner_at=seen_at,
        course=race.course,
        off_dt=race.off_dt,
    )


def _race_event(known: KnownRace, now: datetime, *, with_prices: bool) -> RaceEvent:
    race = known.race
    prices: dict[HorseId, dict[BookmakerId, QuotedPrice]] = {}
    if with_prices:
        for (horse_id, bookmaker_id), quote in known.quotes.items():
            price = quote.price
            prices.setdefault(horse_id, {})[bookmaker_id] = (
                price.decimal if price is not None else None,
                price.fractional if price is not None else None,
                quote.ew_places,
                quote.ew_denom,
            )
    return RaceEvent(
        race_id=race.race_id,
        race_date=race.race_date,
        race_time=london_clock(race.off_dt),
        off_dt=race.off_dt,
        course=race.course,
        region=race.region,
        race_name=race.race_name,
        race_class=race.race_class,
        race_type=race.race_type,
        distance=race.distance,
        going=race.going,
        race_status=race.race_status,
        is_abandoned=race.is_abandoned,
        is_over=is_over(
            off_dt=race.off_dt,
            race_status=race.race_status,
            is_abandoned=race.is_abandoned,
            last_change_at=known.last_change_at,
            now=now,
        ),
        stage=stage_at(race.off_dt, now),
        runners=tuple(
            _runner_state(runner, prices.get(runner.horse_id, {}) if with_prices else UNSET)
            for runner in known.runners.values()
        ),
    )


def _runner_state(
    runner: Runner, prices: dict[BookmakerId, QuotedPrice] | UnsetType
) -> RunnerState:
    return RunnerState(
        horse_id=runner.horse_id,
        horse_name=runner.horse_name,
        horse_number=runner.horse_number,
        draw=runner.draw,
        jockey=runner.jockey,
        trainer=runner.trainer,
        is_non_runner=runner.is_non_runner,
        is_reserve=runner.is_reserve,
        prices=prices,
    )


def _has_ended(race: Race) -> bool:
    return race.is_abandoned or race.race_status == RESULT
