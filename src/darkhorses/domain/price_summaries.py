"""A runner's market in five numbers: opening, closing, lowest, highest, and the forecast.

Exchanges are no part of it. By the change log, the price followed is the best bookmaker price:

- opening: the best price when the first bookmaker was first known to have one;
- closing: the best price that stood when the market ended. The feed never says when a race was
  really off, and many are off late, so the market ends with its last price: until the scheduled
  off a price that is pulled is gone, after it bookmakers take theirs down one by one and a price
  that is pulled stands as it closed;
- lowest and highest: of the best price at any time;
- forecast: the mean of the bookmakers' prices that stood when the market ended.

By a card, which is one look after the race, closing and forecast are the same of its frozen
quotes, lowest and highest are the shortest and longest quote on it, and opening is not known.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from itertools import groupby

import msgspec

from darkhorses.domain.board import exact_value
from darkhorses.domain.bookmakers import BookmakerType, bookmaker_named
from darkhorses.domain.identifiers import BookmakerId
from darkhorses.domain.prices import Price


class DataSource(StrEnum):
    """Where the numbers come from; RESULT knows none of them.

    EARLIER: the whole row is as the earlier system told it; the feed has not told it since.
    """

    CHANGE_LOG = "change_log"
    CARD = "card"
    RESULT = "result"
    EARLIER = "earlier"


class LoggedPrice(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the change log: from ``at`` on (UTC) a bookmaker's price was this, or none."""

    at: datetime
    bookmaker_id: BookmakerId
    price: Price | None


class PriceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The five numbers, exact, each None where it is not known.

    ``opened_at`` is when the opening price was first known; ``withdrawn_at`` when the last price
    was pulled before the scheduled off and none came again, ``closing`` then being the price
    that stood before.
    """

    data_source: DataSource
    opening: Fraction | None = None
    closing: Fraction | None = None
    lowest: Fraction | None = None
    highest: Fraction | None = None
    forecast: Fraction | None = None
    opened_at: datetime | None = None
    withdrawn_at: datetime | None = None


NOTHING_KNOWN = PriceSummary(data_source=DataSource.RESULT)


def is_exchange(bookmaker_id: BookmakerId) -> bool:
    """Whether a bookmaker is an exchange."""
    return bookmaker_named(bookmaker_id).bookmaker_type is BookmakerType.EXCHANGE


def summarize_log(entries: Iterable[LoggedPrice], *, off_dt: datetime) -> PriceSummary | None:
    """Summarize a runner's entries, in order of time; None when no bookmaker had a price."""
    priced: list[tuple[datetime, Sequence[Fraction]]] = []
    withdrawn_at: datetime | None = None
    for at, prices in _path(entries, off_dt=off_dt):
        if prices:
            priced.append((at, prices))
            withdrawn_at = None
        elif priced and withdrawn_at is None:
            withdrawn_at = at
    if not priced:
        return None
    bests = [max(prices) for _, prices in priced]
    return PriceSummary(
        data_source=DataSource.CHANGE_LOG,
        opening=bests[0],
        closing=bests[-1],
        lowest=min(bests),
        highest=max(bests),
        forecast=_mean(priced[-1][1]),
        opened_at=priced[0][0],
        withdrawn_at=withdrawn_at,
    )


def summarize_quotes(quotes: Iterable[tuple[BookmakerId, Price | None]]) -> PriceSummary | None:
    """Summarize a runner's quotes on a card; None when no bookmaker has a price on it."""
    prices = [
        exact_value(price)
        for bookmaker_id, price in quotes
        if price is not None and not is_exchange(bookmaker_id)
    ]
    if not prices:
        return None
    return PriceSummary(
        data_source=DataSource.CARD,
        closing=max(prices),
        lowest=min(prices),
        highest=max(prices),
        forecast=_mean(prices),
    )


def _path(
    entries: Iterable[LoggedPrice], *, off_dt: datetime
) -> Iterator[tuple[datetime, Sequence[Fraction]]]:
    """The bookmakers' prices that stood after each time at which one of them changed."""
    standing: dict[BookmakerId, Fraction] = {}
    for at, together in groupby(entries, key=lambda entry: entry.at):
        for entry in together:
            if is_exchange(entry.bookmaker_id):
                continue
            if entry.price is not None:
                standing[entry.bookmaker_id] = exact_value(entry.price)
            elif at <= off_dt:
                standing.pop(entry.bookmaker_id, None)
        yield at, tuple(standing.values())


def _mean(prices: Sequence[Fraction]) -> Fraction:
    return sum(prices, Fraction(0)) / len(prices)
