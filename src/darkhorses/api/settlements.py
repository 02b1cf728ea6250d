"""What a bet with a bookmaker at a moment returned, read from the database and told in steps."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from darkhorses.api.problems import BadParametersError, FieldError, NotKnownError
from darkhorses.api.settlement_bodies import BetStatus, Deduction, Settlement, SettlementStep
from darkhorses.domain.bets import (
    PlaceTerms,
    PricedBy,
    SettledBet,
    StoodPrice,
    TermsSource,
    Withdrawal,
    deduction_pence,
    in_pence,
    place_terms,
    price_at,
    settle_bet,
    withdrawal_of,
)
from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.london import LONDON
from darkhorses.domain.price_summaries import LoggedPrice, is_exchange
from darkhorses.domain.settlement import Placing, is_handicap
from darkhorses.store.pool import Database
from darkhorses.store.settling import SettlingFacts, SettlingRunner, settling_facts

_STATEMENT_LIMIT = timedelta(seconds=5)
_WAIVED = 5
_WINNER = Placing(position=1)
_VOID = Placing(position=None, void=True)


class AskedBet(msgspec.Struct, frozen=True, kw_only=True):
    """A bet struck ``at`` a moment (UTC); ``stake`` of each part."""

    race_id: RaceId
    horse_id: HorseId
    bookmaker: Bookmaker
    at: datetime
    stake: Decimal
    each_way: bool


class Settlements:
    """Settles bets by what the database says now, so that an amended result amends them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def settled(self, bet: AskedBet) -> Settlement:
        """The bet, settled as far as it can be.

        Raises NotKnownError for a race or horse that is not known, BadParametersError for a bet
        that could not have been struck, and StoreError.
        """
        async with self._database.snapshot(statement_timeout=_STATEMENT_LIMIT) as connection:
            facts = await settling_facts(
                connection, bet.race_id, bet.horse_id, bet.bookmaker.bookmaker_id
            )
        if facts is None:
            raise _not_known("race_id", f"there is no race {bet.race_id!r}")
        if bet.horse_id not in facts.runners:
            raise _not_known("horse_id", f"no runner of this race is {bet.horse_id!r}")
        return _Desk(bet, facts).settlement()


