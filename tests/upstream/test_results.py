import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from darkhorses.domain.prices import Price
from darkhorses.domain.results import (
    NamedNonRunner,
    Prize,
    ResultPage,
    ResultRunner,
    name_key,
    read_non_runners,
    without_country,
)
from darkhorses.upstream.errors import MalformedError
from darkhorses.upstream.results import ResultReader
from tests.results import finisher, page_of_results, result


def page_of(*results: Any, total: int | None = None, regions: tuple[str, ...] = ()) -> ResultPage:
    reader = ResultReader(regions=regions)
    reader.read_page(page_of_results(*results, total=total))
    return reader.page()


def runner_of(**fields: Any) -> ResultRunner:
    (found,) = page_of(result(finisher(**fields))).results
    (runner,) = found.runners.values()
    return runner


def test_a_result_is_read_in_full() -> None:
    page = page_of(result())

    (found,) = page.results
    assert (page.unreadable, page.unread, page.missing) == ((), 0, 0)
    assert (found.race_id, found.race_date) == ("rac_1", date(2026, 6, 20))
    assert found.off_dt == datetime(2026, 6, 20, 13, 12, tzinfo=UTC)
    assert (found.going, found.race_class, found.distance_f) == (
        "Good To Soft", "Class 4", Decimal("16.5"),
    )  # fmt: skip
    assert found.tote == {"win": "£5.50", "place": "£1.80 £1.50"}
    assert found.runners["hrs_1"] == ResultRunner(  # type: ignore[index]
        horse_id="hrs_1",  # type: ignore[arg-type]
        horse_name="Ada (IRE)",
        position="1",
        position_no=1,
        starting_price=Price(decimal=Decimal("2.875"), fractional="15/8"),
        exchange_price=Decimal("3.05"),
        beaten_by=Decimal(0),
        horse_number=4,
        draw=6,
        age=5,
        weight="11-4",
        headgear="t",
        jockey="Toby Rider",
        jockey_id="jky_1",
        trainer="A Trainer",
        trainer_id="trn_1",
        prize=Prize(amount=Decimal(5234), currency="GBP"),
    )


def test_irish_courses_lose_their_country_and_all_weather_stays() -> None:
    (found,) = page_of(result(region="IRE", course="Dundalk (AW) (IRE)")).results

    assert (found.region, found.course) == ("IRE", "Dundalk (AW)")


@pytest.mark.parametrize(
    ("prize", "region", "expected"),
    [
        ("€7080", "IRE", Prize(amount=Decimal(7080), currency="EUR")),
        ("7080", "IRE", Prize(amount=Decimal(7080), currency="EUR")),
        ("£4,193", "GB", Prize(amount=Decimal(4193), currency="GBP")),
        ("4187.20", "GB", Prize(amount=Decimal("4187.20"), currency="GBP")),
        ("£500", "IRE", Prize(amount=Decimal(500), currency="GBP")),
        ("", "GB", None),
        (None, "IRE", None),
    ],
)
def test_prizes_are_in_pounds_or_in_ireland_in_euros(
    prize: str | None, region: str, expected: Prize | None
) -> None:
    (found,) = page_of(result(finisher(prize=prize), region=region)).results

    assert found.runners["hrs_1"].prize == expected  # type: ignore[index]


@pytest.mark.parametrize(
    ("position", "text", "number"),
    [
        ("1", "1", 1), ("12", "12", 12), ("PU", "PU", None), ("dsq", "DSQ", None),
        ("VOI", "VOI", None), ("", None, None), ("0", "0", None), ("99999", "99999", None),
    ],
)  # fmt: skip
def test_a_position_keeps_its_text_and_has_a_number_where_it_is_one(
    position: str, text: str | None, number: int | None
) -> None:
    runner = runner_of(position=position)

    assert (runner.position, runner.position_no) == (text, number)


def test_a_race_is_void_when_all_its_runners_are() -> None:
    void, one = page_of(
        result(finisher("VOI"), finisher("VOI", horse_id="hrs_2")),
        result(finisher("VOI"), finisher("1", horse_id="hrs_2"), race_id="rac_2"),
    ).results

    assert (void.is_void, one.is_void) == (True, False)


