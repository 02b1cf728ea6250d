"""Rows of the earlier system's tables, read for what they are worth.

Nothing is believed that was not checked: columns may hold text, floats or nothing. A fact that
makes no sense costs that fact, and is named among the doubts; a row without what identifies it is
not brought over, and UnfitRowError says why, in words that are counted.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, TypeVar

import msgspec

from darkhorses.domain.bookmakers import Bookmaker, BookmakerType, bookmaker_named
from darkhorses.domain.earlier_keys import course_key, derived_horse_id, derived_race_id
from darkhorses.domain.errors import DarkHorsesError
from darkhorses.domain.history import HistoricalRow
from darkhorses.domain.identifiers import CourseId
from darkhorses.domain.london import LONDON, instant_of, london_clock
from darkhorses.domain.price_summaries import DataSource
from darkhorses.domain.results import without_country
from darkhorses.domain.settlement import Placing, each_way_terms, settle
from darkhorses.domain.starting_prices import read_starting_price

_T = TypeVar("_T")

Leaf = str | int | float | bool | None
"""A value as a row's JSON has it."""

_NOTHING = frozenset({"", "-", "none", "null", "nan", "n/a", "nat"})
_LARGEST = 32_767
_LARGEST_PRICE = Decimal(1_000_000)
_FIRST_HOUR = 10  # no race of Great Britain or Ireland is earlier: 1:30 is half past one
_COUNTRIES = {
    "gb": "GB", "uk": "GB", "gbr": "GB", "great britain": "GB", "united kingdom": "GB",
    "england": "GB", "scotland": "GB", "wales": "GB",
    "ire": "IRE", "ie": "IRE", "irl": "IRE", "ireland": "IRE", "eire": "IRE",
}  # fmt: skip
_CODE = re.compile(r"[A-Z]{2,3}")
_STONES = re.compile(r"(\d{1,2})-(\d{1,2})")
_CLASS = re.compile(r"(?:class[ _]?)?(\d)(?:\.0)?", re.IGNORECASE)
_POUNDS_A_STONE = 14
_HEAVIEST = 200
_SAME = Decimal("0.02")


class UnfitRowError(DarkHorsesError):
    """A row of the earlier system cannot be brought over; the message is a reason to count."""


