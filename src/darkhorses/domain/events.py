"""Bodies of what happens in the market, for whoever tells of it: streams and webhooks.

A ``price`` is an entry of the change log. The others say how things are and not how they changed,
so that being told twice does no harm.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from darkhorses.domain.london import london_clock
from darkhorses.domain.races import Quote, Race, Runner
from darkhorses.domain.stages import RESULT, Stage


class EventKind(StrEnum):
    """What can happen."""

    PRICE = "price"
    RACE = "race"
    NON_RUNNER = "non_runner"
    RESULT = "result"
    STATUS = "status"


QuotedPrice = tuple[Decimal | None, str | None, int | None, int | None]
"""Decimal, fraction, each-way places and denominator: ``[4.33, "10/3", 3, 5]``.

A pulled price (``[null, null, 3, 5]``) keeps the terms on which it may come back.
"""


class PriceEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A bookmaker changed its price on a runner, once per entry of the change log.

    ``odds_decimal`` null: the price was pulled. ``changed_at`` is when the change took effect,
    ``seen_at`` when it was seen; ``source`` is ``poll``, or ``history`` for one that was missed
    and found later.
    """

    change_id: int
    race_id: str
    horse_id: str
    bookmaker_id: str
    odds_decimal: Decimal | None
    odds_fractional: str | None
    changed_at: datetime
    seen_at: datetime
    source: str


class RunnerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A runner of a race; ``prices`` by bookmaker: [decimal, fraction, each-way places, denom]."""

    horse_id: str
    horse_name: str
    horse_number: int | None
    draw: int | None
    jockey: str | None
    trainer: str | None
    is_non_runner: bool
    is_reserve: bool
    prices: dict[str, QuotedPrice] | UnsetType = UNSET


class RaceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A race as it stands at a moment."""

    race_id: str
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


class NonRunnerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A horse will not run; ``non_runner_at`` is when that was first seen."""

    race_id: str
    horse_id: str
    horse_name: str
    horse_number: int | None
    non_runner_at: datetime | None


class ResultEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A race has a result, or was abandoned: its market has ended."""

    race_id: str
    race_status: str | None
    is_abandoned: bool


def has_ended(race: Race) -> bool:
    """Whether a race has a result or was abandoned."""
    return race.is_abandoned or race.race_status == RESULT


def quoted(quote: Quote) -> QuotedPrice:
    """A quote as events give it."""
    if quote.price is None:
        return None, None, quote.ew_places, quote.ew_denom
    return quote.price.decimal, quote.price.fractional, quote.ew_places, quote.ew_denom


def race_fields(race: Race, *, stage: Stage, is_over: bool) -> dict[str, Any]:
    """The fields of ``RaceFacts``."""
    return {
        "race_id": race.race_id,
        "race_date": race.race_date,
        "race_time": london_clock(race.off_dt),
        "off_dt": race.off_dt,
        "course": race.course,
        "region": race.region,
        "race_name": race.race_name,
        "race_class": race.race_class,
        "race_type": race.race_type,
        "distance": race.distance,
        "going": race.going,
        "race_status": race.race_status,
        "is_abandoned": race.is_abandoned,
        "is_over": is_over,
        "stage": stage,
    }


def runner_fields(runner: Runner, prices: dict[str, QuotedPrice] | UnsetType) -> dict[str, Any]:
    """The fields of ``RunnerFacts``."""
    return {
        "horse_id": runner.horse_id,
        "horse_name": runner.horse_name,
        "horse_number": runner.horse_number,
        "draw": runner.draw,
        "jockey": runner.jockey,
        "trainer": runner.trainer,
        "is_non_runner": runner.is_non_runner,
        "is_reserve": runner.is_reserve,
        "prices": prices,
    }
