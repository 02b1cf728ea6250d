"""Adding to the log of price changes, in which races, runners, bookmakers and prices are numbers.

Whoever adds holds the process's writing lock and the fence, so what is numbered is numbered once
and the log's own numbers follow the order of commits.
"""

from collections.abc import Iterable, Sequence
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
    days = sorted({entry.race_date for entry in entries})
    async for _ in queries.ensure_change_partitions(connection, race_days=days):
        pass
    races = await _numbers_of_races(
        connection, {(entry.race_date, entry.race_id) for entry in entries}
    )
    race_nos = [races[entry.race_date, entry.race_id] for entry in entries]
    runners = await _numbers_of_runners(
        connection,
        {(race, entry.horse_id) for race, entry in zip(race_nos, entries, strict=True)},
    )
    bookmakers = await _numbers_of_bookmakers(connection, {e.bookmaker_id for e in entries})
    prices = await _numbers_of_prices(connection, {entry.price for entry in entries})
    await queries.append_changes(
        connection,
        race_nos=race_nos,
        runner_nos=[
            runners[race, entry.horse_id] for race, entry in zip(race_nos, entries, strict=True)
        ],
        bookmaker_nos=[bookmakers[entry.bookmaker_id] for entry in entries],
        price_nos=[prices[entry.price] for entry in entries],
        changed_at=[entry.changed_at for entry in entries],
        seen_at=seen_at,
        is_repair=is_repair,
    )


async def _numbers_of_races(
    connection: Connection, races: Iterable[tuple[date, RaceId]]
) -> dict[tuple[date, RaceId], int]:
    days, ids = zip(*sorted(races), strict=True)
    rows = queries.race_numbers(connection, race_dates=days, race_ids=ids)
    return {(day, race_id): number async for day, race_id, number in rows}


async def _numbers_of_runners(
    connection: Connection, runners: Iterable[tuple[int, HorseId]]
) -> dict[tuple[int, HorseId], int]:
    races, ids = zip(*sorted(runners), strict=True)
    rows = queries.runner_numbers(connection, race_nos=races, horse_ids=ids)
    return {(race, horse_id): number async for race, horse_id, number in rows}


async def _numbers_of_bookmakers(
    connection: Connection, bookmakers: Iterable[BookmakerId]
) -> dict[BookmakerId, int]:
    rows = queries.bookmaker_numbers(connection, bookmaker_ids=sorted(bookmakers))
    return {bookmaker_id: number async for bookmaker_id, number in rows}


async def _numbers_of_prices(
    connection: Connection, prices: Iterable[Price | None]
) -> dict[Price | None, int | None]:
    asked = [price for price in prices if price is not None]
    rows = queries.price_numbers(
        connection,
        decimals=[price.decimal for price in asked],
        fractionals=[price.fractional for price in asked],
    )
    numbers: dict[Price | None, int | None] = {None: None}
    numbers |= zip(asked, [row["price_no"] async for row in rows], strict=True)
    return numbers
