import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from darkhorses.domain.races import CardPage
from darkhorses.upstream.errors import MalformedError
from darkhorses.upstream.reading import (
    CardReader,
    read_courses,
    read_races_with_result,
    read_regions,
)
from tests.cards import page_of, quote, race, runner

NOW = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)


def read(*races: Any, total: int | None = None, regions: tuple[str, ...] = ()) -> CardPage:
    reader = CardReader(now=NOW, regions=regions)
    reader.read_page(page_of(*races, total=total))
    return reader.page()


def test_a_card_is_read_into_a_race_its_runners_and_their_quotes() -> None:
    page = read(race())

    (card,) = page.cards
    assert card.race.off_dt == datetime(2026, 6, 20, 13, 12, tzinfo=UTC)
    assert card.race.off_time == "14:12"
    assert card.race.race_class is None
    assert card.race.distance_f == Decimal("16.5")
    ada = card.runners["hrs_1"]  # type: ignore[index]
    assert (ada.jockey, ada.jockey_claim_lbs, ada.draw) == ("Toby Rider", 7, None)
    assert (ada.horse_number, ada.weight_lbs, ada.official_rating) == (4, 158, None)
    (price,) = [q.price for q in card.quotes.values()]
    assert price is not None
    assert (price.decimal, price.fractional) == (Decimal("4.33"), "10/3")
    assert card.refreshed_at == datetime(2026, 6, 20, 11, 58, 7, tzinfo=UTC)


def test_a_non_runner_has_no_price_whatever_its_quotes_say() -> None:
    marked = runner(
        number="NR", jockey="NON-RUNNER(5)", odds=[quote(), quote("Coral", decimal="-")]
    )

    (card,) = read(race(marked)).cards

    (ada,) = card.runners.values()
    assert ada.is_non_runner
    assert (ada.horse_number, ada.jockey) == (None, None)
    assert [q.price for q in card.quotes.values()] == [None, None]


def test_a_reserve_is_no_non_runner() -> None:
    (card,) = read(race(runner(number="R17", jockey="", odds=[]))).cards

    (ada,) = card.runners.values()
    assert (ada.is_reserve, ada.is_non_runner, ada.horse_number) == (True, False, 17)


def test_spellings_of_one_bookmaker_are_one_quote() -> None:
    (card,) = read(race(runner(odds=[quote("Spread Ex"), quote("Spreadex")]))).cards

    assert [bookmaker_id for _, bookmaker_id in card.quotes] == ["spreadex"]


def test_a_quote_that_makes_no_sense_is_set_aside_and_counts_as_no_price() -> None:
    page = read(race(runner(odds=[quote(decimal="four"), quote("Coral")])))

    (card,) = page.cards
    assert {key[1]: q.price is None for key, q in card.quotes.items()} == {
        "bet365": True,
        "coral": False,
    }
    assert [(u.kind, u.horse_id) for u in page.unreadable] == [("quote", "hrs_1")]
    assert "'FOUR'" in page.unreadable[0].reason


def test_a_fact_that_makes_no_sense_costs_the_fact_and_not_the_runner() -> None:
    page = read(race(runner(age="old")))

    (ada,) = page.cards[0].runners.values()
    assert ada.age is None
    assert page.cards[0].whole
    assert page.unreadable[0].reason == "age 'old' is not a whole number"


def test_a_runner_of_another_shape_is_set_aside_and_the_rest_goes_on() -> None:
    page = read(race(runner(horse={"name": "Ada"}), runner(horse_id="hrs_2", horse="Ben")))

    (card,) = page.cards
    assert list(card.runners) == ["hrs_2"]
    assert not card.whole
    (piece,) = page.unreadable
    assert (piece.kind, piece.race_id, piece.horse_id) == ("runner", "rac_1", "hrs_1")
    assert json.loads(piece.payload)["horse"] == {"name": "Ada"}


@pytest.mark.parametrize(
    "broken",
    [
        race(off_dt="soon"),
        race(race_id=None),
        race(off_dt="2026-06-20T14:12:00"),
        race(course=[1]),
        "nonsense",
        None,
    ],
)
def test_a_race_that_cannot_be_understood_is_set_aside_and_the_rest_goes_on(broken: Any) -> None:
    page = read(broken, race(race_id="rac_2"))

    assert [card.race.race_id for card in page.cards] == ["rac_2"]
    assert [piece.kind for piece in page.unreadable] == ["race"]


@pytest.mark.parametrize("odds", [None, []])
def test_no_odds_are_an_answer(odds: Any) -> None:
    (card,) = read(race(runner(odds=odds))).cards

    assert card.quotes == {}
    assert card.runners_without_odds == frozenset()


def test_a_card_without_the_odds_field_says_nothing_of_odds() -> None:
    bare = runner()
    del bare["odds"]

    (card,) = read(race(bare)).cards

    assert card.runners_without_odds == {"hrs_1"}


def test_leaves_that_come_as_numbers_are_read_all_the_same() -> None:
    (card,) = read(race(runner(number=4, age=5, odds=[quote(decimal=4.33)]), field_size=8)).cards

    assert card.race.field_size == 8
    (price,) = [q.price for q in card.quotes.values()]
    assert price is not None
    assert price.decimal == Decimal("4.33")


def test_races_of_other_regions_are_left_out() -> None:
    page = read(race(), race(race_id="rac_2", region="FR"), regions=("gb", "ire"))

    assert [card.race.race_id for card in page.cards] == ["rac_1"]


def test_a_race_that_comes_twice_counts_as_it_came_last() -> None:
    page = read(race(), race(going="Soft"))

    assert [card.race.going for card in page.cards] == ["Soft"]


def test_races_that_were_announced_and_not_sent_are_counted() -> None:
    assert read(race(), total=39).missing == 38


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"racecards": [', b"[]", b'{"detail": "x"}'])
def test_a_body_that_is_no_page_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        CardReader(now=NOW).read_page(body)


def test_courses_regions_and_results_are_read() -> None:
    (course,) = read_courses(
        b'{"courses": [{"id": "crs_52", "course": "Ascot", "region_code": "GB", "region": "UK"},'
        b' {"id": "", "course": "Nowhere"}], "total": 2}'
    )
    race_ids, count = read_races_with_result(b'{"results": [{"race_id": "rac_1"}], "total": 7}')

    assert (course.course_id, course.region_code) == ("crs_52", "gb")
    assert read_regions(b'[{"region": "Ireland", "region_code": "ire"}]') == {"ire": "Ireland"}
    assert list(race_ids) == ["rac_1"]
    assert count.total == 7
