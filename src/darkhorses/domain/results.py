"""Results: how a race ended, as the feed says it on the day and may amend it later."""

import re
from datetime import date, datetime
from decimal import Decimal

import msgspec

from darkhorses.domain.identifiers import CourseId, HorseId, RaceId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Unreadable

_COUNTRY = re.compile(r"\s*\([A-Z]{2,3}\)\s*$")
_SPACES = re.compile(r"\s+")
_VOID = "VOI"


class Prize(msgspec.Struct, frozen=True, kw_only=True):
    """Money won; ``currency`` is ``GBP`` or ``EUR``."""

    amount: Decimal
    currency: str


class ResultRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A horse that ran.

    ``position`` is the feed's text, ``position_no`` its number where it is one (a code such as
    ``UR`` has none). ``beaten_by`` is lengths behind the winner. ``weight`` is ``9-12`` (stones
    and pounds). ``horse_name`` may carry its country: ``Veraison (IRE)``.
    """

    horse_id: HorseId
    horse_name: str
    position: str | None = None
    position_no: int | None = None
    starting_price: Price | None = None
    exchange_price: Decimal | None = None
    beaten_by: Decimal | None = None
    horse_number: int | None = None
    draw: int | None = None
    age: int | None = None
    weight: str | None = None
    headgear: str | None = None
    official_rating: int | None = None
    jockey: str | None = None
    jockey_id: str | None = None
    trainer: str | None = None
    trainer_id: str | None = None
    prize: Prize | None = None

    @property
    def is_void(self) -> bool:
        """Whether the feed marks this runner's race as void."""
        return self.position == _VOID


class RaceResult(msgspec.Struct, frozen=True, kw_only=True):
    """A race with its result; ``non_runners`` is free text, ``tote`` dividends by their name."""

    race_id: RaceId
    race_date: date
    off_dt: datetime
    region: str
    course_id: CourseId
    course: str
    race_name: str
    race_class: str | None = None
    race_type: str | None = None
    pattern: str | None = None
    distance: str | None = None
    distance_f: Decimal | None = None
    going: str | None = None
    surface: str | None = None
    age_band: str | None = None
    rating_band: str | None = None
    winning_time: str | None = None
    comments: str | None = None
    non_runners: str | None = None
    tote: dict[str, str] = {}
    runners: dict[HorseId, ResultRunner]

    @property
    def is_void(self) -> bool:
        """Whether every bet on the race was given back."""
        return bool(self.runners) and all(runner.is_void for runner in self.runners.values())


class ResultPage(msgspec.Struct, frozen=True, kw_only=True):
    """All results of one look at a day.

    ``missing`` counts results that the feed announced and did not send; ``unread`` are races
    whose result could not be understood and was set aside.
    """

    results: tuple[RaceResult, ...]
    unreadable: tuple[Unreadable, ...] = ()
    unread: int = 0
    missing: int = 0


class NamedNonRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A non-runner as a result's free text names it."""

    name: str
    reason: str | None


def read_non_runners(text: str | None) -> tuple[NamedNonRunner, ...]:
    """Read ``Name (reason, detail), Name2 (…)``: commas inside brackets part nothing."""
    pieces: list[str] = [""]
    depth = 0
    for letter in text or "":
        depth = max(0, depth + (letter == "(") - (letter == ")"))
        if letter == "," and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += letter
    return tuple(_read_non_runner(piece.strip()) for piece in pieces if piece.strip())


def name_key(name: str) -> str:
    """A horse's name as it is compared: no country, no case, one kind of apostrophe and space."""
    plain = without_country(name).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return _SPACES.sub(" ", plain).strip().casefold()


def without_country(name: str) -> str:
    """``Veraison (IRE)`` as ``Veraison``."""
    return _COUNTRY.sub("", name).strip()


def _read_non_runner(piece: str) -> NamedNonRunner:
    name, _, rest = piece.partition("(")
    rest = rest.strip()
    if _COUNTRY.match(f"({rest.partition(')')[0]})"):
        rest = rest.partition(")")[2].strip().removeprefix("(").strip()
    reason = rest.removesuffix(")").strip()
    return NamedNonRunner(name=name.strip(), reason=reason or None)
