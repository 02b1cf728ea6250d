from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.race_days import (
    Completeness,
    DayShortfall,
    RaceDay,
    is_due,
    is_settled,
    judge,
)

DAY = date(2026, 6, 17)
NIGHT = datetime(2026, 6, 18, 0, 0, tzinfo=UTC)
"""01:00 in London, the night after DAY."""

PROVISIONAL = RaceDay(
    race_date=DAY,
    region="gb",
    cards=Completeness.COMPLETE,
    results=Completeness.PROVISIONAL,
    checked_at=NIGHT,
)
MISSING = msgspec.structs.replace(PROVISIONAL, results=Completeness.MISSING)
COMPLETE = msgspec.structs.replace(PROVISIONAL, results=Completeness.COMPLETE)
NEVER_READ = RaceDay(
    race_date=DAY, region="gb", cards=Completeness.MISSING, results=Completeness.MISSING
)


def later(**duration: float) -> datetime:
    return NIGHT + timedelta(**duration)


def test_the_present_day_in_london_is_never_due() -> None:
    # 23:30 UTC of the day before is 00:30 of the next day on London's summer clocks.
    assert not is_due(DAY, None, datetime(2026, 6, 17, 22, 59, tzinfo=UTC))
    assert is_due(DAY, None, datetime(2026, 6, 17, 23, 30, tzinfo=UTC))


@pytest.mark.parametrize("known", [None, MISSING, NEVER_READ])
def test_a_gap_is_always_due(known: RaceDay | None) -> None:
    assert is_due(DAY, known, later(seconds=1))
    assert is_due(DAY, known, later(days=300))


def test_a_provisional_day_is_due_once_a_day_until_it_is_read_as_settled() -> None:
    assert not is_due(DAY, PROVISIONAL, later(hours=22.9))
    assert is_due(DAY, PROVISIONAL, later(hours=23.1))
    assert is_due(DAY, PROVISIONAL, later(days=40))


def test_a_complete_day_is_not_due_again() -> None:
    assert not is_due(DAY, COMPLETE, later(days=40))


def test_results_are_settled_on_the_third_day_after() -> None:
    assert not is_settled(DAY, later(days=1, hours=22.9))
    assert is_settled(DAY, later(days=1, hours=23.1))


def test_a_whole_day_is_provisional_first_and_complete_when_it_is_settled() -> None:
    nothing = DayShortfall()

    assert judge(DAY, nothing, NIGHT) == (
        Completeness.COMPLETE,
        Completeness.PROVISIONAL,
        "results may be amended until 2026-06-20",
    )
    assert judge(DAY, nothing, later(days=2)) == (
        Completeness.COMPLETE,
        Completeness.COMPLETE,
        None,
    )


RACE = (RaceId("rac_1"),)


@pytest.mark.parametrize(
    ("shortfall", "cards", "results", "reason"),
    [
        (
            DayShortfall(cards_missing=3),
            Completeness.MISSING,
            Completeness.COMPLETE,
            "announced by the feed and not sent: 3 cards",
        ),
        (
            DayShortfall(cards_unread=1, results_unread=2),
            Completeness.MISSING,
            Completeness.MISSING,
            "not understood: 1 cards; not understood: 2 results",
        ),
        (
            DayShortfall(results_missing=7),
            Completeness.COMPLETE,
            Completeness.MISSING,
            "announced by the feed and not sent: 7 results",
        ),
        (
            DayShortfall(without_card=RACE),
            Completeness.MISSING,
            Completeness.COMPLETE,
            "no card: rac_1",
        ),
        (
            DayShortfall(without_result=tuple(RaceId(f"rac_{n}") for n in range(7))),
            Completeness.COMPLETE,
            Completeness.MISSING,
            "no result yet: rac_0, rac_1, rac_2, rac_3, rac_4 and 2 more",
        ),
    ],
)
def test_what_is_missing_is_a_gap_and_said(
    shortfall: DayShortfall, cards: Completeness, results: Completeness, reason: str
) -> None:
    assert judge(DAY, shortfall, later(days=5)) == (cards, results, reason)


@pytest.mark.parametrize(
    ("shortfall", "reason"),
    [
        (DayShortfall(abandoned=RACE), "abandoned: rac_1"),
        (DayShortfall(never_had_result=RACE), "void, the feed never had a result: rac_1"),
        (DayShortfall(only_result=RACE), "known by its result alone: rac_1"),
    ],
)
def test_what_was_abandoned_void_or_known_in_part_is_no_gap_but_said(
    shortfall: DayShortfall, reason: str
) -> None:
    assert judge(DAY, shortfall, later(days=5)) == (
        Completeness.COMPLETE,
        Completeness.COMPLETE,
        reason,
    )
