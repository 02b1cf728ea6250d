from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.earlier_keys import KnownRunner, course_key, horse_key, runner_of
from darkhorses.domain.earlier_rows import (
    EarlierBookmaker,
    EarlierCycle,
    EarlierRunner,
    UnfitRowError,
    race_day_of,
    read_bookmaker,
    read_cycle,
    read_runner,
)
from darkhorses.domain.identifiers import HorseId, RaceId

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
RUNNER = EarlierRunner(
    date_of_race="2024-06-12T00:00:00+00:00",
    country="GB",
    track="KEMPTON (AW)",
    race_time="2:30",
    runners_count=8,
    horse_name="Sea The Stars (IRE)",
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12),
    st.from_regex(r"\A-?\d{0,6}([./-]\d{0,4})?[FJ]?\Z"),
    st.sampled_from(["2024-06-12", "NaN", "1e400", "13:05", "-", "9-13", "NR", "Infinity"]),
)  # fmt: skip


def read(**fields: Any) -> tuple[Any, list[str]]:
    return read_runner(msgspec.structs.replace(RUNNER, **fields), now=NOW)


@pytest.mark.parametrize(
    ("fields", "column", "value"),
    [
        ({"race_time": "2:30"}, "race_time", "14:30"),
        ({"race_time": "11:05:00"}, "race_time", "11:05"),
        ({"country": "Great Britain"}, "country", "GB"),
        ({"country": "fr"}, "country", "FR"),
        ({"age": "4.0"}, "age", 4),
        ({"weight": 131}, "weight", "9-5"),
        ({"weight": "9-13"}, "weight", "9-13"),
        ({"race_class": 2}, "race_class", "Class 2"),
        ({"race_class": "class_5"}, "race_class", "Class 5"),
        ({"industry_sp": "11/4J"}, "industry_sp_fractional", "11/4"),
        ({"industry_sp": 3.75}, "industry_sp", Decimal("3.750")),
        ({"industry_sp": 0}, "industry_sp", None),
        ({"betfair_sp": "4.1"}, "bsp", Decimal("4.100")),
        ({"finishing_position": "pu"}, "finishing_position", "PU"),
        ({"finishing_position": "NR"}, "is_non_runner", True),
        ({"official_rating": 0}, "official_rating", None),
        ({"horse_name": "Sea The Stars (IRE)"}, "horse_name", "Sea The Stars"),
    ],
)
def test_a_fact_is_read_whatever_way_it_was_kept(
    fields: dict[str, Any], column: str, value: object
) -> None:
    row, doubts = read(**fields)

    assert (getattr(row, column), doubts) == (value, [])


@pytest.mark.parametrize(
    "fields",
    [
        {"age": "old"}, {"weight": "9-14"}, {"industry_sp": 0.9}, {"industry_sp": "7/0"},
        {"ip_min": -1}, {"finishing_position": 0.5}, {"winning_distance": "nk"},
        {"stall_number": 99_999},
    ],
)  # fmt: skip
def test_a_fact_that_makes_no_sense_costs_that_fact(fields: dict[str, Any]) -> None:
    row, doubts = read(**fields)

    assert doubts == list(fields)
    assert row.horse_name == "Sea The Stars"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"date_of_race": None}, "no day of the race"),
        ({"date_of_race": "yesterday"}, "no day of the race"),
        ({"track": " "}, "no course"),
        ({"race_time": "25:00"}, "no time of the race"),
        ({"country": "the moon"}, "no country"),
        ({"horse_name": "nan"}, "no name of the horse"),
        ({"runners_count": 0}, "no number of runners"),
    ],
)
def test_a_row_without_what_identifies_it_is_left_for_a_reason(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnfitRowError, match=reason):
        read(**fields)


@pytest.mark.parametrize(
    ("position", "told", "stored"),
    [(1, 4, Decimal("4.0000")), (2, 0, Decimal("0.0000")), (2, -1, None), (1, 3, None)],
)
def test_a_return_is_believed_when_it_is_what_a_bet_returned(
    position: int, told: float, stored: Decimal | None
) -> None:
    row, _ = read(finishing_position=position, industry_sp=4, sp_win_return=told)

    assert row.sp_win_return == stored


def test_a_day_that_was_kept_as_midnight_of_summer_in_london_is_that_day() -> None:
    assert race_day_of("2024-06-11T23:00:00+00:00") == date(2024, 6, 12)
    assert race_day_of("2024-06-12T00:00:00+00:00") == date(2024, 6, 12)
    assert race_day_of("2024-01-12") == date(2024, 1, 12)


def test_betfair_as_an_exchange_is_betfairs_exchange() -> None:
    said = EarlierBookmaker(bookmaker_name="Betfair", bookmaker_type="exchange")

    assert read_bookmaker(said).bookmaker_id == "betfairexchange"


@given(st.builds(EarlierRunner, **dict.fromkeys(EarlierRunner.__struct_fields__, LEAVES)))
def test_no_row_of_runners_breaks_the_reading(row: EarlierRunner) -> None:
    anchored = msgspec.structs.replace(
        row, **{name: getattr(RUNNER, name) for name in ("date_of_race", "track", "race_time")}
    )
    for said in (row, anchored):
        try:
            read, doubts = read_runner(said, now=NOW)
        except UnfitRowError:
            continue
        assert set(doubts) <= set(EarlierRunner.__struct_fields__)
        assert read.industry_sp is None or read.industry_sp > 1


@given(st.builds(EarlierCycle, **dict.fromkeys(EarlierCycle.__struct_fields__, LEAVES)))
def test_no_row_of_cycles_breaks_the_reading(row: EarlierCycle) -> None:
    try:
        assert read_cycle(row).races_count >= 0
    except UnfitRowError:
        return


@given(st.builds(EarlierBookmaker, **dict.fromkeys(EarlierBookmaker.__struct_fields__, LEAVES)))
def test_no_row_of_bookmakers_breaks_the_reading(row: EarlierBookmaker) -> None:
    try:
        assert read_bookmaker(row).bookmaker_id
    except UnfitRowError:
        return


def known(name: str, course: str, number: int = 1) -> KnownRunner:
    return KnownRunner(
        race_id=RaceId(f"rac_{number}"),
        horse_id=HorseId(f"hrs_{number}"),
        horse_key=horse_key(name),
        course_key=course_key(course),
    )


def test_a_runner_is_known_by_its_horse_and_its_course() -> None:
    runners = [known("L'Art Noir (FR)", "Epsom"), known("Other", "Ascot", 2)]

    assert runner_of("L\N{RIGHT SINGLE QUOTATION MARK}ART NOIR", "EPSOM DOWNS", runners)
    assert runner_of("L'Art Noir", "Ascot", runners) is None
    assert runner_of("Nobody", "Epsom", runners) is None


def test_a_runner_that_may_be_either_of_two_is_neither() -> None:
    runners = [known("Twin", "Kempton (AW)"), known("Twin", "Kempton", 2)]

    assert runner_of("Twin", "Kempton", runners) is None
