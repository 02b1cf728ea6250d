from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.gaps import PricePoint, RunnerHistory
from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.repairs import (
    Lag,
    Occasion,
    RepairableRace,
    RepairState,
    by_urgency,
    find_race_gaps,
    is_outage,
    occasion_of,
)
from tests.domain.test_gaps import at, histories, logged, merged, seen_by_polls

BET365 = bookmaker_named("Bet365")
RACE, ADA = RaceId("rac_1"), HorseId("hrs_1")
NOON = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def race(**facts: Any) -> RepairableRace:
    """A race whose off was at noon."""
    fields: dict[str, Any] = {
        "race_id": RACE,
        "race_date": date(2026, 6, 20),
        "off_dt": NOON,
        "region": "gb",
        "race_status": None,
        "is_abandoned": False,
        "last_change_at": NOON,
        "runners": 8,
    }
    return RepairableRace(**(fields | facts))


def history(points: list[PricePoint]) -> RunnerHistory:
    return RunnerHistory(
        race_id=RACE,
        horse_id=ADA,
        paths={BET365.bookmaker_id: tuple(points)},
        bookmakers={BET365.bookmaker_id: BET365},
    )


@pytest.mark.parametrize(
    ("facts", "minutes", "occasion"),
    [
        ({}, 20, None),
        ({}, 21, Occasion.END),
        ({"race_status": "result"}, 10, None),
        ({"last_change_at": NOON + 15 * MINUTE}, 21, None),
        ({"last_change_at": None}, 21, Occasion.END),
        ({"is_abandoned": True, "last_change_at": NOON - 300 * MINUTE}, -200, Occasion.END),
        ({"is_abandoned": True, "last_change_at": NOON - 210 * MINUTE}, -200, None),
        ({"occasion": Occasion.OUTAGE, "state": RepairState.WANTED}, -30, Occasion.OUTAGE),
        ({"occasion": Occasion.OUTAGE, "state": RepairState.ASKING}, -30, Occasion.OUTAGE),
        ({"occasion": Occasion.OUTAGE, "state": RepairState.REPAIRED}, -30, None),
        ({"occasion": Occasion.OUTAGE, "state": RepairState.REPAIRED}, 21, Occasion.END),
        ({"occasion": Occasion.OUTAGE, "state": RepairState.IMPOSSIBLE}, 21, Occasion.END),
        (
            {
                "occasion": Occasion.OUTAGE,
                "state": RepairState.WANTED,
                "race_status": "result",
            },
            10,
            None,
        ),
        ({"occasion": Occasion.END, "state": RepairState.ASKING}, 21, Occasion.END),
        ({"occasion": Occasion.END, "state": RepairState.REPAIRED}, 21, None),
        ({"occasion": Occasion.END, "state": RepairState.IMPOSSIBLE}, 21, None),
    ],
)
def test_a_race_is_repaired_once_its_market_is_quiet_and_before_that_after_an_outage(
    facts: dict[str, Any], minutes: int, occasion: Occasion | None
) -> None:
    assert occasion_of(race(**facts), NOON + minutes * MINUTE) == occasion


@pytest.mark.parametrize(
    ("minutes_to_off", "silence", "outage"),
    [
        (300, 30, False),
        (300, 31, True),
        (60, 10, False),
        (60, 11, True),
        (3, 6, False),
        (3, 7, True),
    ],
)
def test_an_outage_is_two_looks_missed_and_more_than_a_poll_may_be_late(
    minutes_to_off: int,
    silence: int,
    outage: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    looked_at = NOON - minutes_to_off * MINUTE

    assert is_outage(NOON, looked_at, looked_at + silence * MINUTE) is outage


def test_the_most_recent_day_comes_first_and_of_it_the_biggest_race() -> None:
    today = date(2026, 6, 20)
    small, big, late = (
        race(race_id="small"),
        race(race_id="big", runners=20),
        race(race_id="late", off_dt=NOON + 60 * MINUTE),
    )
    before = race(race_id="before", race_date=date(2026, 6, 18), runners=40)

    ordered = by_urgency([before, small, big, late], today)

    assert [each.race_id for each in ordered] == ["big", "late", "small", "before"]


def test_lags_are_told_by_nearest_rank() -> None:
    assert Lag.of([]) is None
    assert Lag.of([5]) == Lag(count=1, median=5, p90=5, longest=5)
    assert Lag.of([30, 10, 20]) == Lag(count=3, median=20, p90=30, longest=30)
    assert Lag.of(range(101)) == Lag(count=101, median=50, p90=90, longest=100)


def test_a_bookmaker_is_told_with_its_last_change_over_all_runners() -> None:
    early, late = at(0), at(50)
    price = None
    first = history([PricePoint(at=late, price=price)])
    second = msgspec.structs.replace(
        history([PricePoint(at=early, price=price)]), horse_id=HorseId("hrs_2")
    )

    assert find_race_gaps([first, second], {}).bookmakers == ((BET365, late),)


@given(
    histories(),
    st.lists(st.floats(0, 700), max_size=30),
    st.floats(0, 700),
    st.floats(0, 200),
)
def test_a_repair_after_an_outage_and_one_at_the_end_bring_the_history_in_its_order(
    points: list[PricePoint], polls: list[float], outage_ends: float, later: float
) -> None:
    log = seen_by_polls(points, [*polls, outage_ends])
    key = ADA, BET365.bookmaker_id
    known_then = [p for p in points if p.at <= at(outage_ends + later)]
    polls_then = [entry for entry in log if entry.at <= at(outage_ends + later)]
    after_outage = find_race_gaps([history(known_then)], {key: polls_then}, until=at(outage_ends))
    entries = [*log, *logged(p.point for p in after_outage.added)]

    at_end = find_race_gaps([history(points)], {key: entries})

    path = merged([*entries, *logged(p.point for p in at_end.added)])
    assert [step.price for step in path] == [point.price for point in points]
