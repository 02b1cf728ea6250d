from datetime import timedelta
from typing import Any

import msgspec
import pytest

from darkhorses.domain.races import Card
from darkhorses.store.pool import Database
from tests.api.conftest import RunningApi
from tests.endings import write_result
from tests.market import NOON, MarketWriter, card, race, runner

OFF = NOON + timedelta(hours=3)
NIGHT = NOON + timedelta(hours=14)
ADA, BOB, CIT, DOT, EVE, FAY, GUS, HAL = (
    runner(name, number)
    for number, name in enumerate(("Ada", "Bob", "Cit", "Dot", "Eve", "Fay", "Gus", "Hal"), 1)
)
FIELD = (ADA, BOB, CIT, DOT, EVE, FAY, GUS, HAL)
PRICES = ("5/1", "3/1", "9/1", "6/1", "8/1", "10/1", "12/1", "16/1")
ORDER = {"Cit": "1", "Ada": "2", "Dot": "3", "Eve": "4", "Fay": "5", "Gus": "PU"}


def eight(*non_runners: str, **facts: Any) -> Card:
    """Eight runners at Bet365, three places at a fifth; a non-runner has no price any more."""
    return card(
        race(off_dt=OFF, **facts),
        *(
            (
                msgspec.structs.replace(horse, is_non_runner=horse.horse_name in non_runners),
                {"Bet365": None if horse.horse_name in non_runners else text},
            )
            for horse, text in zip(FIELD, PRICES, strict=True)
        ),
    )


