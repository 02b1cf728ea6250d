"""Single races with what the log says of them, read as one state of the database.

A race takes one statement, which needs no transaction. The log comes in columns of numbers, and
what these mean comes beside them once: making a record of every entry is most of what reading it
costs.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from darkhorses.domain.bookmakers import Bookmaker, BookmakerType
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.price_series import QuoteChange
from darkhorses.domain.prices import Price
from darkhorses.domain.race_board import BoardQuote
from darkhorses.domain.races import Quote, QuoteKey
from darkhorses.store.gap_repairs import REPAIR_COLUMNS, GapRepair, repair_from
from darkhorses.store.odds import stored_price
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries
from darkhorses.store.race_marks import RaceMark
from darkhorses.store.races import (
    RUNNER_COLUMNS,
    StoredRace,
    StoredRunner,
    race_from,
    runner_from,
)

# An enumeration's call for every row would be a tenth of the reading.
_TYPES = {of_type.value: of_type for of_type in BookmakerType}
_NO_TERMS = (None, None)


class LoggedRace(msgspec.Struct, frozen=True, kw_only=True):
    """A race as it is stored, with its ``mark`` of the same state; ``runners`` has removed ones.

    ``repair`` is what was found out about how complete its log is; None: nothing yet.
    """

    stored: StoredRace
    runners: dict[HorseId, StoredRunner]
    bookmakers: dict[BookmakerId, Bookmaker]
    repair: GapRepair | None
    mark: RaceMark


class RaceChanges(LoggedRace, frozen=True, kw_only=True):
    """A race and its price changes by runner, in the order in which they took effect.

    ``quoting`` is whoever has a live quote.
    """

    changes: dict[HorseId, list[QuoteChange]]
    quoting: frozenset[BookmakerId]


class RaceAt(LoggedRace, frozen=True, kw_only=True):
    """A race and what its log says stood at a moment; each-way terms are the newest that are known.

    ``last_look`` is when a look last saw a price change by then, ``known_from`` when the first
    price of all took effect (UTC; None: there is none).
    """

    quotes: dict[QuoteKey, BoardQuote]
    last_look: datetime | None
    known_from: datetime | None


async def race_changes(
    connection: Connection, race_id: RaceId, *, horse_id: HorseId | None = None
) -> RaceChanges | None:
    """A race's changes, of one runner or of all; None for a race that is not stored."""
    row = await _logged_race(connection, race_id, horse_id=horse_id, at=None)
    if row is None:
        return None
    return RaceChanges(
        **_facts(row), changes=_changes(row), quoting=frozenset(map(BookmakerId, row["quoting"]))
    )


async def race_at(connection: Connection, race_id: RaceId, at: datetime) -> RaceAt | None:
    """A race as it stood at a moment (UTC); None for a race that is not stored."""
    row = await _logged_race(connection, race_id, horse_id=None, at=at)
    if row is None:
        return None
    return RaceAt(
        **_facts(row),
        quotes=_quotes(row),
        last_look=row["last_look"],
        known_from=row["known_from"],
    )


async def _logged_race(
    connection: Connection, race_id: RaceId, *, horse_id: HorseId | None, at: datetime | None
) -> asyncpg.Record | None:
    row: asyncpg.Record | None = await queries.logged_race(
        connection, race_id=race_id, horse_id=horse_id, at=at
    )
    return row


def _facts(row: asyncpg.Record) -> dict[str, Any]:
    """The fields of a LoggedRace."""
    runners = [runner_from(_named(RUNNER_COLUMNS, values)) for values in row["runners"]]
    repair = row["repair"]
    return {
        "stored": race_from(row),
        "runners": {stored.runner.horse_id: stored for stored in runners},
        "bookmakers": {
            BookmakerId(who): Bookmaker(
                bookmaker_id=BookmakerId(who), bookmaker_name=name, bookmaker_type=_TYPES[of_type]
            )
            for who, name, of_type in row["bookmakers"]
        },
        "repair": repair_from(_named(REPAIR_COLUMNS, repair)) if repair is not None else None,
        "mark": RaceMark(
            revision=row["revision"],
            checked_at=row["checked_at"],
            newest_change=row["newest_change"],
            changes=row["changes"],
            repair=row["repair_text"],
            bookmakers=row["bookmakers_digest"],
        ),
    }


def _changes(row: asyncpg.Record) -> dict[HorseId, list[QuoteChange]]:
    prices, bookmakers = _prices(row), _numbered(row["bookmaker_numbers"])
    horses = _numbered(row["runner_numbers"])
    by_runner: dict[int, list[QuoteChange]] = {number: [] for number in row["runner_nos"] or ()}
    columns = (row[name] or () for name in ("runner_nos", "bookmaker_nos", "price_nos", "ats"))
    for runner_no, bookmaker_no, price_no, at in zip(*columns, strict=True):
        by_runner[runner_no].append(
            QuoteChange(at=at, price=prices[price_no], bookmaker_id=bookmakers[bookmaker_no])
        )
    return {HorseId(horses[number]): changes for number, changes in by_runner.items()}


def _quotes(row: asyncpg.Record) -> dict[QuoteKey, BoardQuote]:
    prices, bookmakers = _prices(row), _numbered(row["bookmaker_numbers"])
    horses = _numbered(row["runner_numbers"])
    terms = {(horse_id, who): (places, denom) for horse_id, who, places, denom in row["terms"]}
    names = ("runner_nos", "bookmaker_nos", "price_nos", "ats", "seen_ats")
    quotes = {}
    for runner_no, bookmaker_no, price_no, at, seen_at in zip(
        *(row[name] or () for name in names), strict=True
    ):
        key = HorseId(horses[runner_no]), bookmakers[bookmaker_no]
        places, denom = terms.get(key, _NO_TERMS)
        quotes[key] = BoardQuote(
            quote=Quote(price=prices[price_no], ew_places=places, ew_denom=denom),
            changed_at=at,
            fetched_at=seen_at,
        )
    return quotes


def _prices(row: asyncpg.Record) -> dict[int | None, Price | None]:
    """What the numbers of prices mean; a pulled one has none."""
    prices = {
        number: stored_price(decimal, fractional)
        for number, decimal, fractional in row["price_numbers"]
    }
    return {None: None, **prices}


def _numbered(pairs: Iterable[tuple[int, str]]) -> dict[int, Any]:
    return dict(pairs)


def _named(columns: Iterable[str], values: Iterable[Any]) -> Mapping[str, Any]:
    return dict(zip(columns, values, strict=True))
