from datetime import timedelta

import pytest

from darkhorses.store.pool import Database
from darkhorses.worker.statistics import Updater
from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, card, race, runner

LIVE = {
    "basic_metrics", "recent_activity", "unique_entities", "bookmaker_coverage",
    "records_per_date", "course_distribution", "data_quality", "market_status",
}  # fmt: skip
HISTORICAL = {
    "basic_metrics", "recent_activity", "unique_entities", "records_per_date",
    "country_distribution", "track_distribution", "data_quality", "odds_coverage",
}  # fmt: skip
LOOK = card(
    race(off_dt=NOON + timedelta(hours=1)),
    (runner("Ada", 1), {"Bet365": "4/1", "Coral": "9/2"}),
    (runner("Bob", 2), {"Bet365": "2/1"}),
)


@pytest.fixture
def updater(api: RunningApi, database: Database) -> Updater:
    return Updater(database, clock=api.clock, card_interval=timedelta(seconds=60))


async def test_before_the_first_run_there_are_no_figures_and_it_is_said_so(api: RunningApi) -> None:
    answer = await api.get("/api/statistics")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "60"
    assert answer.json()["detail"].startswith("No statistics have been computed yet")


async def test_figures_of_another_version_are_none(
    api: RunningApi, updater: Updater, writer: MarketWriter, database: Database
) -> None:
    await updater.refresh(writer.lease)
    async with database.connection() as connection:
        await connection.execute("UPDATE statistics_current SET live = live - 'market_status'")
    assert (await api.get("/api/statistics")).status_code == 503

    await updater.refresh(writer.lease)
    api.clock.forward(seconds=3)
    assert (await api.get("/api/statistics")).status_code == 200


async def test_both_tables_have_the_blocks_of_the_contract(
    api: RunningApi, updater: Updater, writer: MarketWriter
) -> None:
    await writer.look(LOOK, seen_at=api.clock())
    await updater.refresh(writer.lease)
    body = await api.json("/api/statistics")
    assert (body["success"], body["updated_at"]) == (True, "2026-06-20T12:00:00Z")
    assert body["data"].keys() == {"live", "historical"}
    assert body["data"]["live"].keys() >= LIVE
    assert body["data"]["historical"].keys() >= HISTORICAL
    assert body["data"]["live"]["market_status"]["open_quotes"] == 3
    assert [
        (row["bookmaker_name"], row["bookmaker_type"], row["active_quotes"], row["coverage"])
        for row in body["data"]["live"]["bookmaker_coverage"]
    ] == [("Bet365", "fixed", 2, 1.0), ("Coral", "fixed", 1, 0.5)]
    assert body["data"]["historical"]["favourites"]["overall"]["strike_rate"] is None


@pytest.mark.parametrize("table", ["live", "historical"])
async def test_one_table_can_be_asked_for(
    api: RunningApi, updater: Updater, writer: MarketWriter, table: str
) -> None:
    await updater.refresh(writer.lease)
    whole = await api.json("/api/statistics?table=all")
    body = await api.json(f"/api/statistics?table={table}")
    assert body["data"] == {table: whole["data"][table]}


async def test_an_unknown_table_is_refused_by_name(api: RunningApi) -> None:
    answer = await api.get("/api/statistics?table=everything")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "table"


async def test_it_is_said_how_many_changes_are_not_counted_yet(
    api: RunningApi, updater: Updater, writer: MarketWriter
) -> None:
    await updater.refresh(writer.lease)
    assert (await api.json("/api/statistics"))["behind_changes"] == 0
    await writer.look(LOOK, seen_at=api.clock())
    api.clock.forward(seconds=3)
    body = await api.json("/api/statistics")
    assert (body["behind_changes"], body["updated_at"]) == (3, "2026-06-20T12:00:00Z")
    assert body["data"]["live"]["basic_metrics"]["total_changes"] == 0


async def test_figures_that_have_not_changed_cost_an_empty_304(
    api: RunningApi, updater: Updater, writer: MarketWriter
) -> None:
    await updater.refresh(writer.lease)
    tag = (await api.get("/api/statistics")).headers["etag"]
    assert (await api.get("/api/statistics", if_none_match=tag)).status_code == 304
    api.clock.forward(minutes=10)
    await updater.refresh(writer.lease)
    assert (await api.get("/api/statistics", if_none_match=tag)).status_code == 200


async def test_a_headline_is_told_over_the_days_asked_for(
    api: RunningApi, updater: Updater, writer: MarketWriter
) -> None:
    await updater.refresh(writer.lease)
    await writer.look(LOOK, seen_at=api.clock())
    api.clock.forward(days=1)
    await updater.refresh(writer.lease)
    address = "/api/statistics/trends?metric=total_changes"
    body = await api.json(address)
    assert (body["metric"], body["count"]) == ("total_changes", 2)
    assert body["data"] == [
        {"computed_at": "2026-06-20T12:00:00Z", "value": 0},
        {"computed_at": "2026-06-21T12:00:00Z", "value": 3},
    ]
    assert (await api.json(f"{address}&from=2026-06-21"))["count"] == 1
    assert (await api.json(f"{address}&to=2026-06-20"))["count"] == 1
    assert (await api.json(f"{address}&from=0001-01-01&to=9999-12-31"))["count"] == 2


async def test_a_trend_of_nothing_known_or_of_days_the_wrong_way_round_is_refused(
    api: RunningApi,
) -> None:
    for asked, field in (
        ("metric=luck", "metric"),
        ("metric=open_quotes&from=2026-06-22&to=2026-06-21", "from"),
        ("metric=open_quotes&from=soon", "from"),
    ):
        answer = await api.get(f"/api/statistics/trends?{asked}")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == field