class EarlierBookmaker(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the earlier ``ra_bookmakers``."""

    bookmaker_id: Leaf = None
    bookmaker_name: Leaf = None
    bookmaker_type: Leaf = None
    active: Leaf = None
    created_at: Leaf = None


class EarlierCycle(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the earlier ``ra_odds_statistics``."""

    fetch_timestamp: Leaf = None
    race_id: Leaf = None
    races_count: Leaf = None
    horses_count: Leaf = None
    bookmakers_found: Leaf = None
    total_odds_fetched: Leaf = None
    changed_count: Leaf = None
    bookmaker_list: Any = None
    fetch_duration_ms: Leaf = None
    errors_count: Leaf = None


class EarlierRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the earlier ``ra_odds_historical``."""

    date_of_race: Leaf = None
    country: Leaf = None
    track: Leaf = None
    race_time: Leaf = None
    race_name: Leaf = None
    going: Leaf = None
    race_type: Leaf = None
    distance: Leaf = None
    race_class: Leaf = None
    runners_count: Leaf = None
    horse_name: Leaf = None
    official_rating: Leaf = None
    age: Leaf = None
    weight: Leaf = None
    jockey: Leaf = None
    trainer: Leaf = None
    headgear: Leaf = None
    stall_number: Leaf = None
    sp_favorite_position: Leaf = None
    industry_sp: Leaf = None
    bsp: Leaf = None
    betfair_sp: Leaf = None
    finishing_position: Leaf = None
    winning_distance: Leaf = None
    ip_min: Leaf = None
    ip_max: Leaf = None
    pre_race_min: Leaf = None
    pre_race_max: Leaf = None
    opening_price: Leaf = None
    closing_price: Leaf = None
    forecasted_odds: Leaf = None
    sp_win_return: Leaf = None
    ew_return: Leaf = None
    place_return: Leaf = None
    created_at: Leaf = None
    updated_at: Leaf = None


class AdoptedRow(HistoricalRow, frozen=True, kw_only=True):
    """A row of ``ra_odds_historical`` as the earlier system told it, with ids made of its words."""

    ip_min: Decimal | None
    ip_max: Decimal | None
    created_at: datetime
    updated_at: datetime


class AdoptedCycle(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``ra_odds_statistics`` as the earlier system told it."""

    fetch_timestamp: datetime
    races_count: int
    horses_count: int
    bookmakers_found: int
    total_odds_fetched: int
    changed_count: int
    bookmaker_list: list[str]
    fetch_duration_ms: int
    errors_count: int


def read_bookmaker(row: EarlierBookmaker) -> Bookmaker:
    """Who it is, by its name; raises UnfitRowError for one without.

    The earlier system knew Betfair's exchange as Betfair.
    """
    name = text_of(row.bookmaker_name) or text_of(row.bookmaker_id)
    if name is None:
        raise UnfitRowError("no bookmaker name")
    try:
        known = bookmaker_named(name)
    except ValueError:
        raise UnfitRowError("a bookmaker name without a letter or digit") from None
    if (text_of(row.bookmaker_type) or "").lower() != BookmakerType.EXCHANGE:
        return known
    if known.bookmaker_id == "betfair":
        return bookmaker_named("Betfair Exchange")
    return msgspec.structs.replace(known, bookmaker_type=BookmakerType.EXCHANGE)


def read_cycle(row: EarlierCycle) -> AdoptedCycle:
    """A poll cycle; raises UnfitRowError for one that does not say what ours say."""
    stamp = instant(row.fetch_timestamp)
    if stamp is None:
        raise UnfitRowError("no time of the fetch")
    if text_of(row.race_id) is not None:
        raise UnfitRowError("of a single race, not of a whole card")
    counts = {}
    for name in (
        "races_count", "horses_count", "bookmakers_found", "total_odds_fetched",
        "changed_count", "fetch_duration_ms", "errors_count",
    ):  # fmt: skip
        number = _number(getattr(row, name))
        if number is None or not 0 <= number < 2**31:
            raise UnfitRowError(f"{name} is not said")
        counts[name] = int(number)
    return AdoptedCycle(fetch_timestamp=stamp, bookmaker_list=_names(row.bookmaker_list), **counts)


def read_runner(row: EarlierRunner, *, now: datetime) -> tuple[AdoptedRow, list[str]]:
    """A runner of a past race, and the names of its facts that made no sense.

    Raises UnfitRowError for a row that lacks its day, course, time, country, horse or number of
    runners. ``now`` stands where it does not say when it was written.
    """
    reader = _Reader(row)
    day = _required(race_day_of(row.date_of_race), "no day of the race")
    track = _required(text_of(row.track), "no course")
    clock = _required(_clock(row.race_time), "no time of the race")
    country = _required(_country(row.country), "no country")
    horse = _required(text_of(row.horse_name), "no name of the horse")
    runners = reader.integer("runners_count", lowest=1)
    if runners is None:
        raise UnfitRowError("no number of runners")
    off_dt = instant_of(day, clock)
    created_at = instant(row.created_at) or now
    position, number, is_non_runner = reader.position()
    price, fraction = reader.starting_price()
    adopted = AdoptedRow(
        race_id=derived_race_id(day, track, clock),
        horse_id=derived_horse_id(horse),
        date_of_race=day,
        off_dt=off_dt,
        country=country,
        course_id=CourseId(f"earlier_{course_key(track)}"),
        track=track,
        race_time=london_clock(off_dt),
        race_name=text_of(row.race_name) or "",
        going=text_of(row.going),
        race_type=text_of(row.race_type),
        distance=text_of(row.distance),
        race_class=reader.race_class(),
        runners_count=runners,
        horse_name=without_country(horse),
        horse_number=None,
        official_rating=reader.integer("official_rating") or None,
        age=reader.integer("age") or None,
        weight=reader.weight(),
        jockey=text_of(row.jockey),
        jockey_id=None,
        trainer=text_of(row.trainer),
        trainer_id=None,
        headgear=text_of(row.headgear),
        stall_number=reader.integer("stall_number") or None,
        is_non_runner=is_non_runner,
        industry_sp=price,
        industry_sp_fractional=fraction,
        sp_favorite_position=reader.integer("sp_favorite_position") or None,
        bsp=reader.price("bsp") or reader.price("betfair_sp"),
        finishing_position=position,
        position_no=number,
        winning_distance=reader.decimal("winning_distance", Decimal("0.01")),
        opening_price=reader.price("opening_price"),
        closing_price=reader.price("closing_price"),
        pre_race_min=reader.price("pre_race_min"),
        pre_race_max=reader.price("pre_race_max"),
        forecasted_odds=reader.price("forecasted_odds"),
        ip_min=reader.price("ip_min"),
        ip_max=reader.price("ip_max"),
        data_source=DataSource.EARLIER,
        created_at=created_at,
        updated_at=instant(row.updated_at) or created_at,
        **reader.returns(price, number, runners, is_non_runner=is_non_runner),
    )
    return adopted, reader.doubts


class _Reader:
    """Reads the optional facts of a row and notes those that make no sense."""

    def __init__(self, row: EarlierRunner) -> None:
        self._row = row
        self.doubts: list[str] = []

    def _leaf(self, name: str) -> Leaf:
        leaf: Leaf = getattr(self._row, name)
        return leaf

    def _doubt(self, name: str) -> None:
        """Note a fact that makes no sense; it counts as not said."""
        self.doubts.append(name)

    def integer(self, name: str, *, lowest: int = 0) -> int | None:
        """A whole number, also one that was kept as a float or as text."""
        leaf = self._leaf(name)
        if text_of(leaf) is None:
            return None
        number = _number(leaf)
        if number is None or number != int(number) or not lowest <= number <= _LARGEST:
            self._doubt(name)
            return None
        return int(number)

    def decimal(self, name: str, step: Decimal) -> Decimal | None:
        """A number that is not negative."""
        leaf = self._leaf(name)
        if text_of(leaf) is None:
            return None
        number = _number(leaf)
        if number is None or not 0 <= number < _LARGEST_PRICE:
            self._doubt(name)
            return None
        return number.quantize(step, rounding=ROUND_HALF_EVEN)

    def price(self, name: str) -> Decimal | None:
        """A decimal price; 0 says that there was none."""
        number = self.decimal(name, Decimal("0.001"))
        if number is None or number > 1:
            return number
        if number != 0:
            self._doubt(name)
        return None

    def starting_price(self) -> tuple[Decimal | None, str | None]:
        """A decimal, or a fraction with its mark, such as ``15/8F``."""
        leaf = self._leaf("industry_sp")
        if text_of(leaf) is None or _number(leaf) is not None:
            return self.price("industry_sp"), None
        try:
            price = read_starting_price(str(leaf))
        except ValueError:
            self._doubt("industry_sp")
            return None, None
        return (None, None) if price is None else (price.decimal, price.fractional)

    def position(self) -> tuple[str | None, int | None, bool]:
        """Where it came in, as text and as a number, and whether it did not run."""
        text = text_of(self._leaf("finishing_position"))
        if text is None:
            return None, None, False
        if text.upper() == "NR":
            return None, None, True
        number = _number(text)
        if number is None:
            return text.upper(), None, False
        if number != int(number) or not 1 <= number <= _LARGEST:
            self._doubt("finishing_position")
            return None, None, False
        return str(int(number)), int(number), False

    def race_class(self) -> str | None:
        """``Class 4``, also where only its number was kept."""
        text = text_of(self._leaf("race_class"))
        if text is None or text == "0":
            return None
        match = _CLASS.fullmatch(text)
        return f"Class {match[1]}" if match else text

    def weight(self) -> str | None:
        """Stones and pounds, ``9-12``, also where pounds were kept."""
        text = text_of(self._leaf("weight"))
        if text is None:
            return None
        match = _STONES.fullmatch(text)
        if match and int(match[2]) < _POUNDS_A_STONE:
            return text
        pounds = _number(text)
        if pounds is None or pounds != int(pounds) or not _POUNDS_A_STONE <= pounds <= _HEAVIEST:
            self._doubt("weight")
            return None
        return "{}-{}".format(*divmod(int(pounds), _POUNDS_A_STONE))

    def returns(
        self, price: Decimal | None, position: int | None, runners: int, *, is_non_runner: bool
    ) -> dict[str, Any]:
        """What bets returned, where it agrees with what they return by price and position.

        Others mean something else by the word, such as the profit, and are left out.
        """
        exact = None if price is None else Fraction(price)
        placing = Placing(position=position, void=is_non_runner)
        settled = [
            settle(exact, placing, each_way_terms(runners, handicap=handicap))
            for handicap in (False, True)
        ]
        columns: dict[str, Iterable[Fraction | None]] = {
            "sp_win_return": (returns.win for returns in settled),
            "place_return": (returns.place for returns in settled),
            "ew_return": (returns.each_way for returns in settled),
        }
        return {name: self._agreed(name, expected) for name, expected in columns.items()}

    def _agreed(self, name: str, expected: Iterable[Fraction | None]) -> Decimal | None:
        leaf = self._leaf(name)
        if text_of(leaf) is None:
            return None
        told = _number(leaf)
        if told is not None and any(
            value is not None and abs(Fraction(told) - value) <= Fraction(_SAME)
            for value in expected
        ):
            return told.quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)
        self._doubt(name)
        return None


