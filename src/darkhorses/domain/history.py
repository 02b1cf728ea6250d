"""A race that is over, runner by runner: its card, its result and its prices joined.

Joined by race and horse id alone; a name is used only for non-runners that a result's free text
names, and only among the horses of that race's own card.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from darkhorses.domain.identifiers import CourseId, HorseId, RaceId
from darkhorses.domain.london import london_clock
from darkhorses.domain.price_summaries import (
    NOTHING_KNOWN,
    DataSource,
    PriceSummary,
    summarize_quotes,
)
from darkhorses.domain.races import Card, Race, Runner
from darkhorses.domain.results import (
    NamedNonRunner,
    RaceResult,
    ResultRunner,
    name_key,
    read_non_runners,
    without_country,
)
from darkhorses.domain.settlement import (
    EachWayTerms,
    Placing,
    each_way_terms,
    is_handicap,
    rule_4_pence,
    settle,
)
from darkhorses.domain.starting_prices import as_decimal, favourites_by_starting_price

_RETURN_STEP = Decimal("0.0001")
_POUNDS_A_STONE = 14


class HistoricalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``ra_odds_historical``, by the names of its columns; prices and returns exact."""

    race_id: RaceId
    horse_id: HorseId
    date_of_race: date
    off_dt: datetime
    country: str
    course_id: CourseId
    track: str
    race_time: str
    race_name: str
    going: str | None
    race_type: str | None
    distance: str | None
    race_class: str | None
    runners_count: int
    horse_name: str
    horse_number: int | None
    official_rating: int | None
    age: int | None
    weight: str | None
    jockey: str | None
    jockey_id: str | None
    trainer: str | None
    trainer_id: str | None
    headgear: str | None
    stall_number: int | None
    is_non_runner: bool = False
    non_runner_reason: str | None = None
    industry_sp: Decimal | None = None
    industry_sp_fractional: str | None = None
    sp_favorite_position: int | None = None
    sp_favorite_mark: str | None = None
    bsp: Decimal | None = None
    finishing_position: str | None = None
    position_no: int | None = None
    dead_heat_count: int | None = None
    winning_distance: Decimal | None = None
    prize: Decimal | None = None
    prize_currency: str | None = None
    opening_price: Decimal | None = None
    closing_price: Decimal | None = None
    pre_race_min: Decimal | None = None
    pre_race_max: Decimal | None = None
    forecasted_odds: Decimal | None = None
    sp_win_return: Decimal | None = None
    ew_return: Decimal | None = None
    place_return: Decimal | None = None
    rule_4_pence: int | None = None
    data_source: DataSource


