"""Leaves of the feed to values, one by one: texts, numbers, dates, and what says "none".

Without its id, name, day or off a race or runner is none at all, and a ValueError says so. Any
other leaf that makes no sense costs that one fact: it becomes None and is written into ``doubts``.
"""

import re
from collections.abc import Collection
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache

import msgspec

from darkhorses.domain.identifiers import CourseId, HorseId, RaceId
from darkhorses.domain.london import london_clock
from darkhorses.domain.prices import read_price
from darkhorses.domain.races import Quote, Race, Runner
from darkhorses.upstream.wire import Leaf, WireQuote, WireRaceFacts, WireRunnerFacts

_NONE = frozenset({"", "-", "\N{EN DASH}", "\N{EM DASH}"})
_CLAIM = re.compile(r"^(?P<name>.*?)\s*\((?P<claim>\d+)\)$")
_RESERVE = re.compile(r"^R\s*(\d+)$", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:\-]{0,63}")
_REGION = re.compile(r"[A-Za-z]{2,5}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# int() and Decimal() also take underscores, other alphabets' digits, and exponents.
_INTEGER = re.compile(r"[+\-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+\-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})", re.ASCII)
_NON_RUNNER_NUMBER = "NR"
_NON_RUNNER_JOCKEY = "NON-RUNNER"
_LARGEST = 32_767
_DIGITS = 9
_LONGEST_TEXT = 500  # an index holds no text of more than 2,700 bytes
_SHOWN = 60
_YEARS = range(1990, 2101)
_LONGEST_DISTANCE = 999


def read_race_facts(wire: WireRaceFacts, doubts: list[str]) -> Race:
    """Read a race without its runners."""
    off_dt = read_instant(required(wire.off_dt, "off_dt"), "off_dt")
    race_date = read_date(required(wire.date, "date"), "date")
    require_same_day(race_date, off_dt)
    return Race(
        race_id=RaceId(read_id(wire.race_id, "race_id")),
        race_date=race_date,
        off_dt=off_dt,
        off_time=london_clock(off_dt),
        course_id=CourseId(read_id(wire.course_id, "course_id")),
        course=named(wire.course, "course"),
        region=read_region(wire.region),
        race_name=read_text(wire.race_name, "race_name", doubts) or "",
        race_class=read_text(wire.race_class, "race_class", doubts),
        race_type=read_text(wire.type, "type", doubts),
        pattern=read_text(wire.pattern, "pattern", doubts),
        distance=read_text(wire.distance, "distance", doubts),
        distance_f=_decimal(wire.distance_f, "distance_f", doubts),
        going=read_text(wire.going, "going", doubts),
        surface=read_text(wire.surface, "surface", doubts),
        age_band=read_text(wire.age_band, "age_band", doubts),
        rating_band=read_text(wire.rating_band, "rating_band", doubts),
        prize=read_text(wire.prize, "prize", doubts),
        field_size=read_integer(wire.field_size, "field_size", doubts),
        race_status=(read_text(wire.race_status, "race_status", doubts) or "").lower() or None,
        is_abandoned=wire.is_abandoned in (True, "true", "True", 1),
    )


def read_runner(wire: WireRunnerFacts, doubts: list[str]) -> Runner:
    """Read a runner without its quotes."""
    number = text_of(wire.number)
    jockey, claim = _read_jockey(wire.jockey, doubts)
    is_non_runner = (number or "").upper() == _NON_RUNNER_NUMBER or (jockey or "").upper() == (
        _NON_RUNNER_JOCKEY
    )
    reserve = _RESERVE.match(number or "")
    if reserve:
        number = reserve[1]
    elif is_non_runner and not (number or "").isdecimal():
        number = None
    return Runner(
        horse_id=HorseId(read_id(wire.horse_id, "horse_id")),
        horse_name=named(wire.horse, "horse"),
        horse_number=read_integer(number, "number", doubts),
        draw=read_integer(wire.draw, "draw", doubts) or None,
        jockey=None if is_non_runner else jockey,
        jockey_id=read_text(wire.jockey_id, "jockey_id", doubts),
        jockey_claim_lbs=claim,
        trainer=read_text(wire.trainer, "trainer", doubts),
        trainer_id=read_text(wire.trainer_id, "trainer_id", doubts),
        age=read_integer(wire.age, "age", doubts),
        weight_lbs=read_integer(wire.lbs, "lbs", doubts),
        headgear=read_text(wire.headgear, "headgear", doubts),
        form=read_text(wire.form, "form", doubts, none=frozenset()),
        official_rating=read_integer(wire.ofr, "ofr", doubts),
        silk_url=read_text(wire.silk_url, "silk_url", doubts),
        is_non_runner=is_non_runner,
        is_reserve=reserve is not None,
    )


def _read_jockey(leaf: Leaf, doubts: list[str]) -> tuple[str | None, int | None]:
    text = read_text(leaf, "jockey", doubts)
    if text is None:
        return None, None
    if match := _CLAIM.match(text):
        return match["name"] or None, read_integer(match["claim"], "jockey's claim", doubts)
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


def read_quote_of(runner: Runner, wire: WireQuote) -> Quote:
    """Read a quote on a runner, without price if that does not run; raises as read_quote does."""
    quote = read_quote(wire.decimal, wire.fractional, wire.ew_places, wire.ew_denom)
    if runner.is_non_runner and quote.price is not None:
        return msgspec.structs.replace(quote, price=None)
    return quote


def text_of(leaf: Leaf, *, none: frozenset[str] = _NONE) -> str | None:
    """A leaf as stripped text; None where it says nothing."""
    if leaf is None:
        return None
    text = str(leaf).replace("\x00", "").strip()
    return None if not text or text in none else text


def required(leaf: Leaf, field: str) -> str:
    """A leaf as text; raises ValueError where it says nothing."""
    text = text_of(leaf)
    if text is None:
        raise ValueError(f"{field} is empty")
    return text


def named(leaf: Leaf, field: str) -> str:
    """A leaf as a name; raises ValueError where it says nothing or is too long to be one."""
    text = required(leaf, field)
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"{field} {text[:_SHOWN]!r} is too long, {len(text)} characters")
    return text


