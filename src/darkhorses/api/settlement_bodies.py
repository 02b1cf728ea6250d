"""The body of a settled bet; money is in the stake's own currency, rounded to the penny."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from darkhorses.domain.bets import PricedBy, TermsSource


class BetStatus(StrEnum):
    """How far a bet is: ``void`` was given back, ``no_result`` cannot be settled yet."""

    SETTLED = "settled"
    VOID = "void"
    NO_RESULT = "no_result"


class Deduction(msgspec.Struct, frozen=True, kw_only=True):
    """A horse withdrawn after the bet, as it counts for bets with this bookmaker.

    ``odds_decimal`` is its price at withdrawal, by the bookmaker itself or by the median of the
    market; ``pence`` in the pound is what winnings lose by it.
    """

    horse_id: str
    horse_name: str
    withdrawn_at: datetime
    odds_decimal: Decimal | None
    priced_by: PricedBy | None
    pence: int


class SettlementStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the sum, in words; ``amount`` is the money that it says, if any."""

    step: str
    text: str
    amount: Decimal | None = None


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What a bet returned, as an estimate: the bookmaker's own rules and word decide.

    ``stake`` is of each part, ``total_staked`` of both. ``price_since`` is when the bookmaker put
    its price up. ``ew_places`` and ``ew_denom`` are the terms that counted, of the bookmaker
    (the latest known: the past of terms is not kept) or standard ones; null where only winning
    paid. ``runners`` ran, or without a result are to run. ``rule_4_pence`` is the whole
    deduction. Without a result ``returned`` is null, and ``returned_if_won`` is what the horse
    would return if it won alone as things stand. ``provisional`` until the result stands;
    ``amended_at`` is when a place was last corrected.
    """

    success: bool
    race_id: str
    horse_id: str
    horse_name: str
    bookmaker_id: str
    bookmaker_name: str
    at: datetime
    stake: Decimal
    each_way: bool
    total_staked: Decimal
    status: BetStatus
    estimate: bool
    provisional: bool
    result_at: datetime | None
    amended_at: datetime | None
    odds_decimal: Decimal
    odds_fractional: str | None
    price_since: datetime
    ew_places: int | None
    ew_denom: int | None
    terms_source: TermsSource | None
    runners: int
    rule_4_pence: int
    deductions: tuple[Deduction, ...]
    finishing_position: str | None
    dead_heat_count: int | None
    win_returned: Decimal | None
    place_returned: Decimal | None
    returned: Decimal | None
    profit: Decimal | None
    returned_if_won: Decimal | None
    steps: tuple[SettlementStep, ...]