class _Desk:
    """Settles one bet; every figure is worked out once and told from here."""

    def __init__(self, bet: AskedBet, facts: SettlingFacts) -> None:
        self._bet = bet
        self._facts = facts
        self._runner = facts.runners[bet.horse_id]
        self._price = _price_taken(bet, facts)
        self._status = _status(self._runner, facts)
        self._ran = facts.race.ran
        if self._ran is None:
            self._ran = sum(_is_to_run(runner) for runner in facts.runners.values())
        self._terms = _terms(facts, self._ran) if bet.each_way else None
        self._withdrawals: list[Withdrawal] = []
        if self._status is not BetStatus.VOID:
            self._withdrawals = sorted(_withdrawals_after(bet, facts), key=lambda found: found.at)
        self._pence = deduction_pence(self._withdrawals)
        self._returns = self._settled(_placing(self._runner, self._status))
        self._if_won = self._settled(_WINNER)

    def settlement(self) -> Settlement:
        bet, race = self._bet, self._facts.race
        terms = self._terms.terms if self._terms is not None else None
        open_ = self._status is BetStatus.NO_RESULT
        returns = self._returns
        return Settlement(
            success=True,
            race_id=bet.race_id,
            horse_id=bet.horse_id,
            horse_name=self._runner.horse_name,
            bookmaker_id=bet.bookmaker.bookmaker_id,
            bookmaker_name=bet.bookmaker.bookmaker_name,
            at=bet.at,
            stake=bet.stake,
            each_way=bet.each_way,
            total_staked=in_pence(returns.staked),
            status=self._status,
            estimate=True,
            provisional=open_ or race.is_provisional,
            result_at=race.result_at,
            amended_at=race.amended_at,
            odds_decimal=self._price.price.decimal,
            odds_fractional=self._price.price.fractional,
            price_since=self._price.since,
            ew_places=terms.places if terms is not None else None,
            ew_denom=terms.denominator if terms is not None else None,
            terms_source=self._terms.source if self._terms is not None else None,
            runners=self._ran or 0,
            rule_4_pence=self._pence,
            deductions=tuple(self._deductions()),
            finishing_position=self._runner.finishing_position,
            dead_heat_count=self._runner.tied if self._runner.tied > 1 else None,
            win_returned=None if open_ else in_pence(returns.win),
            place_returned=None if open_ or returns.place is None else in_pence(returns.place),
            returned=None if open_ else in_pence(returns.returned),
            profit=None if open_ else in_pence(returns.returned) - in_pence(returns.staked),
            returned_if_won=in_pence(self._if_won.returned) if open_ else None,
            steps=tuple(self._steps()),
        )

    def _settled(self, placing: Placing) -> SettledBet:
        return settle_bet(
            self._price.price,
            placing,
            stake=self._bet.stake,
            each_way=self._bet.each_way,
            terms=self._terms.terms if self._terms is not None else None,
            pence=self._pence,
        )

    def _deductions(self) -> Iterator[Deduction]:
        for found in self._withdrawals:
            yield Deduction(
                horse_id=found.horse_id,
                horse_name=self._facts.runners[found.horse_id].horse_name,
                withdrawn_at=found.at,
                odds_decimal=found.decimal,
                priced_by=found.priced_by,
                pence=found.pence,
            )

    def _steps(self) -> Iterator[SettlementStep]:
        yield SettlementStep(step="price", text=self._price_text())
        if self._status is BetStatus.VOID:
            yield SettlementStep(step="void", text=self._void_text())
        else:
            yield SettlementStep(step="runners", text=self._runners_text())
            yield from self._rule_4_steps()
            if self._terms is not None:
                yield SettlementStep(step="terms", text=self._terms_text(self._terms))
            yield SettlementStep(step="placing", text=self._placing_text())
            yield from self._part_steps()
        yield self._total_step()

    def _price_text(self) -> str:
        price = self._price.price
        words = f"{price.fractional} ({price.decimal})" if price.fractional else f"{price.decimal}"
        return (
            f"{self._bet.bookmaker.bookmaker_name} offered {words} on {self._runner.horse_name} "
            f"at {_clock(self._bet.at)}, a price that stood since {_clock(self._price.since)}."
        )

    def _void_text(self) -> str:
        if self._runner.is_non_runner:
            return f"{self._runner.horse_name} did not run: the stake is given back."
        return "The race was abandoned or void: the stake is given back."

    def _runners_text(self) -> str:
        horses = "horse" if self._ran == 1 else "horses"
        if self._facts.race.ran is None:
            return f"{self._ran} {horses} are to run, as far as is known; there is no result yet."
        return f"{self._ran} {horses} ran."

    def _rule_4_steps(self) -> Iterator[SettlementStep]:
        if not self._withdrawals:
            text = "No horse was withdrawn after the bet: nothing is deducted."
            yield SettlementStep(step="rule_4", text=text)
            return
        for found in self._withdrawals:
            name = self._facts.runners[found.horse_id].horse_name
            yield SettlementStep(step="withdrawal", text=_withdrawal_text(name, found, self._bet))
        parts = f"Rule 4: winnings lose {self._pence}p in the pound"
        if self._pence < sum(found.pence for found in self._withdrawals):
            parts += ", the most that they can lose"
        waived = " Some bookmakers waive a total of 5p." if self._pence == _WAIVED else ""
        yield SettlementStep(step="rule_4", text=f"{parts}.{waived}")

    def _terms_text(self, terms: PlaceTerms) -> str:
        if terms.terms is None:
            return (
                f"With {self._ran} runners there is no place betting: the place stake goes on the "
                f"horse to win, as with most bookmakers."
            )
        found = f"{terms.terms.places} places at 1/{terms.terms.denominator} the odds"
        if terms.source is TermsSource.BOOKMAKER:
            return f"{found}: {self._bet.bookmaker.bookmaker_name}'s latest known terms."
        if terms.was_cut:
            return (
                f"{found}: the standard terms for {self._ran} runners, as horses dropped out "
                f"after the bookmaker's own terms were last seen."
            )
        return f"{found}: the standard terms, as the bookmaker's own are not known."

    def _placing_text(self) -> str:
        name, position = self._runner.horse_name, self._runner.finishing_position
        if self._status is BetStatus.NO_RESULT:
            return f"The place of {name} is not known yet; results come in the day after."
        if self._runner.position_no is None:
            return f"{name} did not finish in a place ({position or 'no position'})."
        if self._runner.tied > 1:
            return f"{name} finished {position} in a dead heat of {self._runner.tied}."
        return f"{name} finished {position}."

    def _part_steps(self) -> Iterator[SettlementStep]:
        open_ = self._status is BetStatus.NO_RESULT
        shown = self._if_won if open_ else self._returns
        if_won = "If it wins alone, the" if open_ else "The"
        text = f"{if_won} win part returns {_money(in_pence(shown.win))} of {_staked(shown)}."
        yield SettlementStep(step="win", text=text, amount=in_pence(shown.win))
        if shown.place is not None:
            text = f"{if_won} place part returns {_money(in_pence(shown.place))}."
            yield SettlementStep(step="place", text=text, amount=in_pence(shown.place))

    def _total_step(self) -> SettlementStep:
        staked = _money(in_pence(self._returns.staked))
        if self._status is BetStatus.NO_RESULT:
            return SettlementStep(step="total", text=f"{staked} is staked; the bet stands.")
        returned = in_pence(self._returns.returned)
        text = (
            f"{_money(returned)} of {staked} staked comes back: the exact sum, rounded once to "
            f"the nearest penny."
        )
        return SettlementStep(step="total", text=text, amount=returned)