def read_id(leaf: Leaf, field: str) -> str:
    """An id of the feed: it becomes a key of ours and part of addresses. Raises ValueError."""
    text = required(leaf, field)
    if not _ID.fullmatch(text):
        raise ValueError(f"{field} {text[:_SHOWN]!r} is no id")
    return text


def read_region(leaf: Leaf) -> str:
    """A race's region in capitals; raises ValueError."""
    text = required(leaf, "region")
    if not _REGION.fullmatch(text):
        raise ValueError(f"region {text[:_SHOWN]!r} is no region")
    return text.upper()


def is_elsewhere(region: Leaf, wanted: Collection[str]) -> bool:
    """Whether a race is of a region (lower case) that nobody asked for; nonsense is not one."""
    text = text_of(region) or ""
    return bool(wanted and _REGION.fullmatch(text)) and text.lower() not in wanted


def read_text(
    leaf: Leaf, field: str, doubts: list[str], *, none: frozenset[str] = _NONE
) -> str | None:
    """A leaf as text; None and a doubt where it is longer than a fact can be."""
    text = text_of(leaf, none=none)
    if text is None or len(text) <= _LONGEST_TEXT:
        return text
    doubts.append(f"{field} {text[:_SHOWN]!r} is too long, {len(text)} characters")
    return None


def read_integer(leaf: Leaf, field: str, doubts: list[str]) -> int | None:
    """A leaf as a small whole number; None and a doubt where it is something else."""
    text = text_of(leaf)
    if text is None:
        return None
    if not _INTEGER.fullmatch(text):
        doubts.append(f"{field} {text[:_SHOWN]!r} is not a whole number")
        return None
    if len(text) > _DIGITS or not 0 <= int(text) <= _LARGEST:
        doubts.append(f"{field} {text[:_SHOWN]!r} is out of range")
        return None
    return int(text)


def _decimal(leaf: Leaf, field: str, doubts: list[str]) -> Decimal | None:
    text = text_of(leaf)
    if text is None:
        return None
    number = number_in(text.removesuffix("f"))
    if number is None:
        doubts.append(f"{field} {text[:_SHOWN]!r} is not a number")
        return None
    if not 0 <= number <= _LONGEST_DISTANCE:
        doubts.append(f"{field} {text[:_SHOWN]!r} is out of range")
        return None
    return number.quantize(Decimal("0.1"))


def number_in(text: str) -> Decimal | None:
    """Text as a plain number; None where Python would make one of more than digits and a point."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def read_date(text: str, field: str) -> date:
    """A day; raises ValueError."""
    if not _DATE.fullmatch(text):
        raise ValueError(f"{field} {text[:_SHOWN]!r} is not a date")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{field} {text!r} is not a date") from None
    if day.year not in _YEARS:
        raise ValueError(f"{field} {text!r} is out of range")
    return day


def read_instant(text: str, field: str) -> datetime:
    """An instant in UTC, from ISO text with an offset; raises ValueError."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{field} {text[:_SHOWN]!r} is not a time") from None
    if instant.tzinfo is None:
        raise ValueError(f"{field} {text!r} has no offset")
    if instant.year not in _YEARS:
        raise ValueError(f"{field} {text!r} is out of range")
    return instant.astimezone(UTC)


def require_same_day(day: date, off_dt: datetime) -> None:
    """Raise ValueError when a race's day and its off cannot both be right, wherever it is run."""
    if abs((off_dt.date() - day).days) > 1:
        raise ValueError(f"date {day} and off_dt {off_dt.isoformat()} are days apart")
