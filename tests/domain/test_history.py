from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.history import HistoricalRow, PastRace, historical_rows
from darkhorses.domain.identifiers import CourseId, HorseId, RaceId
from darkhorses.domain.london import race_day
from darkhorses.domain.price_summaries import DataSource, PriceSummary
from darkhorses.domain.races import Card
from darkhorses.domain.results import Prize, RaceResult, ResultRunner
from darkhorses.domain.starting_prices import read_starting_price
from tests.market import NOON, Prices, card, race, runner

NO_PRICES: Prices = {}
LOST = Decimal(0)
BACK = Decimal(1)
HANDICAP = race(off_dt=NOON, race_name="A Handicap Hurdle")


def ran(name: str, position: str | None, sp: str = "4/1", **facts: Any) -> ResultRunner:
    fields: dict[str, Any] = {
        "position": position,
        "position_no": int(position) if position and position.isdecimal() else None,
        "starting_price": read_starting_price(sp),
    }
    return ResultRunner(
        horse_id=HorseId(f"hrs_{name.lower()}"), horse_name=f"{name} (IRE)", **(fields | facts)
    )


def result(*runners: ResultRunner, **facts: Any) -> RaceResult:
    fields: dict[str, Any] = {
        "race_name": "A Maiden Hurdle",
        "going": "Good To Soft",
    }
    return RaceResult(
        race_id=RaceId("rac_1"),
        race_date=race_day(NOON),
        off_dt=NOON,
        region="GB",
        course_id=CourseId("crs_1"),
        course="Hereford",
        runners={horse.horse_id: horse for horse in runners},
        **(fields | facts),
    )


def rows(**past: Any) -> dict[str, HistoricalRow]:
    """The rows of a race by the horse's id without ``hrs_``."""
    found = historical_rows(PastRace(**({"card": None, "result": None} | past)))
    return {row.horse_id.removeprefix("hrs_"): row for row in found}


def declared(*names: str, **facts: Any) -> Card:
    return card(
        HANDICAP,
        *((runner(name, number, **facts), NO_PRICES) for number, name in enumerate(names, 1)),
    )


def logged(**horses: PriceSummary) -> Mapping[HorseId, PriceSummary]:
    return {HorseId(f"hrs_{name}"): summary for name, summary in horses.items()}


def by_log(opening: str, closing: str, **facts: Any) -> PriceSummary:
    fields: dict[str, Any] = {"opened_at": NOON - timedelta(hours=20)}
    return PriceSummary(
        data_source=DataSource.CHANGE_LOG,
        opening=Fraction(opening) + 1,
        closing=Fraction(closing) + 1,
        **(fields | facts),
    )


def test_card_and_result_are_joined_by_horse_and_the_result_knows_better() -> None:
    found = rows(
        card=declared("Ada", headgear="b", official_rating=71),
        result=result(
            ran(
                "Ada",
                "1",
                "15/8F",
                horse_number=1,
                weight="11-4",
                headgear="t",
                jockey="A Substitute",
                exchange_price=Decimal("3.05"),
                prize=Prize(amount=Decimal(7080), currency="EUR"),
            ),
        ),
    )["ada"]

    assert (found.horse_name, found.jockey, found.headgear) == ("Ada", "A Substitute", "t")
    assert (found.official_rating, found.trainer) == (71, "Ada's trainer")
    assert (found.race_name, found.going) == ("A Handicap Hurdle", "Good To Soft")
    assert (found.industry_sp, found.industry_sp_fractional) == (Decimal("2.875"), "15/8")
    assert (found.bsp, found.prize, found.prize_currency) == (Decimal("3.05"), Decimal(7080), "EUR")
    assert (found.race_time, found.runners_count) == ("13:00", 1)


def test_returns_are_by_those_who_ran_and_whether_it_is_a_handicap() -> None:
    # Twelve declared, one did not run: three places at a fifth of the odds, not at a quarter.
    names = [f"Horse{n}" for n in range(1, 13)]
    found = rows(
        card=declared(*names),
        result=result(*(ran(name, str(n)) for n, name in enumerate(names[:-1], 1))),
    )

    assert found["horse1"].runners_count == 11
    assert [found[f"horse{n}"].ew_return for n in (1, 2, 3, 4)] == [
        Decimal("6.8"), Decimal("1.8"), Decimal("1.8"), Decimal(0),
    ]  # fmt: skip
    assert (found["horse12"].is_non_runner, found["horse12"].ew_return) == (True, Decimal(2))


