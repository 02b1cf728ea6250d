"""Understanding results: the feed's pages to ``RaceResult``s, and what cannot be understood.

A result is read whole or not at all: without every horse that ran, places and dead heats would be
wrong. An optional fact that makes no sense costs that fact alone.
"""

import re
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from darkhorses.domain.identifiers import CourseId, HorseId, RaceId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Unreadable
from darkhorses.domain.results import Prize, RaceResult, ResultPage, ResultRunner
from darkhorses.domain.starting_prices import read_starting_price
from darkhorses.upstream.bodies import UNDECODABLE
from darkhorses.upstream.errors import MalformedError
from darkhorses.upstream.facts import (
    is_elsewhere,
    named,
    number_in,
    read_date,
    read_id,
    read_instant,
    read_integer,
    read_region,
    read_text,
    require_same_day,
    required,
    text_of,
)
from darkhorses.upstream.reading import PageCount, count_of
from darkhorses.upstream.wire import (
    Leaf,
    WireIds,
    WireRawResults,
    WireResult,
    WireResultRunner,
)

_MONEY = re.compile(r"^(?P<sign>[£€]?)(?P<amount>\d[\d,]*(?:\.\d+)?)$", re.ASCII)
_LONGEST_PAYLOAD = 20_000
_LONGEST_ID = 100
_MOST_LENGTHS = 999_999
_LONGEST_FURLONGS = 999
_LAST_POSITION = 999
_MOST_MONEY = Decimal(1_000_000_000)

_pages = msgspec.json.Decoder(WireRawResults)
_result = msgspec.json.Decoder(WireResult)
_ids = msgspec.json.Decoder(WireIds)


class ResultReader:
    """Collects the results of one look at a day, page by page.

    ``regions`` are the feed's region codes; races of others are left out.
    """

    def __init__(self, *, regions: Iterable[str] = ()) -> None:
        self._regions = frozenset(region.lower() for region in regions)
        self._results: dict[RaceId, RaceResult] = {}
        self._unreadable: list[Unreadable] = []
        self._unread = 0
        self._received: set[str] = set()
        self._announced = 0

    def read_page(self, body: bytes) -> PageCount:
        """Read a page of results; raises MalformedError when it is none."""
        try:
            page = _pages.decode(body)
        except UNDECODABLE as error:
            raise MalformedError(f"the answer is no page of results: {error}") from error
        for raw in page.results:
            self._received.add(_race_id(raw) or f"nameless {len(self._received)}")
            self._read(bytes(raw))
        count = count_of(len(page.results), page.total)
        self._announced = max(self._announced, count.total)
        return count

    def read_result(self, body: bytes) -> None:
        """Read a single result; raises MalformedError when it is not JSON."""
        try:
            raw = msgspec.json.decode(body, type=msgspec.Raw)
        except UNDECODABLE as error:
            raise MalformedError(f"the result is not JSON: {error}") from error
        self._read(bytes(raw))

    def page(self) -> ResultPage:
        """All that was read so far; a race that came twice counts as it came last."""
        return ResultPage(
            results=tuple(self._results.values()),
            unreadable=tuple(self._unreadable),
            unread=self._unread,
            missing=max(0, self._announced - len(self._received)),
        )

    def _read(self, body: bytes) -> None:
        try:
            wire = _result.decode(body)
        except UNDECODABLE as error:
            self._unread += 1
            self._set_aside(body, str(error), race_id=_race_id(msgspec.Raw(body)))
            return
        if is_elsewhere(wire.region, self._regions):
            return
        doubts: list[str] = []
        try:
            result = _read_result(wire, doubts)
        except ValueError as error:
            self._unread += 1
            doubts.append(str(error))
        else:
            self._results[result.race_id] = result
        if doubts:
            self._set_aside(body, "; ".join(doubts), race_id=text_of(wire.race_id))

    def _set_aside(self, body: bytes, reason: str, *, race_id: str | None) -> None:
        text = body.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
        self._unreadable.append(
            Unreadable(
                kind="race",
                race_id=race_id and race_id[:_LONGEST_ID],
                horse_id=None,
                reason=f"result: {reason}",
                payload=text[:_LONGEST_PAYLOAD],
            )
        )


