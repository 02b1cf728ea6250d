"""What webhooks are told: the events of the market, with the names that a receiver lacks.

Receivers of webhooks keep nothing, unlike followers of a stream, who begin with a snapshot.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec
from msgspec import UNSET

from darkhorses.domain.diff import KnownRace, RaceDelta
from darkhorses.domain.events import (
    EventKind,
    NonRunnerEvent,
    PriceEvent,
    QuotedPrice,
    RaceFacts,
    ResultEvent,
    RunnerFacts,
    has_ended,
    quoted,
    race_fields,
    runner_fields,
)
from darkhorses.domain.races import Runner
from darkhorses.domain.stages import is_over, stage_at


class ToldPrice(PriceEvent, frozen=True, kw_only=True):
    """A price change with the each-way terms of the quote as it stands, and whose it is."""

    ew_places: int | None
    ew_denom: int | None
    horse_name: str | None
    course: str
    off_dt: datetime


class ToldRace(RaceFacts, frozen=True, kw_only=True):
    """A race as it stands; its runners have prices when each-way terms are what changed."""

    runners: tuple[RunnerFacts, ...]


class ToldNonRunner(NonRunnerEvent, frozen=True, kw_only=True):
    """A non-runner and where it would have run."""

    course: str
    off_dt: datetime


class ToldResult(ResultEvent, frozen=True, kw_only=True):
    """A race that has ended, and where it was run."""

    course: str
    off_dt: datetime


class ToldStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether prices are being collected: ``ok``, or ``failing`` for the ``reasons`` given."""

    status: str
    reasons: tuple[str, ...]
    timestamp: datetime


ToldState = ToldRace | ToldNonRunner | ToldResult


def state_events(delta: RaceDelta, *, seen_at: datetime) -> Iterator[tuple[EventKind, ToldState]]:
    """What else than prices a look at a race brought, seen at ``seen_at`` (UTC)."""
    race = delta.after.race
    terms_changed = any(
        not change.price_changed and change.quote.price is not None for change in delta.quotes
    )
    if delta.race_changed or delta.runners or delta.removed or terms_changed:
        yield EventKind.RACE, _race(delta.after, seen_at, with_prices=terms_changed)
    for runner in _new_non_runners(delta):
        told = ToldNonRunner(
            race_id=race.race_id,
            horse_id=runner.horse_id,
            horse_name=runner.horse_name,
            horse_number=runner.horse_number,
            non_runner_at=seen_at,
            course=race.course,
            off_dt=race.off_dt,
        )
        yield EventKind.NON_RUNNER, told
    if has_ended(race) and (delta.before is None or not has_ended(delta.before.race)):
        ended = ToldResult(
            race_id=race.race_id,
            race_status=race.race_status,
            is_abandoned=race.is_abandoned,
            course=race.course,
            off_dt=race.off_dt,
        )
        yield EventKind.RESULT, ended


def _new_non_runners(delta: RaceDelta) -> Iterable[Runner]:
    before = {} if delta.before is None else delta.before.runners
    for runner in delta.runners:
        stored = before.get(runner.horse_id)
        if runner.is_non_runner and (stored is None or not stored.is_non_runner):
            yield runner


def _race(known: KnownRace, now: datetime, *, with_prices: bool) -> ToldRace:
    race = known.race
    prices: dict[str, dict[str, QuotedPrice]] = {}
    if with_prices:
        for (horse_id, bookmaker_id), quote in known.quotes.items():
            prices.setdefault(horse_id, {})[bookmaker_id] = quoted(quote)
    over = is_over(
        off_dt=race.off_dt,
        race_status=race.race_status,
        is_abandoned=race.is_abandoned,
        last_change_at=known.last_change_at,
        now=now,
    )
    return ToldRace(
        **race_fields(race, stage=stage_at(race.off_dt, now), is_over=over),
        runners=tuple(
            RunnerFacts(
                **runner_fields(runner, prices.get(runner.horse_id, {}) if with_prices else UNSET)
            )
            for runner in known.runners.values()
        ),
    )
