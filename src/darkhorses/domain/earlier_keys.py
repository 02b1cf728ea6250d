"""How a row of the earlier system, which has no ids, is found to be a runner that has.

By its day, its horse's name and its course: a horse runs once a day, and names of courses differ
between sources only in brackets and in a last word (``Epsom``, ``Epsom Downs``).
"""

import re
from collections.abc import Iterable
from datetime import date, time

import msgspec

from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.results import name_key

_BRACKETS = re.compile(r"\([^)]*\)")
_NOT_LETTERS = re.compile(r"[^a-z0-9]+")
_PREFIX = "earlier_"


class KnownRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A runner with the feed's ids, of some day; keys as the functions below make them."""

    race_id: RaceId
    horse_id: HorseId
    horse_key: str
    course_key: str


def horse_key(name: str) -> str:
    """A horse's name as it is compared: letters and digits, no country."""
    return _NOT_LETTERS.sub("", name_key(name))


def course_key(name: str) -> str:
    """A course's name as it is compared: letters and digits outside brackets."""
    return _NOT_LETTERS.sub("", _BRACKETS.sub("", name).casefold())


def derived_race_id(day: date, course: str, clock: time) -> RaceId:
    """An id made of what the earlier system said of a race: the same words, the same id."""
    return RaceId(f"{_PREFIX}{day:%Y%m%d}_{course_key(course)}_{clock:%H%M}")


def derived_horse_id(name: str) -> HorseId:
    """An id made of a horse's name."""
    return HorseId(f"{_PREFIX}{horse_key(name)}")


def runner_of(name: str, course: str, known: Iterable[KnownRunner]) -> KnownRunner | None:
    """The runner among those of a day that a row means; None when there is not exactly one."""
    horse, where = horse_key(name), course_key(course)
    found = [
        runner
        for runner in known
        if runner.horse_key == horse
        and where
        and runner.course_key
        and (where.startswith(runner.course_key) or runner.course_key.startswith(where))
    ]
    return found[0] if len(found) == 1 else None
