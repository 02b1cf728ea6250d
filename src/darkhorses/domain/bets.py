"""What a bet at a price taken returned: the price then, withdrawals after it, places, dead heats.

Where bookmakers differ, this is what is assumed:

- A bet stands at the price that the bookmaker had when it was struck. The price of the whole bet is
  taken, never starting price, and no "best odds guaranteed".
- A horse withdrawn afterwards costs winnings by Rule 4, by the bookmaker's own last price on it; by
  the median of bookmakers' last prices where this one never had one. It was withdrawn, for a
  bookmaker, when it took its price down for good, or else when the horse was seen as a non-runner:
  a bet struck after that was struck in the new market and loses nothing.
- The deduction is of the winnings of both parts. All of a race's add up, to 90p at most.
- Each-way terms are the bookmaker's own. Where horses dropped out after those could be seen, and
  the standard terms became others by it, the standard terms of those that ran count. With no
  place betting left, the place stake goes on the horse to win.
- A bet on a non-runner, and on any runner of a void or abandoned race, is given back.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import floor
from statistics import median

import msgspec

from darkhorses.domain.board import exact_value
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.price_summaries import LoggedPrice, is_exchange, summarize_log
from darkhorses.domain.prices import Price
from darkhorses.domain.settlement import (
    EachWayTerms,
    Placing,
    each_way_terms,
    rule_4_pence,
    settle,
)
from darkhorses.domain.starting_prices import as_decimal

_HUNDRED = 100


class PricedBy(StrEnum):
    """Whose price on a withdrawn horse was taken."""

    BOOKMAKER = "bookmaker"
    MARKET = "market"


class TermsSource(StrEnum):
    """Whose each-way terms count."""

    BOOKMAKER = "bookmaker"
    STANDARD = "standard"


class StoodPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A price and since when it stood (UTC)."""

    price: Price
    since: datetime


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """A horse that was withdrawn at ``at`` (UTC) as far as one bookmaker's bets go.

    ``decimal`` is its price then, None when nobody had one; ``pence`` is the deduction.
    """

    horse_id: HorseId
    at: datetime
    decimal: Decimal | None = None
    priced_by: PricedBy | None = None
    pence: int = 0


class PlaceTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The each-way terms that a bet is settled by; ``terms`` None where only winning pays.

    ``was_cut`` says that horses dropped out after the bookmaker's terms were seen.
    """

    terms: EachWayTerms | None
    source: TermsSource
    was_cut: bool = False


class SettledBet(msgspec.Struct, frozen=True, kw_only=True):
    """What was staked and came back, exactly; ``place`` None where the bet had no place part.

    ``win_staked`` holds the place stake too where that went on the horse to win.
    """

    win_staked: Fraction
    win: Fraction
    place_staked: Fraction | None
    place: Fraction | None

    @property
    def staked(self) -> Fraction:
        """All that was staked."""
        return self.win_staked + (self.place_staked or 0)

    @property
    def returned(self) -> Fraction:
        """All that came back."""
        return self.win + (self.place or 0)


def price_at(entries: Iterable[LoggedPrice], who: BookmakerId, at: datetime) -> StoodPrice | None:
    """A bookmaker's price at a moment, from one runner's log in order of effect."""
    stood: StoodPrice | None = None
    for entry in entries:
        if entry.at > at:
            break
        if entry.bookmaker_id == who:
            stood = None if entry.price is None else _stood(entry.price, entry.at, stood)
    return stood


def withdrawal_of(
    horse_id: HorseId,
    entries: Sequence[LoggedPrice],
    who: BookmakerId,
    *,
    non_runner_at: datetime | None,
    off_dt: datetime,
) -> Withdrawal:
    """A non-runner's withdrawal as it counts for a bookmaker's bets.

    ``non_runner_at`` is when it was first seen as one; where nobody saw that before the result
    said so, it was withdrawn when the last price went before the off, or else at the off.
    """
    withdrawn_at = non_runner_at
    if withdrawn_at is None:
        summary = summarize_log(entries, off_dt=off_dt)
        withdrawn_at = (summary.withdrawn_at if summary is not None else None) or off_dt
    last = _last_prices(entries, until=withdrawn_at)
    if who in last:
        at, price = last[who]
        return _withdrawal(horse_id, at, exact_value(price), PricedBy.BOOKMAKER)
    market = [found for other, found in last.items() if not is_exchange(other)]
    if not market:
        return Withdrawal(horse_id=horse_id, at=withdrawn_at)
    middle = median(exact_value(price) for _, price in market)
    return _withdrawal(horse_id, max(at for at, _ in market), middle, PricedBy.MARKET)


def deduction_pence(withdrawals: Iterable[Withdrawal]) -> int:
    """The pence in the pound that a bet's winnings lose by all withdrawals after it."""
    return rule_4_pence(w.decimal for w in withdrawals if w.decimal is not None)