def test_leaves_that_say_nothing_are_none() -> None:
    runner = runner_of(bsp=None, sp="-", sp_dec="-", ovr_btn="-", draw="", number="", prize="-")

    assert (runner.starting_price, runner.exchange_price, runner.beaten_by) == (None, None, None)
    assert (runner.draw, runner.horse_number, runner.prize) == (None, None, None)


def test_a_fact_that_makes_no_sense_costs_that_fact_and_is_set_aside() -> None:
    page = page_of(
        result(finisher(sp="15/0", bsp="dear", age="five", prize="a cup", ovr_btn="1e9"))
    )

    (found,) = page.results
    (runner,) = found.runners.values()
    assert (runner.starting_price, runner.exchange_price) == (None, None)
    assert (runner.age, runner.prize) == (None, None)
    assert runner.position_no == 1
    (piece,) = page.unreadable
    assert (piece.kind, piece.race_id, page.unread) == ("race", "rac_1", 0)
    for what in ("15/0", "dear", "five", "a cup", "1e9"):
        assert what in piece.reason


def test_a_prize_or_price_beyond_all_bounds_is_none() -> None:
    runner = runner_of(prize="9" * 15, sp="9" * 12)

    assert (runner.prize, runner.starting_price) == (None, None)


@pytest.mark.parametrize(
    "broken",
    [
        result(finisher(), finisher(horse_id=None)),
        result(off_dt="2026-06-20T14:12:00"),
        result(runners=[]),
        result(runners="none"),
        result(finisher(number=["1"])),
    ],
)
def test_a_result_that_cannot_be_read_whole_is_not_read_at_all(broken: dict[str, Any]) -> None:
    page = page_of(broken, result(race_id="rac_2"))

    assert [found.race_id for found in page.results] == ["rac_2"]
    assert (page.unread, len(page.unreadable)) == (1, 1)
    assert page.unreadable[0].race_id == "rac_1"


def test_results_of_other_regions_are_left_out() -> None:
    page = page_of(result(), result(race_id="rac_2", region="FR"), regions=("gb", "ire"))

    assert [found.race_id for found in page.results] == ["rac_1"]
    assert page.missing == 0


def test_results_that_were_announced_and_not_sent_are_counted_and_one_sent_twice_counts_once() -> (
    None
):
    reader = ResultReader()
    first = reader.read_page(page_of_results(result(), result(race_id="rac_2"), total=4))
    reader.read_page(page_of_results(result(going="Heavy"), total=4))

    page = reader.page()
    assert (first.received, first.total, page.missing) == (2, 4, 2)
    assert {found.race_id: found.going for found in page.results} == {
        "rac_1": "Heavy",
        "rac_2": "Good To Soft",
    }


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"results": 7}', b'{"results": [{}'])
def test_what_is_no_page_of_results_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        ResultReader().read_page(body)


def test_a_single_result_is_read_as_one_of_a_page_is() -> None:
    reader = ResultReader()
    reader.read_result(json.dumps(result()).encode())

    assert reader.page().results == page_of(result()).results
    with pytest.raises(MalformedError):
        reader.read_result(b"<html>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, {}),
        ("", {}),
        (
            "Nibras Angel (self certificate, off feed)",
            {"Nibras Angel": "self certificate, off feed"},
        ),
        (
            "Bona Fortuna (unsuitable ground), Brazilian Belle (withdrawn), Winchurch",
            {
                "Bona Fortuna": "unsuitable ground",
                "Brazilian Belle": "withdrawn",
                "Winchurch": None,
            },
        ),
        (
            "Ada (IRE) (vet's certificate (lame, near fore)), Bea (FR)",
            {"Ada": "vet's certificate (lame, near fore)", "Bea": None},
        ),
        ("Ada (lame, Bea (vet)", {"Ada": "lame, Bea (vet"}),
        (" , Ada ,, ", {"Ada": None}),
    ],
)
def test_non_runners_in_free_text(text: str | None, expected: dict[str, str | None]) -> None:
    assert read_non_runners(text) == tuple(
        NamedNonRunner(name=name, reason=reason) for name, reason in expected.items()
    )


def test_names_are_compared_without_country_case_or_kind_of_apostrophe() -> None:
    assert without_country("Veraison (IRE)") == "Veraison"
    assert without_country("It's A Love Thing") == "It's A Love Thing"
    assert name_key("IT\N{RIGHT SINGLE QUOTATION MARK}S A  Love Thing (GB)") == name_key(
        "It's A Love Thing"
    )
