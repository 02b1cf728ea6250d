"""Understanding the feed: wire structs to domain records, and what cannot be understood.

A page is decoded all at once; only when that fails is it taken apart, race by race and runner by
runner, to find the piece at fault and set it aside while the rest goes on.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from darkhorses.domain.bookmakers import Bookmaker, bookmaker_named
from darkhorses.domain.identifiers import BookmakerId, CourseId, HorseId, RaceId
from darkhorses.domain.london import read_local_stamp
from darkhorses.domain.races import (
    Card,
    CardPage,
    Course,
    Quote,
    QuoteKey,
    Runner,
    Unreadable,
)
from darkhorses.upstream.bodies import UNDECODABLE
from darkhorses.upstream.errors import MalformedError
from darkhorses.upstream.facts import (
    is_elsewhere,
    read_quote,
    read_race_facts,
    read_runner,
    text_of,
)
from darkhorses.upstream.wire import (
    Leaf,
    WireCourses,
    WireIds,
    WireQuote,
    WireRace,
    WireRacecards,
    WireRaceFacts,
    WireRawRace,
    WireRawRacecards,
    WireRegion,
    WireResults,
    WireRunner,
)

_LONGEST_PAYLOAD = 20_000
_LONGEST_ID = 100

_racecards = msgspec.json.Decoder(WireRacecards)
_raw_racecards = msgspec.json.Decoder(WireRawRacecards)
_race = msgspec.json.Decoder(WireRace)
_raw_race = msgspec.json.Decoder(WireRawRace)
_runner = msgspec.json.Decoder(WireRunner)
_courses = msgspec.json.Decoder(WireCourses)
_results = msgspec.json.Decoder(WireResults)
_regions = msgspec.json.Decoder(list[WireRegion])
_ids = msgspec.json.Decoder(WireIds)


class PageCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many items a page held, and how many the feed says there are over all pages."""

    received: int
    total: int