def _price_taken(bet: AskedBet, facts: SettlingFacts) -> StoodPrice:
    """The price that the bet was struck at; raises BadParametersError where there was none."""
    closed_at = max(facts.race.off_dt, facts.last_price_at or facts.race.off_dt)
    if bet.at > closed_at:
        raise _refused(
            "at",
            f"the market was closed: the scheduled off was {facts.race.off_dt.isoformat()} and "
            f"the last price was put up by {closed_at.isoformat()}",
        )
    log = facts.log.get(bet.horse_id, ())
    price = price_at(log, bet.bookmaker.bookmaker_id, bet.at)
    if price is None:
        raise _refused("at", _why_no_price(bet, log))
    return price


def _why_no_price(bet: AskedBet, log: Sequence[LoggedPrice]) -> str:
    name = bet.bookmaker.bookmaker_name
    own = [entry for entry in log if entry.bookmaker_id == bet.bookmaker.bookmaker_id]
    if not own:
        return f"{name} is not known to have ever priced this runner"
    before = [entry for entry in own if entry.at <= bet.at]
    if not before:
        return f"{name} had no price yet: its first is known from {own[0].at.isoformat()}"
    return f"{name} had no price: it took its last one down at {before[-1].at.isoformat()}"


def _status(runner: SettlingRunner, facts: SettlingFacts) -> BetStatus:
    if runner.is_void or runner.is_non_runner:
        return BetStatus.VOID
    if runner.has_ended:
        return BetStatus.SETTLED
    return BetStatus.VOID if facts.race.is_abandoned else BetStatus.NO_RESULT


def _placing(runner: SettlingRunner, status: BetStatus) -> Placing:
    if status is BetStatus.VOID:
        return _VOID
    return Placing(position=runner.position_no, tied=runner.tied)


def _terms(facts: SettlingFacts, ran: int) -> PlaceTerms:
    """The each-way terms that count; what the card lost past the off, no bookmaker's terms knew."""
    off_dt = facts.race.off_dt
    seen_with = sum(
        runner.is_on_card
        and not runner.is_reserve
        and (
            not runner.is_non_runner
            or runner.non_runner_at is None
            or runner.non_runner_at >= off_dt
        )
        for runner in facts.runners.values()
    )
    return place_terms(
        facts.terms, seen_with=seen_with, ran=ran, handicap=is_handicap(facts.race.race_name)
    )


def _is_to_run(runner: SettlingRunner) -> bool:
    return runner.is_on_card and not (runner.is_non_runner or runner.is_reserve)


def _withdrawals_after(bet: AskedBet, facts: SettlingFacts) -> Iterator[Withdrawal]:
    """Withdrawals that the bet had not seen; a reserve that got no run is none."""
    for horse_id, runner in facts.runners.items():
        if horse_id == bet.horse_id or not runner.is_non_runner or runner.is_reserve:
            continue
        found = withdrawal_of(
            horse_id,
            facts.log.get(horse_id, ()),
            bet.bookmaker.bookmaker_id,
            non_runner_at=runner.non_runner_at,
            off_dt=facts.race.off_dt,
        )
        if found.at > bet.at:
            yield found


def _withdrawal_text(name: str, found: Withdrawal, bet: AskedBet) -> str:
    words = f"{name} was withdrawn at {_clock(found.at)}"
    if found.decimal is None:
        return f"{words} without ever having had a price: it costs nothing."
    whose = "the median of bookmakers' last prices"
    if found.priced_by is PricedBy.BOOKMAKER:
        whose = f"{bet.bookmaker.bookmaker_name}'s last price"
    cost = f"{found.pence}p in the pound" if found.pence else "nothing at so long a price"
    return f"{words} at {found.decimal.normalize():f} ({whose}): it costs {cost}."


def _clock(instant: datetime) -> str:
    return f"{instant.astimezone(LONDON):%H:%M:%S on %d %b %Y} in London"


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _staked(bet: SettledBet) -> str:
    return _money(in_pence(bet.win_staked))


def _refused(field: str, message: str) -> BadParametersError:
    return BadParametersError(FieldError(field=field, message=message))


def _not_known(field: str, message: str) -> NotKnownError:
    return NotKnownError(FieldError(field=field, message=message))


def refuse_exchange(bookmaker: Bookmaker) -> None:
    """Raise BadParametersError for an exchange: its bets are not settled as a bookmaker's are."""
    if is_exchange(bookmaker.bookmaker_id):
        raise _refused(
            "bookmaker",
            f"{bookmaker.bookmaker_name} is an exchange: it cuts prices by reduction factors of "
            f"its own and takes a commission, and neither is in the feed",
        )