def place_terms(
    offered: EachWayTerms | None, *, seen_with: int, ran: int, handicap: bool
) -> PlaceTerms:
    """The terms that count when ``ran`` ran and a bookmaker's terms were seen with so many."""
    standard = each_way_terms(ran, handicap=handicap)
    if offered is None:
        return PlaceTerms(terms=standard, source=TermsSource.STANDARD)
    if ran < seen_with and standard != each_way_terms(seen_with, handicap=handicap):
        return PlaceTerms(terms=standard, source=TermsSource.STANDARD, was_cut=True)
    return PlaceTerms(terms=offered, source=TermsSource.BOOKMAKER)


def settle_bet(
    price: Price,
    placing: Placing,
    *,
    stake: Decimal,
    each_way: bool,
    terms: EachWayTerms | None,
    pence: int = 0,
) -> SettledBet:
    """Settle ``stake`` to win, and each way as much again, with so many pence of deductions.

    A dead heat pays its share of the stake at the full price; Rule 4 cuts what is won by it.
    """
    reduced = 1 + (exact_value(price) - 1) * Fraction(_HUNDRED - pence, _HUNDRED)
    returns = settle(reduced, placing, terms)
    amount = Fraction(stake)
    has_place = each_way and terms is not None
    win_staked = amount * 2 if each_way and not has_place else amount
    return SettledBet(
        win_staked=win_staked,
        win=win_staked * (returns.win or 0),
        place_staked=amount if has_place else None,
        place=amount * (returns.place or 0) if has_place else None,
    )


def in_pence(amount: Fraction) -> Decimal:
    """An amount rounded to the nearest penny, half a penny up."""
    return Decimal(floor(amount * _HUNDRED + Fraction(1, 2))).scaleb(-2)


def _stood(price: Price, at: datetime, before: StoodPrice | None) -> StoodPrice:
    if before is not None and before.price == price:
        return before
    return StoodPrice(price=price, since=at)


def _last_prices(
    entries: Iterable[LoggedPrice], *, until: datetime
) -> Mapping[BookmakerId, tuple[datetime, Price]]:
    """Everyone's last price up to a moment, with when it was taken down for good, or the moment."""
    last: dict[BookmakerId, tuple[datetime, Price]] = {}
    for entry in entries:
        if entry.at > until:
            break
        if entry.price is not None:
            last[entry.bookmaker_id] = until, entry.price
        elif entry.bookmaker_id in last and last[entry.bookmaker_id][0] == until:
            last[entry.bookmaker_id] = entry.at, last[entry.bookmaker_id][1]
    return last


def _withdrawal(
    horse_id: HorseId, at: datetime, price: Fraction, priced_by: PricedBy
) -> Withdrawal:
    decimal = as_decimal(price)
    return Withdrawal(
        horse_id=horse_id,
        at=at,
        decimal=decimal,
        priced_by=priced_by,
        pence=rule_4_pence([decimal]),
    )
