"""Understanding the feed: wire structs to domain records, and what cannot be understood.

A page is taken apart, race by race and runner by runner: a piece at fault is set aside while the
rest goes on, and one that came before as it comes now is not read again.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from darkhorses.domain.bookmakers import Bookmaker, bookmaker_named
from darkhorses.domain.identifiers import BookmakerId, CourseId, RaceId
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
    read_quote_of,
    read_race_facts,
    read_runner,
    text_of,
)
from darkhorses.upstream.remembering import CardMemory, ReadRace, ReadRunner, Recalled, Seen
from darkhorses.upstream.wire import (
    Leaf,
    WireCourses,
    WireIds,
    WireQuote,
    WireRaceFacts,
    WireRawRace,
    WireRawRacecards,
    WireRegion,
    WireResults,
    WireRunner,
)

_LONGEST_PAYLOAD = 20_000
_LONGEST_ID = 100

_racecards = msgspec.json.Decoder(WireRawRacecards)
_race = msgspec.json.Decoder(WireRawRace)
_anything = msgspec.json.Decoder(msgspec.Raw)
_runner = msgspec.json.Decoder(WireRunner)
_quote = msgspec.json.Decoder(WireQuote)
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
    London's clocks repeat. ``memory`` is of earlier looks: what has not changed since is not read
    again, and the same objects stand for it.
    """

    def __init__(
        self, *, now: datetime, regions: Iterable[str] = (), memory: CardMemory | None = None
    ) -> None:
        self._now = now
        self._regions = frozenset(region.lower() for region in regions)
        self._memory = memory if memory is not None else CardMemory()
        self._cards: dict[RaceId, Card] = {}
        self._bookmakers: dict[BookmakerId, Bookmaker] = {}
        self._spelled: dict[Leaf, Bookmaker] = {}
        self._unreadable: list[Unreadable] = []
        self._received: set[str] = set()
        self._announced = 0

    def read_page(self, body: bytes) -> PageCount:
        """Read a page of racecards; raises MalformedError when it is none."""
        try:
            page = _racecards.decode(body)
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            raise MalformedError(f"the answer is no page of racecards: {error}") from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedError(f"the racecards are not JSON: {error}") from error
        for raw in page.racecards:
            self._receive(self._read_raw_race(raw))
        count = count_of(len(page.racecards), page.total)
        self._announced = max(self._announced, count.total)
        return count

    def read_race(self, body: bytes) -> None:
        """Read a single card; raises MalformedError when it is none."""
        try:
            raw = _anything.decode(body)
        except UNDECODABLE as error:
            raise MalformedError(f"the racecard is not JSON: {error}") from error
        self._read_raw_race(raw)

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

    def _read_raw_race(self, raw: msgspec.Raw) -> str | None:
        """Read a race; its id, as far as it has one."""
        try:
            wire = _race.decode(raw)
        except UNDECODABLE as error:
            race_id = _find_id(raw, "race_id")
            self._set_aside("race", bytes(raw), str(error), race_id=race_id)
            return race_id
        if not is_elsewhere(wire.region, self._regions):
            self._read_race(wire)
        return text_of(wire.race_id)

    def _read_race(self, wire: WireRawRace) -> None:
        # As JSON, for which 1 is neither true nor 1.0.
        facts = msgspec.json.encode(msgspec.structs.astuple(wire)[:-1])
        last = self._memory.race(text_of(wire.race_id))
        doubts: list[str] = []
        race = None
        if last is not None and facts == last.facts:
            race = last.card.race
        else:
            try:
                race = read_race_facts(wire, doubts)
            except ValueError as error:
                doubts.append(str(error))
        if race is None:
            self._set_aside_race(wire, doubts)
            return
        set_aside = len(self._unreadable)
        raws = tuple(map(bytes, wire.runners or ()))
        seen = Seen()
        read = self._read_runners(race.race_id, raws, last, seen)
        runners = tuple(runner for runner in read if runner is not None)
        whole = wire.runners is not None and len(runners) == len(raws)
        refreshed_at = self._read_stamps(seen.stamps, doubts)
        if whole and last is not None and runners == last.runners:
            card = msgspec.structs.replace(last.card, race=race, refreshed_at=refreshed_at)
        else:
            card = Card(
                race=race,
                runners={read.runner.horse_id: read.runner for read in runners},
                quotes=_quotes_of(runners),
                runners_without_odds=frozenset(
                    read.runner.horse_id for read in runners if read.quotes is None
                ),
                whole=whole,
                refreshed_at=refreshed_at,
                since=seen.since(last, runners),
            )
        self._cards[race.race_id] = card
        if doubts:
            self._set_aside_race(wire, doubts)
        # What is set aside is to be told of at every look.
        if whole and len(self._unreadable) == set_aside:
            self._memory.note(card, facts, raws=raws, runners=runners, stamps=seen.stamps)
        else:
            self._memory.forget(race.race_id)

    def _read_runners(
        self, race_id: RaceId, raws: tuple[bytes, ...], last: ReadRace | None, seen: Seen
    ) -> list[ReadRunner | None]:
        """Read of a race's runners what is not known as it comes."""
        if last is None:
            return [self._read_runner(race_id, raw, seen) for raw in raws]
        recalled, stamp = last.recall(raws)
        found = []
        for raw, known in zip(raws, recalled, strict=True):
            read = None
            if known is not None and (read := self._read_changes(raw, known, seen)):
                if read.quotes:
                    seen.stamps[stamp] = None
                if not read.bookmakers.keys() <= self._bookmakers.keys():
                    self._bookmakers = read.bookmakers | self._bookmakers
            found.append(read or self._read_runner(race_id, raw, seen))
        return found

    def _read_changes(self, raw: bytes, known: Recalled, seen: Seen) -> ReadRunner | None:
        """Read a runner by what is known of it; None when all of it is to be read."""
        if raw == known.expected:
            return known.read
        # Where one runner is new, or all of its prices, so mostly are the others of its race.
        differing = None if seen.afresh else known.differing(raw)
        if differing is None or known.read.quotes is None:
            return None
        quotes = known.read.quotes.copy()
        # A later quote may yet have the whole runner set aside: then this brought nothing to light.
        stamps: dict[Leaf, None] = {}
        for key, raw_quote in differing:
            try:
                wire = _quote.decode(raw_quote)
                if bookmaker_named(text_of(wire.bookmaker) or "").bookmaker_id != key[1]:
                    return None
                quotes[key] = read_quote_of(known.read.runner, wire)
            except (ValueError, *UNDECODABLE):
                return None
            stamps[wire.updated] = None
        seen.stamps |= stamps
        seen.differing += [key for key, _ in differing]
        return msgspec.structs.replace(known.read, quotes=quotes)

    def _read_runner(self, race_id: RaceId, raw: bytes, seen: Seen) -> ReadRunner | None:
        """Read all of a runner; None for one that is set aside."""
        seen.afresh = True
        try:
            wire = _runner.decode(raw)
        except UNDECODABLE as error:
            horse_id = _find_id(raw, "horse_id")
            self._set_aside("runner", raw, str(error), race_id=race_id, horse_id=horse_id)
            return None
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
        if runner is None or wire.odds is msgspec.UNSET:
            return None if runner is None else ReadRunner(runner=runner)
        return self._read_quotes(race_id, runner, wire.odds or (), seen)

    def _read_quotes(
        self,
        race_id: RaceId,
        runner: Runner,
        wires: Iterable[WireQuote],
        seen: Seen,
    ) -> ReadRunner:
        """Read a runner's quotes; one without sense is no price, so that no old one stands."""
        quotes: dict[QuoteKey, Quote] = {}
        bookmakers: dict[BookmakerId, Bookmaker] = {}
        for wire in wires:
            seen.stamps[wire.updated] = None
            bookmaker = self._spelled.get(wire.bookmaker)
            if bookmaker is None:
                try:
                    bookmaker = self._let_in(wire.bookmaker)
                except ValueError as error:
                    self._set_aside_quote(race_id, runner, wire, str(error))
                    continue
            try:
                quote = read_quote_of(runner, wire)
            except ValueError as error:
                self._set_aside_quote(race_id, runner, wire, str(error))
                quote = Quote(price=None)
            quotes[runner.horse_id, bookmaker.bookmaker_id] = quote
            bookmakers[bookmaker.bookmaker_id] = bookmaker
        return ReadRunner(runner=runner, quotes=quotes, bookmakers=bookmakers)

    def _let_in(self, name: Leaf) -> Bookmaker:
        """Identify a bookmaker whose spelling is seen for the first time in this look."""
        bookmaker = bookmaker_named(text_of(name) or "")
        self._bookmakers.setdefault(bookmaker.bookmaker_id, bookmaker)
        self._spelled[name] = bookmaker
        return bookmaker

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


def _quotes_of(runners: Iterable[ReadRunner]) -> dict[QuoteKey, Quote]:
    quotes: dict[QuoteKey, Quote] = {}
    for read in runners:
        quotes.update(read.quotes or {})
    return quotes


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


def _find_id(raw: msgspec.Raw | bytes, field: str) -> str | None:
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