def test_a_dead_heat_is_counted_and_divides_the_stake() -> None:
    found = rows(
        card=declared("Ada", "Bea", "Cyd", "Dot", "Eve"),
        result=result(
            ran("Ada", "1"),
            ran("Bea", "1", beaten_by=Decimal(0)),
            ran("Cyd", "3", beaten_by=Decimal("0.75")),
            ran("Dot", "4", beaten_by=Decimal(3)),
            ran("Eve", "5", beaten_by=Decimal(9)),
        ),
    )

    assert [found[name].dead_heat_count for name in ("ada", "bea", "cyd")] == [2, 2, None]
    assert [found[name].sp_win_return for name in ("ada", "bea", "cyd")] == [
        Decimal("2.5"), Decimal("2.5"), Decimal(0),
    ]  # fmt: skip
    assert [found[name].place_return for name in ("ada", "cyd")] == [Decimal(2), Decimal(0)]
    assert [found[name].winning_distance for name in ("ada", "bea", "cyd")] == [
        Decimal(0), Decimal(0), Decimal("0.75"),
    ]  # fmt: skip


def test_the_winners_distance_is_what_the_second_was_beaten_by() -> None:
    found = rows(result=result(ran("Ada", "1"), ran("Bea", "2", beaten_by=Decimal("1.25"))))

    assert [row.winning_distance for row in found.values()] == [Decimal("1.25"), Decimal("1.25")]


def test_who_did_not_finish_ran_and_lost() -> None:
    codes = ["PU", "F", "UR", "BD", "RR", "SU", "CO", "LFT", "REF", "RO", "DSQ"]
    runners = [ran(f"Horse{code}", code) for code in codes]
    found = rows(result=result(ran("Ada", "1"), *runners))

    assert found["ada"].runners_count == 12
    for code in codes:
        row = found[f"horse{code.lower()}"]
        assert (row.finishing_position, row.position_no, row.is_non_runner) == (code, None, False)
        assert (row.sp_win_return, row.place_return, row.ew_return) == (LOST, LOST, LOST)


def test_a_void_race_gives_every_stake_back_and_keeps_its_starting_prices() -> None:
    names = ["Ada", "Bea", "Cyd", "Dot", "Eve"]
    found = rows(card=declared(*names), result=result(*(ran(name, "VOI") for name in names)))

    for row in found.values():
        assert (row.sp_win_return, row.place_return, row.ew_return) == (BACK, BACK, 2 * BACK)
        assert row.industry_sp == 5


def test_an_abandoned_race_has_rows_of_its_runners_with_every_stake_back() -> None:
    found = rows(card=declared("Ada", "Bea"), void=True)

    assert [(row.sp_win_return, row.finishing_position) for row in found.values()] == [
        (BACK, None),
        (BACK, None),
    ]
    assert found["ada"].runners_count == 2


def test_favourites_are_ranked_with_ties_by_starting_price() -> None:
    found = rows(
        result=result(ran("Ada", "1", "5/1"), ran("Bea", "2", "7/2J"), ran("Cyd", "3", "7/2J"))
    )

    marks = {name: (row.sp_favorite_position, row.sp_favorite_mark) for name, row in found.items()}
    assert marks == {"ada": (3, None), "bea": (1, "JF"), "cyd": (1, "JF")}


def test_non_runners_are_marked_on_the_card_named_by_the_result_or_absent_without_a_word() -> None:
    horses = [
        (runner("Ada", 1), NO_PRICES),
        (runner("Bea", None, is_non_runner=True), NO_PRICES),
        (runner("Cyd's Gift", 3), NO_PRICES),
        (runner("Dot", 4), NO_PRICES),
    ]
    found = rows(
        card=card(HANDICAP, *horses),
        result=result(
            ran("Ada", "1"),
            non_runners="CYD\N{RIGHT SINGLE QUOTATION MARK}S GIFT (GB) (self certificate, cough), "
            "Bea (vet)",
        ),
        numbers={HorseId("hrs_bea"): 2},
    )

    absent = {name: row.non_runner_reason for name, row in found.items() if row.is_non_runner}
    assert absent == {"bea": "vet", "cyd's gift": "self certificate, cough", "dot": None}
    assert [found[name].horse_number for name in ("bea", "dot")] == [2, 4]
    assert (found["bea"].sp_win_return, found["bea"].rule_4_pence) == (BACK, None)


def test_a_reserve_without_a_run_has_no_row_and_one_that_ran_has() -> None:
    horses = [(runner("Ada", 1), NO_PRICES)] + [
        (runner(name, number, is_reserve=True), NO_PRICES)
        for name, number in (("Bea", 17), ("Cyd", 18))
    ]
    found = rows(card=card(HANDICAP, *horses), result=result(ran("Ada", "1"), ran("Bea", "2")))

    assert sorted(found) == ["ada", "bea"]
    assert rows(card=card(HANDICAP, *horses), void=True).keys() == {"ada"}


