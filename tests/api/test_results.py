import json
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from darkhorses.domain.history import PastRace, historical_rows
from darkhorses.domain.identifiers import HorseId
from darkhorses.domain.race_days import Completeness, RaceDay
from darkhorses.domain.results import RaceResult, ResultRunner
from darkhorses.store.pool import Connection, Database
from darkhorses.store.writing.history import PastDay, write_past_day
from tests.api.conftest import RunningApi
from tests.history import fill_history
from tests.market import NOON, MarketWriter, card, price, race, runner

DAY = date(2026, 6, 20)
FACTS = race(off_dt=NOON, race_name="A Handicap")
LOOK = card(
    FACTS,
    (runner("Ada", 1), {"Bet365": "2/1"}),
    (runner("Bob", 2), {"Bet365": "3/1"}),
    (runner("Cit", 3), {"Bet365": "5/1"}),
    (runner("Dot", None, is_non_runner=True), {}),
)


def ran(name: str, number: int, position: str, sp: str, **facts: Any) -> ResultRunner:
    return ResultRunner(
        horse_id=HorseId(f"hrs_{name.lower()}"),
        horse_name=f"{name} (IRE)",
        horse_number=number,
        position=position,
        position_no=int(position) if position.isdigit() else None,
        starting_price=price(sp),
        **facts,
    )


DEAD_HEAT = [
    ran("Bob", 2, "1", "3/1", exchange_price=Decimal("4.12")),
    ran("Cit", 3, "UR", "5/1"),
    ran("Ada", 1, "1", "2/1"),
]
ALONE = [
    ran("Bob", 2, "1", "3/1", exchange_price=Decimal("4.12")),
    ran("Cit", 3, "UR", "5/1"),
    ran("Ada", 1, "2", "2/1", beaten_by=Decimal("0.75")),
]


async def write(
    database: Database, runners: Sequence[ResultRunner], *, provisional: bool, hours: int
) -> None:
    """The day as it was read so many hours after its race."""
    result = RaceResult(
        race_id=FACTS.race_id,
        race_date=DAY,
        off_dt=NOON,
        region="GB",
        course_id=FACTS.course_id,
        course=FACTS.course,
        race_name=FACTS.race_name,
        non_runners="Dot (lame, vet's certificate), Eve (IRE) (going)",
        tote={"win": "3.40"},
        runners={runner.horse_id: runner for runner in runners},
    )
    past = PastDay(
        ledger=RaceDay(
            race_date=DAY,
            region="gb",
            cards=Completeness.COMPLETE,
            results=Completeness.COMPLETE,
            checked_at=NOON + timedelta(hours=hours),
        ),
        rows=historical_rows(PastRace(card=LOOK, result=result)),
        results=[result],
        provisional=provisional,
    )
    assert await write_past_day(database.transaction, past) is not None


async def test_a_result_has_its_runners_by_place_with_dead_heats_and_who_did_not_finish(
    api: RunningApi, database: Database
) -> None:
    await write(database, DEAD_HEAT, provisional=True, hours=13)
    answer = await api.get("/api/results/rac_1")
    body = json.loads(answer.content, parse_float=str)
    assert [
        (r["horse_name"], r["finishing_position"], r["position_no"], r["dead_heat_count"])
        for r in body["runners"]
    ] == [("Ada", "1", 1, 2), ("Bob", "1", 1, 2), ("Cit", "UR", None, None)]
    bob = body["runners"][1]
    assert (bob["industry_sp"], bob["industry_sp_fractional"], bob["bsp"]) == (
        "4.000",
        "3/1",
        "4.120",
    )
    assert (bob["sp_win_return"], bob["place_return"]) == ("2.0000", None)
    assert (bob["sp_favorite_position"], bob["sp_favorite_mark"]) == (2, None)
    assert body["runners"][0]["sp_favorite_mark"] == "F"
    assert (body["race"]["is_provisional"], body["race"]["runners_count"]) == (True, 3)
    assert body["race"]["tote"] == {"win": "3.40"}
    assert body["revisions"] == []


async def test_non_runners_have_their_reasons_and_those_without_a_row_are_told_too(
    api: RunningApi, database: Database
) -> None:
    await write(database, DEAD_HEAT, provisional=True, hours=13)
    body = await api.json("/api/results/rac_1")
    assert body["non_runners"] == [
        {
            "horse_id": "hrs_dot",
            "horse_name": "Dot",
            "horse_number": None,
            "reason": "lame, vet's certificate",
        },
        {"horse_id": None, "horse_name": "Eve", "horse_number": None, "reason": "going"},
    ]