def address(horse: str, *, minutes: int = 30, **parameters: str) -> str:
    at = (NOON + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    query = {"horse_id": f"hrs_{horse}", "bookmaker": "Bet365", "at": at, "stake": "10"}
    pairs = "&".join(f"{name}={value}" for name, value in (query | parameters).items())
    return f"/api/races/rac_1/settlement?{pairs}"


async def settle(api: RunningApi, horse: str, *, minutes: int = 30, **parameters: str) -> Any:
    return await api.json(address(horse, minutes=minutes, **parameters))


def returns(body: Any) -> tuple[Any, Any, Any]:
    return body["win_returned"], body["place_returned"], body["returned"]


@pytest.fixture
async def withdrawn_two(writer: MarketWriter, api: RunningApi) -> Card:
    """Bob (3/1, 25p) is withdrawn after an hour, Hal (16/1, nothing) after two; six are left."""
    await writer.look(eight(), seen_at=NOON)
    await writer.look(eight("Bob"), seen_at=NOON + timedelta(hours=1))
    last = eight("Bob", "Hal")
    await api.seen(await writer.look(last, seen_at=NOON + timedelta(hours=2)))
    api.clock.now = NIGHT
    return last


async def test_a_bet_is_settled_by_its_price_its_terms_and_what_was_withdrawn_after_it(
    api: RunningApi, database: Database, withdrawn_two: Card
) -> None:
    await write_result(database, withdrawn_two, ORDER, read_at=NIGHT)

    body = await settle(api, "cit", each_way="true")

    # 10 at 9/1 with 25p off: 90 * 0.75 + 10; the place at 9/5: 18 * 0.75 + 10.
    assert returns(body) == (77.5, 23.5, 101.0)
    assert (body["total_staked"], body["profit"]) == (20.0, 81.0)
    assert (body["status"], body["estimate"], body["provisional"]) == ("settled", True, True)
    assert (body["odds_decimal"], body["odds_fractional"]) == (10, "9/1")
    assert (body["price_since"], body["runners"]) == ("2026-06-20T12:00:00Z", 6)
    assert (body["ew_places"], body["ew_denom"], body["terms_source"]) == (3, 5, "bookmaker")
    assert body["rule_4_pence"] == 25
    assert [(d["horse_name"], d["odds_decimal"], d["pence"]) for d in body["deductions"]] == [
        ("Bob", 4, 25),
        ("Hal", 17, 0),
    ]
    assert [step["step"] for step in body["steps"]] == [
        "price", "runners", "withdrawal", "withdrawal", "rule_4", "terms", "placing", "win",
        "place", "total",
    ]  # fmt: skip
    assert "Bet365's last price" in body["steps"][2]["text"]
    described = (await api.get("/openapi.json")).json()["components"]["schemas"]
    for name, told in (
        ("Settlement", body),
        ("SettlementStep", body["steps"][0]),
        ("Deduction", body["deductions"][0]),
    ):
        assert described[name]["properties"].keys() == told.keys()
    assert body["steps"][-1]["amount"] == 101.0


async def test_a_bet_struck_after_a_withdrawal_loses_nothing_by_it(
    api: RunningApi, database: Database, withdrawn_two: Card
) -> None:
    await write_result(database, withdrawn_two, ORDER, read_at=NIGHT)
    body = await settle(api, "cit", minutes=60)
    assert (body["rule_4_pence"], body["returned"]) == (0, 100.0)
    assert [d["horse_name"] for d in body["deductions"]] == ["Hal"]


async def test_two_withdrawals_add_up(
    api: RunningApi, database: Database, writer: MarketWriter
) -> None:
    await writer.look(eight(), seen_at=NOON)
    last = eight("Bob", "Cit")
    await api.seen(await writer.look(last, seen_at=NOON + timedelta(hours=1)))
    api.clock.now = NIGHT
    ran = {"Ada": "1", "Dot": "2", "Eve": "3", "Fay": "4", "Gus": "5", "Hal": "F"}
    await write_result(database, last, ran, read_at=NIGHT)
    body = await settle(api, "ada")
    # 3/1 and 9/1: 25p and 10p of 50 won.
    assert (body["rule_4_pence"], body["returned"]) == (35, 42.5)


async def test_dead_heats_share_the_stake(
    api: RunningApi, database: Database, withdrawn_two: Card
) -> None:
    tied = ORDER | {"Ada": "1", "Dot": "3", "Eve": "3"}
    await write_result(database, withdrawn_two, tied, read_at=NIGHT)
    for_first = await settle(api, "cit", minutes=60, each_way="true")
    # Half of 10 at 9/1; the place is whole: 10 at 9/5.
    assert returns(for_first) == (50.0, 28.0, 78.0)
    assert for_first["dead_heat_count"] == 2
    for_the_last_place = await settle(api, "dot", minutes=60, each_way="true")
    # Half of 10 at 6/5 for one place of two horses.
    assert returns(for_the_last_place) == (0, 11.0, 11.0)


async def test_a_bet_on_a_non_runner_is_given_back_also_before_there_is_a_result(
    api: RunningApi, database: Database, withdrawn_two: Card
) -> None:
    before = await settle(api, "bob", each_way="true")
    assert (before["status"], returns(before)) == ("void", (10.0, 10.0, 20.0))
    assert (before["rule_4_pence"], before["deductions"]) == (0, [])
    assert before["provisional"] is True
    await write_result(database, withdrawn_two, ORDER, read_at=NIGHT, stands=True)
    after = await settle(api, "bob", each_way="true")
    assert (after["status"], after["profit"], after["provisional"]) == ("void", 0, False)


@pytest.mark.parametrize("is_told_by", ["card", "ledger"])
async def test_bets_on_an_abandoned_race_are_given_back(
    api: RunningApi, database: Database, writer: MarketWriter, is_told_by: str
) -> None:
    await writer.look(eight(), seen_at=NOON)
    last = eight(is_abandoned=is_told_by == "card")
    await api.seen(await writer.look(last, seen_at=NOON + timedelta(hours=1)))
    api.clock.now = NIGHT
    if is_told_by == "ledger":
        await write_result(database, last, None, read_at=NIGHT, stands=True)
    body = await settle(api, "ada")
    assert (body["status"], body["returned"]) == ("void", 10.0)
    assert body["provisional"] is (is_told_by == "card")
    assert "abandoned" in body["steps"][1]["text"]


async def test_a_runner_of_a_void_race_is_given_back(
    api: RunningApi, database: Database, withdrawn_two: Card
) -> None:
    await write_result(database, withdrawn_two, dict.fromkeys(ORDER, "VOI"), read_at=NIGHT)
    assert (await settle(api, "ada"))["status"] == "void"


async def test_without_a_result_the_bet_stands_and_what_it_would_return_is_said(
    api: RunningApi, withdrawn_two: Card
) -> None:
    assert not withdrawn_two.race.is_abandoned
    body = await settle(api, "cit", each_way="true")
    assert (body["status"], body["provisional"], returns(body)) == (
        "no_result", True, (None, None, None),
    )  # fmt: skip
    assert (body["profit"], body["returned_if_won"], body["rule_4_pence"]) == (None, 101.0, 25)
    assert body["runners"] == 6


async def test_horses_that_drop_out_at_the_start_cut_the_places(
    api: RunningApi, database: Database, writer: MarketWriter
) -> None:
    card_then = eight()
    await api.seen(await writer.look(card_then, seen_at=NOON))
    api.clock.now = NIGHT
    ran = {"Cit": "1", "Ada": "2", "Dot": "3", "Eve": "4", "Fay": "5", "Gus": "6", "Hal": "7"}
    await write_result(database, card_then, ran, read_at=NIGHT)
    third = await settle(api, "dot", each_way="true")
    assert returns(third) == (0, 0, 0)
    assert (third["ew_places"], third["ew_denom"], third["terms_source"]) == (2, 4, "standard")
    # Bob, at 3/1, was withdrawn at the off: 25p of 50 / 4 for the place.
    assert returns(await settle(api, "ada", each_way="true")) == (0, 19.38, 19.38)


async def test_an_amended_result_settles_the_bet_anew(
    api: RunningApi, database: Database, withdrawn_two: Card
) -> None:
    await write_result(database, withdrawn_two, ORDER, read_at=NIGHT)
    first = await settle(api, "ada")
    assert (first["returned"], first["amended_at"]) == (0, None)
    amended_at = NIGHT + timedelta(hours=24)
    disqualified = ORDER | {"Cit": "DSQ", "Ada": "1", "Dot": "2", "Eve": "3", "Fay": "4"}
    await write_result(database, withdrawn_two, disqualified, read_at=amended_at, stands=True)
    second = await settle(api, "ada")
    assert (second["returned"], second["provisional"]) == (47.5, False)
    assert second["amended_at"] == second["result_at"] == "2026-06-22T02:00:00Z"
    assert (await settle(api, "cit"))["returned"] == 0


@pytest.mark.parametrize(
    ("changed", "field", "says"),
    [
        ({"minutes": -1}, "at", "no price yet: its first is known from 2026-06-20T12:00:00"),
        ({"minutes": 181}, "at", "the market was closed"),
        ({"minutes": 2000}, "at", "lies in the future"),
        ({"at": "2026-06-20T12:30:00"}, "at", "expected an ISO 8601 time with its offset"),
        ({"stake": "0"}, "stake", "expected an amount above 0"),
        ({"stake": "1.005"}, "stake", "expected an amount above 0"),
        ({"stake": "1000000.01"}, "stake", "expected an amount above 0"),
        ({"stake": "-1"}, "stake", "expected an amount above 0"),
        ({"stake": "NaN"}, "stake", "expected an amount above 0"),
        ({"bookmaker": "Betfair Exchange"}, "bookmaker", "is an exchange"),
        ({"bookmaker": "Nobody"}, "bookmaker", "unknown bookmaker"),
        ({"bookmaker": "Coral"}, "at", "Coral is not known to have ever priced this runner"),
        ({"horse": "bob", "minutes": 70}, "at", "it took its last one down at 2026-06-20T13:00"),
        ({"horse_id": "%00"}, "horse_id", ""),
    ],
)
async def test_a_bet_that_could_not_be_struck_is_refused_with_the_reason(
    *,
    api: RunningApi,
    writer: MarketWriter,
    withdrawn_two: Card,
    changed: dict[str, Any],
    field: str,
    says: str,
) -> None:
    other = race("rac_2", off_dt=withdrawn_two.race.off_dt)
    quotes = card(other, (ADA, {"Coral": "4/1", "Betfair Exchange": "5.5"}))
    await api.seen(await writer.look(quotes, seen_at=NOON))
    answer = await api.get(address(**({"horse": "cit"} | changed)))
    assert answer.status_code == 400, answer.text
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert says in error["message"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (address("nobody"), "horse_id"),
        (address("ada").replace("rac_1", "rac_9"), "race_id"),
        (address("ada").replace("rac_1", "%00"), "race_id"),
    ],
)
async def test_what_is_not_known_is_not_found(
    api: RunningApi, writer: MarketWriter, path: str, field: str
) -> None:
    await api.seen(await writer.look(eight(), seen_at=NOON))
    api.clock.now = NIGHT
    answer = await api.get(path)
    assert answer.status_code == 404, answer.text
    assert answer.json()["errors"][0]["field"] == field