class CardReader:
    """Collects the cards of one look at the feed, page by page.

    ``regions`` are the feed's region codes; races of others are left out, because a mistyped
    parameter makes the feed answer with the whole world. ``now`` settles stamps in the hour that
    London's clocks repeat.
    """

    def __init__(self, *, now: datetime, regions: Iterable[str] = ()) -> None:
        self._now = now
        self._regions = frozenset(region.lower() for region in regions)
        self._cards: dict[RaceId, Card] = {}
        self._bookmakers: dict[BookmakerId, Bookmaker] = {}
        self._spelled: dict[Leaf, BookmakerId] = {}
        self._unreadable: list[Unreadable] = []
        self._received: set[str] = set()
        self._announced = 0

    def read_page(self, body: bytes) -> PageCount:
        """Read a page of racecards; raises MalformedError when it is none."""
        try:
            page = _racecards.decode(body)
        except (msgspec.ValidationError, UnicodeDecodeError):
            count = self._read_page_in_pieces(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedError(f"the racecards are not JSON: {error}") from error
        else:
            for race in page.racecards:
                self._read_race(race, race.runners or (), whole=race.runners is not None)
                self._receive(text_of(race.race_id))
            count = count_of(len(page.racecards), page.total)
        self._announced = max(self._announced, count.total)
        return count

    def read_race(self, body: bytes) -> None:
        """Read a single card; raises MalformedError when it is none."""
        try:
            race = _race.decode(body)
        except (msgspec.ValidationError, UnicodeDecodeError):
            self._read_raw_race(msgspec.Raw(body))
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedError(f"the racecard is not JSON: {error}") from error
        else:
            self._read_race(race, race.runners or (), whole=race.runners is not None)

    def page(self) -> CardPage:
        """All that was read so far; a race that came twice counts as it came last."""
        return CardPage(
            cards=tuple(self._cards.values()),
            bookmakers=dict(self._bookmakers),
            unreadable=tuple(self._unreadable),
            missing=max(0, self._announced - len(self._received)),
        )

    def _receive(self, race_id: str | None) -> None:
        """Count a race once, however often it comes; one without an id is counted by itself."""
        self._received.add(race_id or f"nameless {len(self._received)}")

    def _read_page_in_pieces(self, body: bytes) -> PageCount:
        try:
            page = _raw_racecards.decode(body)
        except UNDECODABLE as error:
            raise MalformedError(f"the answer is no page of racecards: {error}") from error
        for raw in page.racecards:
            self._read_raw_race(raw)
            self._receive(_find_id(raw, "race_id"))
        return count_of(len(page.racecards), page.total)

    def _read_raw_race(self, raw: msgspec.Raw) -> None:
        try:
            race = _raw_race.decode(raw)
        except UNDECODABLE as error:
            self._set_aside("race", bytes(raw), str(error), race_id=_find_id(raw, "race_id"))
            return
        runners: list[WireRunner] = []
        whole = race.runners is not None
        for raw_runner in race.runners or ():
            try:
                runners.append(_runner.decode(raw_runner))
            except UNDECODABLE as error:
                whole = False
                self._set_aside(
                    "runner",
                    bytes(raw_runner),
                    str(error),
                    race_id=text_of(race.race_id),
                    horse_id=_find_id(raw_runner, "horse_id"),
                )
        self._read_race(race, runners, whole=whole)

    def _read_race(
        self,
        wire: WireRaceFacts,
        wire_runners: Iterable[WireRunner],
        *,
        whole: bool = True,
    ) -> None:
        if is_elsewhere(wire.region, self._regions):
            return
        doubts: list[str] = []
        race = None
        try:
            race = read_race_facts(wire, doubts)
        except ValueError as error:
            doubts.append(str(error))
        if race is None:
            self._set_aside_race(wire, doubts)
            return
        runners: dict[HorseId, Runner] = {}
        quotes: dict[QuoteKey, Quote] = {}
        without_odds: set[HorseId] = set()
        stamps: dict[Leaf, None] = {}
        for wire_runner in wire_runners:
            runner = self._read_runner(race.race_id, wire_runner)
            if runner is None:
                whole = False
                continue
            runners[runner.horse_id] = runner
            if wire_runner.odds is msgspec.UNSET:
                without_odds.add(runner.horse_id)
                continue
            for wire_quote in wire_runner.odds or ():
                self._read_quote(quotes, race.race_id, runner, wire_quote)
                stamps[wire_quote.updated] = None
        self._cards[race.race_id] = Card(
            race=race,
            runners=runners,
            quotes=quotes,
            runners_without_odds=frozenset(without_odds),
            whole=whole,
            refreshed_at=self._read_stamps(stamps, doubts),
        )
        if doubts:
            self._set_aside_race(wire, doubts)

    def _read_runner(self, race_id: RaceId, wire: WireRunner) -> Runner | None:
        doubts: list[str] = []
        runner = None
        try:
            runner = read_runner(wire, doubts)
        except ValueError as error:
            doubts.append(str(error))
        if doubts:
            # Odds are left out: they change, and the same nonsense is to be known again.
            payload = msgspec.json.encode(msgspec.structs.replace(wire, odds=msgspec.UNSET))
            self._set_aside(
                "runner",
                payload,
                "; ".join(doubts),
                race_id=race_id,
                horse_id=text_of(wire.horse_id),
            )
        return runner

    def _read_quote(
        self, quotes: dict[QuoteKey, Quote], race_id: RaceId, runner: Runner, wire: WireQuote
    ) -> None:
        """Add a quote; one that makes no sense counts as no price, so that no old one stands."""
        bookmaker_id = self._spelled.get(wire.bookmaker)
        if bookmaker_id is None:
            try:
                bookmaker_id = self._let_in(wire.bookmaker)
            except ValueError as error:
                self._set_aside_quote(race_id, runner, wire, str(error))
                return
        try:
            quote = read_quote(wire.decimal, wire.fractional, wire.ew_places, wire.ew_denom)
        except ValueError as error:
            self._set_aside_quote(race_id, runner, wire, str(error))
            quote = Quote(price=None)
        if runner.is_non_runner and quote.price is not None:
            quote = msgspec.structs.replace(quote, price=None)
        quotes[runner.horse_id, bookmaker_id] = quote

    def _let_in(self, name: Leaf) -> BookmakerId:
        """Identify a bookmaker whose spelling is seen for the first time in this look."""
        bookmaker = bookmaker_named(text_of(name) or "")
        self._bookmakers.setdefault(bookmaker.bookmaker_id, bookmaker)
        self._spelled[name] = bookmaker.bookmaker_id
        return bookmaker.bookmaker_id

    def _read_stamps(self, leaves: Iterable[Leaf], doubts: list[str]) -> datetime | None:
        """The newest of a race's refresh stamps; the feed puts the same on all of its quotes."""
        stamps = []
        for text in filter(None, map(text_of, leaves)):
            try:
                stamps.append(read_local_stamp(text, now=self._now))
            except (ValueError, OverflowError):
                doubts.append(f"updated {text[:60]!r} is no refresh stamp")
        return max(stamps, default=None)

    def _set_aside_race(self, wire: WireRaceFacts, doubts: Iterable[str]) -> None:
        facts = {field: getattr(wire, field) for field in WireRaceFacts.__struct_fields__}
        body = msgspec.json.encode(facts)
        self._set_aside("race", body, "; ".join(doubts), race_id=text_of(wire.race_id))

    def _set_aside_quote(
        self, race_id: RaceId, runner: Runner, wire: WireQuote, reason: str
    ) -> None:
        # The refresh stamp is left out: the same nonsense is to be known again next time.
        wire = msgspec.structs.replace(wire, updated=None)
        payload = msgspec.json.encode(wire)
        self._set_aside("quote", payload, reason, race_id=race_id, horse_id=runner.horse_id)

    def _set_aside(
        self,
        kind: str,
        payload: bytes,
        reason: str,
        *,
        race_id: str | None,
        horse_id: str | None = None,
    ) -> None:
        text = payload.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
        self._unreadable.append(
            Unreadable(
                kind=kind,
                race_id=race_id and race_id[:_LONGEST_ID],
                horse_id=horse_id and horse_id[:_LONGEST_ID],
                reason=reason,
                payload=text[:_LONGEST_PAYLOAD],
            )
        )


def read_courses(body: bytes) -> tuple[Course, ...]:
    """Read the answer of ``courses``; a course without id or name is left out."""
    try:
        page = _courses.decode(body)
    except UNDECODABLE as error:
        raise MalformedError(f"the answer is no list of courses: {error}") from error
    return tuple(
        Course(
            course_id=CourseId(course_id),
            course=name,
            region_code=(text_of(wire.region_code) or "").lower(),
            region=text_of(wire.region) or "",
        )
        for wire in page.courses
        if (course_id := text_of(wire.id)) and (name := text_of(wire.course))
    )


def _find_id(raw: msgspec.Raw, field: str) -> str | None:
    """The id of a piece that cannot be decoded otherwise, where even that can be read."""
    try:
        found = _ids.decode(raw)
    except UNDECODABLE:
        return None
    return text_of(found.race_id if field == "race_id" else found.horse_id)


def read_races_with_result(body: bytes) -> tuple[frozenset[RaceId], PageCount]:
    """Read which races a page of results is about."""
    try:
        page = _results.decode(body)
    except UNDECODABLE as error:
        raise MalformedError(f"the answer is no page of results: {error}") from error
    received = len(page.results)
    race_ids = {RaceId(race_id) for wire in page.results if (race_id := text_of(wire.race_id))}
    return frozenset(race_ids), count_of(received, page.total)


def read_regions(body: bytes) -> dict[str, str]:
    """Read the answer of ``courses/regions``: names by code."""
    try:
        regions = _regions.decode(body)
    except UNDECODABLE as error:
        raise MalformedError(f"the answer is no list of regions: {error}") from error
    return {
        code: text_of(wire.region) or code
        for wire in regions
        if (code := text_of(wire.region_code))
    }


def count_of(received: int, total: object) -> PageCount:
    """A page's count; a total that is no number counts as what came."""
    if not isinstance(total, int) or isinstance(total, bool):
        total = received
    return PageCount(received=received, total=total)
