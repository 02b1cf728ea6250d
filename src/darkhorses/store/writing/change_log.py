"""Adding to the log of price changes, in which races, runners, bookmakers and prices are numbers.

Whoever adds has the turn to write and the fence, so what is numbered is numbered once
and the log's own numbers follow the order of commits. A number that is committed stands for good,
whoever writes next; one that is not may yet be given to another.
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


_Runner = tuple[date, RaceId, HorseId]


class LogNumbers(msgspec.Struct):
    """What the log calls things: runners with their races, bookmakers, prices.

    Only numbers that were committed may be kept for later transactions.
    """

    runners: dict[_Runner, tuple[int, int]] = {}
    bookmakers: dict[BookmakerId, int] = {}
    prices: dict[Price, int] = {}

    def keep(self, found: "LogNumbers") -> None:
        """Know these numbers, too."""
        self.runners |= found.runners
        self.bookmakers |= found.bookmakers
        self.prices |= found.prices

    def forget(self) -> None:
        """Know no number."""
        self.runners.clear()
        self.bookmakers.clear()
        self.prices.clear()

    def drop_before(self, day: date) -> None:
        """Forget the runners of days before ``day``."""
        self.runners = {runner: nos for runner, nos in self.runners.items() if runner[0] >= day}


async def append_changes(
    connection: Connection,
    entries: Sequence[NewEntry],
    *,
    seen_at: datetime,
    is_repair: bool,
    known: LogNumbers | None = None,
) -> LogNumbers:
    """Append entries (one at least), seen at a time (UTC), in the order given.

    ``known`` numbers are not asked for. Returns those that were: to be kept once all is committed.
    """
    known = known or LogNumbers()
    found = await _unknown_numbers(connection, entries, known)
    runners = known.runners | found.runners
    bookmakers = known.bookmakers | found.bookmakers
    prices = known.prices | found.prices
    race_and_runner_nos = [runners[_runner(entry)] for entry in entries]
    await queries.append_changes(
        connection,
        race_nos=[race_no for race_no, _ in race_and_runner_nos],
        runner_nos=[runner_no for _, runner_no in race_and_runner_nos],
        bookmaker_nos=[bookmakers[entry.bookmaker_id] for entry in entries],
        price_nos=[None if entry.price is None else prices[entry.price] for entry in entries],
        changed_at=[entry.changed_at for entry in entries],
        seen_at=seen_at,
        is_repair=is_repair,
    )
    return found


def _runner(entry: NewEntry) -> _Runner:
    return entry.race_date, entry.race_id, entry.horse_id


async def _unknown_numbers(
    connection: Connection, entries: Sequence[NewEntry], known: LogNumbers
) -> LogNumbers:
    # Each once, and in an order that does not depend on chance, as whoever looks would number them.
    runners = sorted({_runner(entry) for entry in entries} - known.runners.keys())
    bookmakers = sorted({entry.bookmaker_id for entry in entries} - known.bookmakers.keys())
    asked = dict.fromkeys(entry.price for entry in entries if entry.price is not None)
    prices = [price for price in asked if price not in known.prices]
    if not (runners or bookmakers or prices):
        return LogNumbers()
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
    return LogNumbers(
        runners=dict(zip(runners, pairs, strict=True)),
        bookmakers=dict(zip(bookmakers, found["bookmaker_nos"], strict=True)),
        prices=dict(zip(prices, found["price_nos"], strict=True)),
    )
