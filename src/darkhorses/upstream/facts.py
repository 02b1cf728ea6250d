"""Leaves of the feed to values, one by one: texts, numbers, dates, and what says "none".

Without its id, name, day or off a race or runner is none at all, and a ValueError says so. Any
other leaf that makes no sense costs that one fact: it becomes None and is written into ``doubts``.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from darkhorses.domain.identifiers import CourseId, HorseId, RaceId
from darkhorses.domain.london import london_clock
from darkhorses.domain.prices import read_price
from darkhorses.domain.races import Quote, Race, Runner
from darkhorses.upstream.wire import Leaf, WireRaceFacts, WireRunner

_NONE = frozenset({"", "-", "\N{EN DASH}", "\N{EM DASH}"})
_CLAIM = re.compile(r"^(?P<name>.*?)\s*\((?P<claim>\d+)\)$")
_RESERVE = re.compile(r"^R\s*(\d+)$", re.IGNORECASE)
_NON_RUNNER_NUMBER = "NR"
_NON_RUNNER_JOCKEY = "NON-RUNNER"
_LARGEST = 32_767
_LONGEST_DISTANCE = 999


def read_race_facts(wire: WireRaceFacts, doubts: list[str]) -> Race:
    """Read a race without its runners."""
    off_dt = read_instant(required(wire.off_dt, "off_dt"), "off_dt")
    return Race(
        race_id=RaceId(required(wire.race_id, "race_id")),
        race_date=read_date(required(wire.date, "date"), "date"),
        off_dt=off_dt,
        off_time=london_clock(off_dt),
        course_id=CourseId(required(wire.course_id, "course_id")),
        course=required(wire.course, "course"),
        region=(text_of(wire.region) or "").upper(),
        race_name=text_of(wire.race_name) or "",
        race_class=text_of(wire.race_class),
        race_type=text_of(wire.type),
        pattern=text_of(wire.pattern),
        distance=text_of(wire.distance),
        distance_f=_decimal(wire.distance_f, "distance_f", doubts),
        going=text_of(wire.going),
        surface=text_of(wire.surface),
        age_band=text_of(wire.age_band),
        rating_band=text_of(wire.rating_band),
        prize=text_of(wire.prize),
        field_size=read_integer(wire.field_size, "field_size", doubts),
        race_status=(text_of(wire.race_status) or "").lower() or None,
        is_abandoned=wire.is_abandoned in (True, "true", "True", 1),
    )


def read_runner(wire: WireRunner, doubts: list[str]) -> Runner:
    """Read a runner without its quotes."""
    number = text_of(wire.number)
    jockey, claim = _read_jockey(wire.jockey)
    is_non_runner = (number or "").upper() == _NON_RUNNER_NUMBER or (jockey or "").upper() == (
        _NON_RUNNER_JOCKEY
    )
    reserve = _RESERVE.match(number or "")
    if reserve:
        number = reserve[1]
    elif is_non_runner and not (number or "").isdecimal():
        number = None
    return Runner(
        horse_id=HorseId(required(wire.horse_id, "horse_id")),
        horse_name=required(wire.horse, "horse"),
        horse_number=read_integer(number, "number", doubts),
        draw=read_integer(wire.draw, "draw", doubts) or None,
        jockey=None if is_non_runner else jockey,
        jockey_id=text_of(wire.jockey_id),
        jockey_claim_lbs=claim,
        trainer=text_of(wire.trainer),
        trainer_id=text_of(wire.trainer_id),
        age=read_integer(wire.age, "age", doubts),
        weight_lbs=read_integer(wire.lbs, "lbs", doubts),
        headgear=text_of(wire.headgear),
        form=text_of(wire.form, none=frozenset()),
        official_rating=read_integer(wire.ofr, "ofr", doubts),
        silk_url=text_of(wire.silk_url),
        is_non_runner=is_non_runner,
        is_reserve=reserve is not None,
    )


def _read_jockey(leaf: Leaf) -> tuple[str | None, int | None]:
    text = text_of(leaf)
    if text is None:
        return None, None
    if match := _CLAIM.match(text):
        return match["name"] or None, int(match["claim"])
    return text, None


@lru_cache(maxsize=65_536)
def read_quote(decimal: Leaf, fractional: Leaf, ew_places: Leaf, ew_denom: Leaf) -> Quote:
    """Read a quote; the same texts give the same object, a day has only some hundred of them.

    Raises ValueError when the price makes no sense; each-way terms that make none are none.
    """
    doubts: list[str] = []
    places = read_integer(ew_places, "ew_places", doubts) or None
    denominator = read_integer(ew_denom, "ew_denom", doubts) or None
    return Quote(
        price=read_price(text_of(decimal) or "", text_of(fractional) or ""),
        ew_places=places,
        ew_denom=denominator,
    )


def text_of(leaf: Leaf, *, none: frozenset[str] = _NONE) -> str | None:
    """A leaf as stripped text; None where it says nothing."""
    if leaf is None:
        return None
    text = str(leaf).strip().replace("\x00", "")
    return None if not text or text in none else text


def required(leaf: Leaf, field: str) -> str:
    """A leaf as text; raises ValueError where it says nothing."""
    text = text_of(leaf)
    if text is None:
        raise ValueError(f"{field} is empty")
    return text


def read_integer(leaf: Leaf, field: str, doubts: list[str]) -> int | None:
    """A leaf as a small whole number; None and a doubt where it is something else."""
    text = text_of(leaf)
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError:
        doubts.append(f"{field} {text!r} is not a whole number")
        return None
    if abs(number) > _LARGEST:
        doubts.append(f"{field} {text!r} is out of range")
        return None
    return number


def _decimal(leaf: Leaf, field: str, doubts: list[str]) -> Decimal | None:
    text = text_of(leaf)
    if text is None:
        return None
    try:
        number = Decimal(text.removesuffix("f"))
    except InvalidOperation:
        doubts.append(f"{field} {text!r} is not a number")
        return None
    if not number.is_finite() or not 0 <= number <= _LONGEST_DISTANCE:
        doubts.append(f"{field} {text!r} is out of range")
        return None
    return number.quantize(Decimal("0.1"))


def read_date(text: str, field: str) -> date:
    """A day; raises ValueError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{field} {text!r} is not a date") from None


def read_instant(text: str, field: str) -> datetime:
    """An instant in UTC, from ISO text with an offset; raises ValueError."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{field} {text!r} is not a time") from None
    if instant.tzinfo is None:
        raise ValueError(f"{field} {text!r} has no offset")
    return instant.astimezone(UTC)
