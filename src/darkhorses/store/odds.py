"""The live quotes as they are stored: the newest word of every bookmaker on every runner."""

import sys
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar, cast

import asyncpg
import msgspec

from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import MarketStatus, Quote
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

_Common = TypeVar("_Common", datetime, int)


class StoredQuote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A live quote.

    ``fetched_at`` is when its price was first seen, ``odds_timestamp`` the feed's refresh stamp
    that first carried it, ``updated_at`` when the row was last written (all UTC).
    """

    race_id: RaceId
    horse_id: HorseId
    bookmaker_id: BookmakerId
    quote: Quote
    market_status: MarketStatus
    in_play: bool
    odds_timestamp: datetime | None
    fetched_at: datetime
    updated_at: datetime
    revision: int


class Shared:
    """Instants and revisions that many rows have in common, each kept once."""

    def __init__(self) -> None:
        self._values: dict[datetime | int, datetime | int] = {}

    def __call__(self, value: _Common) -> _Common:
        """The one that is kept of all that are equal to this."""
        return cast("_Common", self._values.setdefault(value, value))


async def quotes_of(
    connection: Connection,
    race_ids: Sequence[RaceId],
    *,
    after: int = 0,
    shared: Shared | None = None,
) -> list[StoredQuote]:
    """Quotes on these races with a revision above ``after``, pulled prices included.

    ``shared`` is for who reads piece by piece.
    """
    rows = queries.quotes_after_revision(connection, race_ids=list(race_ids), revision=after)
    one_of = Shared() if shared is None else shared
    return [_quote_from(row, one_of) async for row in rows]


@lru_cache(maxsize=16_384)
def stored_price(decimal: Decimal | None, fractional: str | None) -> Price | None:
    """A price from its columns, digit by digit as the feed gave it; None for none."""
    if decimal is None:
        return None
    # The column pads to three places: 4.330 is the feed's 4.33, and 10.000 its 10.
    return Price(decimal=Decimal(f"{decimal.normalize():f}"), fractional=fractional)


@lru_cache(maxsize=16_384)
def _stored_quote(
    decimal: Decimal | None, fractional: str | None, ew_places: int | None, ew_denom: int | None
) -> Quote:
    """A quote from its columns; equal ones are one object, as most of a day's quotes are."""
    price = stored_price(decimal, fractional)
    return Quote(price=price, ew_places=ew_places, ew_denom=ew_denom)


def _quote_from(row: asyncpg.Record, one_of: Shared) -> StoredQuote:
    """Build a quote that shares what it has in common with its neighbours, to save memory."""
    odds_timestamp: datetime | None = row["odds_timestamp"]
    return StoredQuote(
        race_id=RaceId(sys.intern(row["race_id"])),
        horse_id=HorseId(sys.intern(row["horse_id"])),
        bookmaker_id=BookmakerId(sys.intern(row["bookmaker_id"])),
        quote=_stored_quote(
            row["odds_decimal"], row["odds_fractional"], row["ew_places"], row["ew_denom"]
        ),
        market_status=MarketStatus(row["market_status"]),
        in_play=row["in_play"],
        odds_timestamp=None if odds_timestamp is None else one_of(odds_timestamp),
        fetched_at=one_of(row["fetched_at"]),
        updated_at=one_of(row["updated_at"]),
        revision=one_of(row["revision"]),
    )
