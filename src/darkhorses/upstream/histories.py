"""Understanding a runner's price history (``odds/{race_id}/{horse_id}``).

A point that cannot be understood is set aside with its reason; the other points stand.
"""

import msgspec

from darkhorses.domain.bookmakers import Bookmaker, bookmaker_named
from darkhorses.domain.gaps import PricePoint, RunnerHistory
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.races import Unreadable
from darkhorses.upstream.bodies import UNDECODABLE
from darkhorses.upstream.errors import MalformedError
from darkhorses.upstream.facts import read_instant, read_quote, required, text_of
from darkhorses.upstream.wire import WirePricePoint, WireQuoteHistory, WireRunnerOdds

_LONGEST_PAYLOAD = 20_000

_runner_odds = msgspec.json.Decoder(WireRunnerOdds)


def read_runner_history(body: bytes, race_id: RaceId, horse_id: HorseId) -> RunnerHistory:
    """Read what the feed knows of one runner's prices; raises MalformedError when it is none.

    An answer about another runner is none either.
    """
    try:
        wire = _runner_odds.decode(body)
    except UNDECODABLE as error:
        raise MalformedError(f"the answer is no price history: {error}") from error
    if wire.odds is msgspec.UNSET:
        # Taken for a history without prices, it would say that polling missed nothing.
        raise MalformedError("the answer is no price history: it has no odds")
    about = text_of(wire.race_id), text_of(wire.horse_id)
    if about != (race_id, horse_id):
        raise MalformedError(f"the answer is about {about}, not about {race_id} and {horse_id}")
    paths: dict[BookmakerId, tuple[PricePoint, ...]] = {}
    bookmakers: dict[BookmakerId, Bookmaker] = {}
    unreadable: list[Unreadable] = []
    for quote in wire.odds or ():
        doubts: list[str] = []
        try:
            bookmaker = bookmaker_named(text_of(quote.bookmaker) or "")
        except ValueError as error:
            doubts.append(str(error))
        else:
            path = _read_path(quote.history or [], doubts)
            if path:
                bookmakers[bookmaker.bookmaker_id] = bookmaker
                paths[bookmaker.bookmaker_id] = path
        if doubts:
            unreadable.append(_unreadable(quote, doubts, race_id=race_id, horse_id=horse_id))
    return RunnerHistory(
        race_id=race_id,
        horse_id=horse_id,
        paths=paths,
        bookmakers=bookmakers,
        unreadable=tuple(unreadable),
    )


def _read_path(wire_points: list[WirePricePoint], doubts: list[str]) -> tuple[PricePoint, ...]:
    """The points oldest first; those of one minute in the order that the feed gives them."""
    points = []
    for wire in reversed(wire_points):
        try:
            at = read_instant(required(wire.changed_at, "changed_at"), "changed_at")
            price = read_quote(wire.decimal, wire.fractional, None, None).price
        except ValueError as error:
            doubts.append(str(error))
            continue
        points.append(PricePoint(at=at, price=price))
    return tuple(sorted(points, key=lambda point: point.at))


def _unreadable(
    quote: WireQuoteHistory, doubts: list[str], *, race_id: RaceId, horse_id: HorseId
) -> Unreadable:
    text = msgspec.json.encode(quote).decode("utf-8", "replace")
    return Unreadable(
        kind="quote",
        race_id=race_id,
        horse_id=horse_id,
        reason="; ".join(dict.fromkeys(doubts)),
        payload=text.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:_LONGEST_PAYLOAD],
    )