def test_prices_come_from_our_log_or_else_from_the_card_or_else_there_are_none() -> None:
    on_card = card(
        HANDICAP,
        (runner("Ada", 1), {"Bet365": "4/1", "Coral": "5/1"}),
        (runner("Bea", 2), {"Bet365": "2/1", "Betfair Exchange": "17.5"}),
        (runner("Cyd", 3), {"Bet365": None}),
    )
    found = rows(
        card=on_card,
        result=result(*(ran(name, "1") for name in ("Ada", "Bea", "Cyd"))),
        logged=logged(ada=by_log("10/3", "7/2", lowest=Fraction(4), forecast=Fraction(13, 3))),
    )

    ada, bea, cyd = (found[name] for name in ("ada", "bea", "cyd"))
    assert (ada.data_source, ada.opening_price, ada.closing_price) == (
        DataSource.CHANGE_LOG, Decimal("4.333"), Decimal("4.5"),
    )  # fmt: skip
    assert (ada.pre_race_min, ada.forecasted_odds) == (Decimal(4), Decimal("4.333"))
    assert (bea.data_source, bea.opening_price, bea.closing_price) == (
        DataSource.CARD, None, Decimal(3),
    )  # fmt: skip
    assert (bea.pre_race_max, bea.forecasted_odds) == (Decimal(3), Decimal(3))
    assert (cyd.data_source, cyd.closing_price) == (DataSource.RESULT, None)


def withdrawn_at(hours_before: float, closing: str) -> PriceSummary:
    at = NOON - timedelta(hours=hours_before)
    return by_log(closing, closing, withdrawn_at=at)


def pence(of: PastRace) -> int | None:
    return next(row.rule_4_pence for row in historical_rows(of) if row.horse_id == "hrs_ada")


WITHDRAWN = PastRace(
    card=declared("Ada", "Bea", "Cyd"),
    result=result(ran("Ada", "1"), non_runners="Bea (lame), Cyd (lame)"),
    logged=logged(ada=by_log("9/2", "3/1"), bea=withdrawn_at(2, "2/1"), cyd=withdrawn_at(1, "5/1")),
)


def told(**facts: Any) -> PastRace:
    return msgspec.structs.replace(WITHDRAWN, **facts)


def test_rule_4_is_by_the_prices_of_those_withdrawn_after_the_opening_price() -> None:
    assert pence(WITHDRAWN) == 30 + 15

    before = logged(
        ada=by_log("9/2", "3/1"), bea=withdrawn_at(30, "2/1"), cyd=withdrawn_at(1, "5/1")
    )
    assert pence(told(logged=before)) == 15


def test_rule_4_counts_a_horse_whose_price_was_never_pulled_and_not_one_that_had_none() -> None:
    at_the_start = logged(ada=by_log("9/2", "3/1"), bea=by_log("2/1", "1/1"))

    assert pence(told(logged=at_the_start)) == 45


def test_rule_4_is_nothing_without_a_withdrawal() -> None:
    nobody = told(card=declared("Ada"), result=result(ran("Ada", "1")), logged=None)

    assert pence(nobody) == 0


def test_rule_4_is_not_known_where_the_withdrawal_or_its_price_is_not() -> None:
    assert pence(told(logged=None)) is None
    assert pence(told(card=None)) is None
    # A horse that the result names and the card has lost.
    assert pence(told(card=declared("Ada", "Bea"))) is None
    assert pence(told(card=msgspec.structs.replace(declared("Ada"), whole=False))) is None


def test_a_reserve_that_never_got_a_run_is_no_withdrawal() -> None:
    horses = ((runner("Ada", 1), NO_PRICES), (runner("Bea", 17, is_reserve=True), NO_PRICES))
    with_reserve = told(
        card=card(HANDICAP, *horses), result=result(ran("Ada", "1"), non_runners="Bea (reserve)")
    )

    assert pence(with_reserve) == 0


def test_a_result_alone_gives_rows_too() -> None:
    found = rows(result=result(ran("Ada", "1"), non_runners="Bea (lame)"))

    assert list(found) == ["ada"]
    assert (found["ada"].data_source, found["ada"].horse_name) == (DataSource.RESULT, "Ada")


positions = st.sampled_from(["1", "2", "3", "4", "PU", "F", "DSQ"])
fields = st.dictionaries(st.sampled_from("abcdefghijklmnop"), positions, min_size=1)


@given(fields, st.sets(st.sampled_from("abcdefghijklmnop")))
def test_every_horse_of_card_and_result_has_exactly_one_row(
    finishers: dict[str, str], on_card: set[str]
) -> None:
    found = historical_rows(
        PastRace(
            card=declared(*sorted(on_card)),
            result=result(*(ran(name, position) for name, position in finishers.items())),
        )
    )

    names = [row.horse_id.removeprefix("hrs_") for row in found]
    assert names == sorted({*finishers, *on_card})
    assert {row.runners_count for row in found} == {len(finishers)}
    for row in found:
        if row.ew_return is not None and row.sp_win_return is not None:
            assert row.place_return is not None
            assert row.ew_return == row.sp_win_return + row.place_return
