"""Adding to the log of price changes, in which races, runners, bookmakers and prices are numbers.

Whoever adds has the turn to write and the fence, so what is numbered is numbered once
and the log's own numbers follow the order of commits.
"""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.prices import Price
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


class NewEntry(msgspec.Struct, frozen=True, gc=False):
    """A price change to be logged; ``price`` None is a pulled one, ``changed_at`` the source's."""

    race_date: date
    race_id: RaceId
    horse_id: HorseId
    bookmaker_id: BookmakerId
    price: Price | None
    changed_at: datetime | None


async def append_changes(
    connection: Connection, entries: Sequence[NewEntry], *, seen_at: datetime, is_repair: bool
) -> None:
    """Append entries (one at least), seen at a time (UTC), in the order given."""
    numbers = await _numbers(connection, entries)
    runners = [numbers.runners[_runner(entry)] for entry in entries]
    await queries.append_changes(
        connection,
        race_nos=[race_no for race_no, _ in runners],
        runner_nos=[runner_no for _, runner_no in runners],
        bookmaker_nos=[numbers.bookmakers[entry.bookmaker_id] for entry in entries],
        price_nos=[numbers.prices[entry.price] for entry in entries],
        changed_at=[entry.changed_at for entry in entries],
        seen_at=seen_at,
        is_repair=is_repair,
    )


_Runner = tuple[date, RaceId, HorseId]


class _Numbers(msgspec.Struct, frozen=True):
    """What the log calls things: runners with their races, bookmakers, prices."""

    runners: dict[_Runner, tuple[int, int]]
    bookmakers: dict[BookmakerId, int]
    prices: dict[Price | None, int | None]


def _runner(entry: NewEntry) -> _Runner:
    return entry.race_date, entry.race_id, entry.horse_id


async def _numbers(connection: Connection, entries: Sequence[NewEntry]) -> _Numbers:
    # Each once, and in an order that does not depend on chance, as whoever looks would number them.
    runners = sorted({_runner(entry) for entry in entries})
    bookmakers = sorted({entry.bookmaker_id for entry in entries})
    prices = list(dict.fromkeys(entry.price for entry in entries if entry.price is not None))
    found = await queries.numbers_to_log(
        connection,
        race_dates=[race_date for race_date, _, _ in runners],
        race_ids=[race_id for _, race_id, _ in runners],
        horse_ids=[horse_id for _, _, horse_id in runners],
        bookmaker_ids=bookmakers,
        decimals=[price.decimal for price in prices],
        fractionals=[price.fractional for price in prices],
    )
    pairs = zip(found["race_nos"], found["runner_nos"], strict=True)
    return _Numbers(
        runners=dict(zip(runners, pairs, strict=True)),
        bookmakers=dict(zip(bookmakers, found["bookmaker_nos"], strict=True)),
        prices={None: None} | dict(zip(prices, found["price_nos"], strict=True)),
    )