class PastRace(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a race that is over.

    At least one of ``card`` and ``result`` is there. ``logged`` are the summaries of our own
    change log; None when it has nothing of the race. ``numbers`` are saddle-cloth numbers that
    we saw before the card of a non-runner lost them. ``void`` says that all bets were given back
    although the result does not (abandoned, or the feed never had one).
    """

    card: Card | None
    result: RaceResult | None
    logged: Mapping[HorseId, PriceSummary] | None = None
    numbers: Mapping[HorseId, int] = {}
    void: bool = False

    @property
    def has_every_horse(self) -> bool:
        """Whether the card could be read in full and has every horse that the result names."""
        if self.card is None or not self.card.whole:
            return False
        on_card = {name_key(runner.horse_name) for runner in self.card.runners.values()}
        return all(name_key(named.name) in on_card for named in _named(self))

    @property
    def facts(self) -> Race | RaceResult:
        """The race's own facts, the card's where there is one."""
        if self.card is not None:
            return self.card.race
        if self.result is None:
            raise ValueError("a past race needs a card or a result")
        return self.result


def historical_rows(past: PastRace) -> tuple[HistoricalRow, ...]:
    """One row per runner, those that did not run or finish included, by horse id."""
    ran = past.result.runners if past.result is not None else {}
    absent = _non_runners(past)
    on_card = past.card.runners if past.card is not None else {}
    waiting = {
        horse_id: runner
        for horse_id, runner in on_card.items()
        if past.result is None and horse_id not in absent and not runner.is_reserve
    }
    desk = _Desk(past, absent)
    rows = [
        *(desk.row_of_runner(on_card.get(horse_id), runner) for horse_id, runner in ran.items()),
        *(desk.row_without_result(runner) for runner in waiting.values()),
        *(
            desk.row_of_non_runner(on_card[horse_id], reason)
            for horse_id, reason in absent.items()
            if horse_id not in ran
        ),
    ]
    return tuple(sorted(rows, key=lambda row: row.horse_id))


def _withdrawn(past: PastRace, absent: Mapping[HorseId, str | None]) -> frozenset[HorseId] | None:
    """The non-runners that took prices with them; None when not all of them are known.

    A reserve that never got a run is none, whatever the result names.
    """
    if past.card is None or not past.has_every_horse:
        return None
    runners = past.card.runners
    return frozenset(horse_id for horse_id in absent if not runners[horse_id].is_reserve)


def _named(past: PastRace) -> tuple[NamedNonRunner, ...]:
    return () if past.result is None else read_non_runners(past.result.non_runners)


def _non_runners(past: PastRace) -> dict[HorseId, str | None]:
    """The horses of the card that did not run, each with the reason that the result gives.

    They are marked on the card, or named by the result, or absent from it without a word; a
    reserve that never got a run is none.
    """
    if past.card is None:
        return {}
    named = {name_key(named.name): named.reason for named in _named(past)}
    found = {}
    for horse_id, runner in past.card.runners.items():
        key = name_key(runner.horse_name)
        if past.result is not None and horse_id in past.result.runners:
            continue
        left_out = past.result is not None and not runner.is_reserve
        if runner.is_non_runner or key in named or left_out:
            found[horse_id] = named.get(key)
    return found


class _Desk:
    """Writes the rows of one race; what they share is worked out once."""

    def __init__(self, past: PastRace, absent: Mapping[HorseId, str | None]) -> None:
        self._past = past
        self._withdrawn = _withdrawn(past, absent)
        result = past.result
        ran = result.runners if result is not None else {}
        self._void = past.void or (result is not None and result.is_void)
        count = len(ran)
        if result is None and past.card is not None:
            count = sum(
                not (runner.is_non_runner or runner.is_reserve)
                for runner in past.card.runners.values()
            )
        facts = past.facts
        self._terms: EachWayTerms | None = each_way_terms(
            count, handicap=is_handicap(facts.race_name)
        )
        self._tied = Counter(r.position_no for r in ran.values() if r.position_no is not None)
        self._favourites = favourites_by_starting_price(
            {
                horse_id: runner.starting_price
                for horse_id, runner in ran.items()
                if runner.starting_price is not None
            }
        )
        self._second = min(
            (
                runner.beaten_by
                for runner in ran.values()
                if runner.position_no is not None
                and runner.position_no > 1
                and runner.beaten_by is not None
            ),
            default=None,
        )
        self._race: dict[str, Any] = {
            "race_id": facts.race_id,
            "date_of_race": facts.race_date,
            "off_dt": facts.off_dt,
            "country": facts.region,
            "course_id": facts.course_id,
            "track": facts.course,
            "race_time": london_clock(facts.off_dt),
            "race_name": facts.race_name,
            "going": (result.going if result is not None else None) or facts.going,
            "race_type": facts.race_type,
            "distance": facts.distance,
            "race_class": facts.race_class,
            "runners_count": count,
        }

    def row_of_runner(self, declared: Runner | None, runner: ResultRunner) -> HistoricalRow:
        """The row of a horse that ran, whether or not it finished."""
        price = runner.starting_price
        favourite = self._favourites.get(runner.horse_id)
        tied = self._tied[runner.position_no] if runner.position_no is not None else 1
        placing = Placing(position=runner.position_no, tied=tied, void=self._void or runner.is_void)
        return HistoricalRow(
            **self._race,
            horse_id=runner.horse_id,
            horse_name=declared.horse_name if declared else without_country(runner.horse_name),
            **self._first_known(declared, runner),
            industry_sp=None if price is None else price.decimal,
            industry_sp_fractional=None if price is None else price.fractional,
            sp_favorite_position=None if favourite is None else favourite.rank,
            sp_favorite_mark=None
            if favourite is None or favourite.mark is None
            else favourite.mark.value,
            bsp=runner.exchange_price,
            finishing_position=runner.position,
            position_no=runner.position_no,
            dead_heat_count=tied if tied > 1 else None,
            winning_distance=self._winning_distance(runner, tied),
            prize=None if runner.prize is None else runner.prize.amount,
            prize_currency=None if runner.prize is None else runner.prize.currency,
            rule_4_pence=self._rule_4(runner.horse_id),
            **self._prices(runner.horse_id),
            **self._returns(None if price is None else price.exact, placing),
        )

    def row_of_non_runner(self, declared: Runner, reason: str | None) -> HistoricalRow:
        """The row of a horse that did not run: bets on it were given back."""
        return HistoricalRow(
            **self._race,
            horse_id=declared.horse_id,
            horse_name=declared.horse_name,
            **self._declared(declared),
            is_non_runner=True,
            non_runner_reason=reason,
            **self._prices(declared.horse_id),
            **self._returns(None, Placing(position=None, void=True)),
        )

    def row_without_result(self, declared: Runner) -> HistoricalRow:
        """The row of a horse of a race that has no result; returns are known if it is void."""
        returns: dict[str, Any] = {}
        if self._void:
            returns = self._returns(None, Placing(position=None, void=True))
        return HistoricalRow(
            **self._race,
            horse_id=declared.horse_id,
            horse_name=declared.horse_name,
            **self._declared(declared),
            **self._prices(declared.horse_id),
            **returns,
        )

    def _first_known(self, declared: Runner | None, runner: ResultRunner) -> dict[str, Any]:
        """The runner's facts: the result's, and the card's where it says nothing."""
        before = self._declared(declared) if declared is not None else {}
        after: dict[str, Any] = {
            "horse_number": runner.horse_number,
            "official_rating": runner.official_rating,
            "age": runner.age,
            "weight": runner.weight,
            "jockey": runner.jockey,
            "jockey_id": runner.jockey_id,
            "trainer": runner.trainer,
            "trainer_id": runner.trainer_id,
            "headgear": runner.headgear,
            "stall_number": runner.draw,
        }
        return {name: before.get(name) if value is None else value for name, value in after.items()}

    def _declared(self, runner: Runner) -> dict[str, Any]:
        number = runner.horse_number
        return {
            "horse_number": self._past.numbers.get(runner.horse_id) if number is None else number,
            "official_rating": runner.official_rating,
            "age": runner.age,
            "weight": _stones(runner.weight_lbs),
            "jockey": runner.jockey,
            "jockey_id": runner.jockey_id,
            "trainer": runner.trainer,
            "trainer_id": runner.trainer_id,
            "headgear": runner.headgear,
            "stall_number": runner.draw,
        }

    def _winning_distance(self, runner: ResultRunner, tied: int) -> Decimal | None:
        if runner.position_no != 1:
            return runner.beaten_by
        return Decimal(0) if tied > 1 else self._second

    def _summary(self, horse_id: HorseId) -> PriceSummary:
        if self._past.logged is not None and horse_id in self._past.logged:
            return self._past.logged[horse_id]
        if self._past.card is None:
            return NOTHING_KNOWN
        quotes = (
            (key[1], quote.price)
            for key, quote in self._past.card.quotes.items()
            if key[0] == horse_id
        )
        return summarize_quotes(quotes) or NOTHING_KNOWN

    def _prices(self, horse_id: HorseId) -> dict[str, Any]:
        summary = self._summary(horse_id)
        return {
            "data_source": summary.data_source,
            "opening_price": _rounded(summary.opening),
            "closing_price": _rounded(summary.closing),
            "pre_race_min": _rounded(summary.lowest),
            "pre_race_max": _rounded(summary.highest),
            "forecasted_odds": _rounded(summary.forecast),
        }

    def _returns(self, price: Fraction | None, placing: Placing) -> dict[str, Any]:
        returns = settle(price, placing, self._terms)
        return {
            "sp_win_return": _rounded(returns.win, _RETURN_STEP),
            "place_return": _rounded(returns.place, _RETURN_STEP),
            "ew_return": _rounded(returns.each_way, _RETURN_STEP),
        }

    def _rule_4(self, horse_id: HorseId) -> int | None:
        """Pence that a bet at the opening price lost by withdrawals after it; None: not known."""
        if not self._withdrawn:
            return None if self._withdrawn is None else 0
        logged = self._past.logged
        opened_at = self._summary(horse_id).opened_at
        if logged is None or opened_at is None:
            return None
        withdrawn = [logged[other] for other in self._withdrawn if other in logged]
        return rule_4_pence(
            as_decimal(summary.closing)
            for summary in withdrawn
            if summary.closing is not None
            # One whose price was never pulled was withdrawn at the start.
            and (summary.withdrawn_at is None or summary.withdrawn_at > opened_at)
        )


def _rounded(value: Fraction | None, step: Decimal | None = None) -> Decimal | None:
    if value is None:
        return None
    return as_decimal(value) if step is None else as_decimal(value, step)


def _stones(pounds: int | None) -> str | None:
    if pounds is None:
        return None
    return f"{pounds // _POUNDS_A_STONE}-{pounds % _POUNDS_A_STONE}"