def _read_result(wire: WireResult, doubts: list[str]) -> RaceResult:
    region = read_region(wire.region)
    race_date = read_date(required(wire.date, "date"), "date")
    off_dt = read_instant(required(wire.off_dt, "off_dt"), "off_dt")
    require_same_day(race_date, off_dt)
    dividends = {
        "win": wire.tote_win,
        "place": wire.tote_pl,
        "exacta": wire.tote_ex,
        "csf": wire.tote_csf,
        "tricast": wire.tote_tricast,
        "trifecta": wire.tote_trifecta,
    }
    runners = [_read_runner(runner, region, doubts) for runner in wire.runners or ()]
    if not runners:
        raise ValueError("the result names no runner")
    return RaceResult(
        race_id=RaceId(read_id(wire.race_id, "race_id")),
        race_date=race_date,
        off_dt=off_dt,
        region=region,
        course_id=CourseId(read_id(wire.course_id, "course_id")),
        # Cards name a course without its country.
        course=named(wire.course, "course").removesuffix(f"({region})").strip(),
        race_name=read_text(wire.race_name, "race_name", doubts) or "",
        race_class=read_text(wire.race_class, "race_class", doubts),
        race_type=read_text(wire.type, "type", doubts),
        pattern=read_text(wire.pattern, "pattern", doubts),
        distance=read_text(wire.dist, "dist", doubts),
        distance_f=_furlongs(wire.dist_f, doubts),
        going=read_text(wire.going, "going", doubts),
        surface=read_text(wire.surface, "surface", doubts),
        age_band=read_text(wire.age_band, "age_band", doubts),
        rating_band=read_text(wire.rating_band, "rating_band", doubts),
        winning_time=read_text(wire.winning_time_detail, "winning_time_detail", doubts),
        comments=text_of(wire.comments),
        non_runners=text_of(wire.non_runners),
        tote={name: text for name, leaf in dividends.items() if (text := text_of(leaf))},
        runners={runner.horse_id: runner for runner in runners},
    )


def _read_runner(wire: WireResultRunner, region: str, doubts: list[str]) -> ResultRunner:
    position = read_text(wire.position, "position", doubts)
    number = read_text(wire.number, "number", doubts)
    return ResultRunner(
        horse_id=HorseId(read_id(wire.horse_id, "horse_id")),
        horse_name=named(wire.horse, "horse"),
        position=position.upper() if position is not None else None,
        position_no=_position_no(position),
        starting_price=_starting_price(wire, doubts),
        exchange_price=_number(wire.bsp, "bsp", doubts, above=Decimal(1)),
        beaten_by=_number(wire.ovr_btn, "ovr_btn", doubts),
        horse_number=read_integer(number, "number", doubts),
        draw=read_integer(wire.draw, "draw", doubts) or None,
        age=read_integer(wire.age, "age", doubts),
        weight=read_text(wire.weight, "weight", doubts),
        headgear=read_text(wire.headgear, "headgear", doubts),
        official_rating=read_integer(wire.rating, "or", doubts),
        jockey=read_text(wire.jockey, "jockey", doubts),
        jockey_id=read_text(wire.jockey_id, "jockey_id", doubts),
        trainer=read_text(wire.trainer, "trainer", doubts),
        trainer_id=read_text(wire.trainer_id, "trainer_id", doubts),
        prize=_prize(wire.prize, region, doubts),
    )


def _position_no(position: str | None) -> int | None:
    """The number of a position; a code has none, and 0 is no place to finish in."""
    if position is None or not position.isdecimal() or not 1 <= int(position) <= _LAST_POSITION:
        return None
    return int(position)


def _starting_price(wire: WireResultRunner, doubts: list[str]) -> Price | None:
    try:
        return read_starting_price(text_of(wire.sp) or "", text_of(wire.sp_dec) or "")
    except ValueError as error:
        doubts.append(str(error))
        return None


def _prize(leaf: Leaf, region: str, doubts: list[str]) -> Prize | None:
    """``€7080`` and ``5234``: a number without a sign is in pounds, in Ireland in euros."""
    text = text_of(leaf)
    if text is None:
        return None
    match = _MONEY.match(text)
    if match is None:
        doubts.append(f"prize {text!r} is no money")
        return None
    is_euro = match["sign"] == "€" or (not match["sign"] and region == "IRE")
    amount = Decimal(match["amount"].replace(",", ""))
    if amount >= _MOST_MONEY:
        doubts.append(f"prize {text!r} is out of range")
        return None
    return Prize(amount=amount, currency="EUR" if is_euro else "GBP")


def _number(
    leaf: Leaf, field: str, doubts: list[str], *, above: Decimal = Decimal(-1)
) -> Decimal | None:
    text = text_of(leaf)
    if text is None:
        return None
    number = number_in(text)
    if number is None:
        doubts.append(f"{field} {text[:60]!r} is not a number")
        return None
    if number > _MOST_LENGTHS:
        doubts.append(f"{field} {text!r} is out of range")
        return None
    return number if number > above else None


def _furlongs(leaf: Leaf, doubts: list[str]) -> Decimal | None:
    """``10f``, ``7½f`` or ``7.5``."""
    text = (text_of(leaf) or "").removesuffix("f").replace("½", ".5")
    number = _number(text, "dist_f", doubts)
    if number is None or number > _LONGEST_FURLONGS:
        return None
    return number.quantize(Decimal("0.1"))


def _race_id(raw: msgspec.Raw) -> str | None:
    try:
        return text_of(_ids.decode(raw).race_id)
    except UNDECODABLE:
        return None