async def test_an_amended_result_says_what_stood_before(
    api: RunningApi, database: Database
) -> None:
    await write(database, DEAD_HEAT, provisional=True, hours=13)
    await write(database, ALONE, provisional=False, hours=37)
    answer = await api.get("/api/results/rac_1")
    body = json.loads(answer.content, parse_float=str)
    assert [(r["horse_name"], r["position_no"]) for r in body["runners"]] == [
        ("Bob", 1),
        ("Ada", 2),
        ("Cit", None),
    ]
    assert body["race"]["is_provisional"] is False
    told = {revision["horse_name"]: revision for revision in body["revisions"]}
    assert told.keys() == {"Ada", "Bob"}
    assert told["Ada"]["superseded_at"] == "2026-06-22T01:00:00Z"
    said = told["Ada"]["said"]
    assert (said["position_no"], said["dead_heat_count"], said["sp_win_return"]) == (
        1,
        2,
        "1.5000",
    )


async def test_the_documentation_describes_a_result_as_it_is(
    api: RunningApi, database: Database
) -> None:
    await write(database, DEAD_HEAT, provisional=True, hours=13)
    await write(database, ALONE, provisional=False, hours=37)
    schemas = (await api.get("/openapi.json")).json()["components"]["schemas"]
    body = await api.json("/api/results/rac_1")
    assert schemas["Result"]["properties"].keys() == body.keys()
    assert schemas["StoredResult"]["properties"].keys() == body["race"].keys()
    for name, field in (
        ("ResultRunner", "runners"),
        ("ResultNonRunner", "non_runners"),
        ("ResultRevision", "revisions"),
    ):
        assert schemas[name]["properties"].keys() == body[field][0].keys()


async def detail_of_404(api: RunningApi, race_id: str) -> str:
    answer = await api.get(f"/api/results/{race_id}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    return str(answer.json()["errors"][0]["message"])


async def test_an_unknown_race_a_race_to_come_and_an_abandoned_one_are_told_apart(
    api: RunningApi, writer: MarketWriter
) -> None:
    to_come = race("rac_2", off_dt=NOON + timedelta(hours=1))
    abandoned = race("rac_3", off_dt=NOON + timedelta(hours=1), is_abandoned=True)
    await writer.look(card(to_come), card(abandoned), seen_at=NOON)
    assert await detail_of_404(api, "rac_9") == "no race is known by this id"
    assert (await detail_of_404(api, "rac_2")).startswith("this race has no result yet")
    assert "abandoned" in await detail_of_404(api, "rac_3")


async def test_a_past_race_that_waits_for_its_result_is_not_void_for_its_non_runners(
    api: RunningApi, connection: Connection
) -> None:
    await fill_history(connection, days=1, races=1, runners=3)
    await connection.execute(
        "DELETE FROM ra_results; UPDATE ra_odds_historical SET sp_win_return = NULL "
        "WHERE NOT is_non_runner; UPDATE ra_odds_historical SET sp_win_return = 1 "
        "WHERE is_non_runner"
    )
    assert (await detail_of_404(api, "rac_0_0")).startswith("this race has no result yet")
    await connection.execute("UPDATE ra_odds_historical SET sp_win_return = 1")
    assert "void" in await detail_of_404(api, "rac_0_0")


async def test_results_are_listed_newest_off_first_with_their_winners(
    api: RunningApi, connection: Connection
) -> None:
    await fill_history(connection)
    body = await api.json("/api/results?limit=5")
    assert (body["count"], body["limit"], body["offset"]) == (5, 5, 0)
    assert [row["race"]["race_id"] for row in body["data"]] == [
        "rac_2_3",
        "rac_2_2",
        "rac_2_1",
        "rac_2_0",
        "rac_1_3",
    ]
    (winner,) = body["data"][0]["winners"]
    assert (winner["horse_name"], winner["industry_sp_fractional"]) == ("Horse 2_3 1", "3/2")


async def test_a_dead_heat_has_two_winners_and_a_race_without_any_none(
    api: RunningApi, connection: Connection
) -> None:
    await fill_history(connection, days=1, races=2)
    await connection.execute(
        "UPDATE ra_odds_historical SET position_no = 1 WHERE horse_id = 'hrs_0_0_2'; "
        "UPDATE ra_odds_historical SET position_no = NULL WHERE race_id = 'rac_0_1'"
    )
    none, two = (await api.json("/api/results"))["data"]
    assert none["winners"] == []
    assert [winner["horse_number"] for winner in two["winners"]] == [1, 2]


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ("race_date=2026-03-02", 4),
        ("from=2026-03-02&to=2026-03-02&region=gb", 2),
        ("course=course%203", 3),
        ("course=Nowhere", 0),
        ("limit=10&offset=10", 2),
    ],
)
async def test_the_lists_filters_choose_the_races(
    api: RunningApi, connection: Connection, parameters: str, count: int
) -> None:
    await fill_history(connection)
    assert (await api.json(f"/api/results?{parameters}"))["count"] == count


@pytest.mark.parametrize(
    ("parameters", "field"),
    [("offset=10001", "offset"), ("from=2026-03-02&to=2026-03-01", "from"), ("date=x", "date")],
)
async def test_wrong_parameters_of_the_list_are_named(
    api: RunningApi, parameters: str, field: str
) -> None:
    answer = await api.get(f"/api/results?{parameters}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