def text_of(leaf: Leaf) -> str | None:
    """A leaf as text; None where it says nothing, in one of the ways of saying it."""
    if leaf is None or isinstance(leaf, bool):
        return None
    text = str(leaf).strip().replace("\x00", "")
    return None if text.casefold() in _NOTHING else text


def instant(leaf: Leaf) -> datetime | None:
    """An instant with its offset; None for anything else."""
    try:
        found = datetime.fromisoformat(text_of(leaf) or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def race_day_of(leaf: Leaf) -> date | None:
    """A day, also one that was kept as an instant: midnight in London or in Greenwich."""
    text = text_of(leaf) or ""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(LONDON).date() if found.tzinfo is not None else found.date()


def _clock(leaf: Leaf) -> time | None:
    try:
        found = time.fromisoformat((text_of(leaf) or "").zfill(5))
    except ValueError:
        return None
    found = found.replace(second=0, microsecond=0, tzinfo=None)
    return found.replace(hour=found.hour + 12) if 0 < found.hour < _FIRST_HOUR else found


def _country(leaf: Leaf) -> str | None:
    text = text_of(leaf) or ""
    known = _COUNTRIES.get(text.casefold())
    return known or (text.upper() if _CODE.fullmatch(text.upper()) else None)


def _number(leaf: Leaf) -> Decimal | None:
    try:
        number = Decimal(text_of(leaf) or "")
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _names(leaf: Any) -> list[str]:
    """A list of names, also one that was kept as JSON or as words with commas."""
    if isinstance(leaf, str):
        try:
            leaf = msgspec.json.decode(leaf)
        except msgspec.DecodeError:
            leaf = leaf.strip("{}").split(",")
    if not isinstance(leaf, list):
        return []
    return sorted({str(name).strip(' "') for name in leaf} - {""})


def _required(value: _T | None, reason: str) -> _T:
    if value is None:
        raise UnfitRowError(reason)
    return value
