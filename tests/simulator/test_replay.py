from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from darkhorses.simulator import Options, Simulator, running_simulator
from tests.recorded import RECORDED, needs_recordings

AUTH = ("simulator", "simulator")


def race(race_id: str, day: str, region: str, course_id: str = "crs_1") -> dict[str, Any]:
    return {
        "race_id": race_id,
        "date": day,
        "region": region,
        "course_id": course_id,
        "off_time": "2:12",
        "runners": [{"horse_id": "hrs_1"}],
    }


def result(race_id: str, day: str) -> dict[str, Any]:
    return {
        "race_id": race_id, "date": day, "region": "GB", "course_id": "crs_1", "off": "2:12",
        "runners": [],
    }  # fmt: skip


FILES: dict[str, Any] = {
    "monday.json": {
        "_note": "first two of many",
        "racecards": [
            race("rac_1", "2025-10-13", "GB"),
            race("rac_2", "2025-10-13", "IRE", "crs_2") | {"_note": "cut"},
        ],
        "total": 39,
        "limit": 500,
        "skip": 0,
        "query": [["date", "2025-10-13"]],
    },
    "big.json": {"racecards": [race("rac_3", "2025-10-18", "GB")], "total": 14, "query": []},
    "single.json": race("rac_4", "2025-10-20", "FR"),
    "results/monday.json": {
        "results": [result("rac_1", "2025-10-13")],
        "total": 39,
        "limit": 25,
        "skip": 0,
        "query": [["start_date", "2025-10-13"], ["end_date", "2025-10-13"]],
    },
    "results/single.json": result("rac_9", "2025-10-12"),
    "odds.json": {"race_id": "rac_1", "horse_id": "hrs_1", "horse": "One", "odds": []},
    "gb.json": {"courses": [{"id": "crs_1", "course": "Bath", "region_code": "gb"}], "total": 69},
    "ire.json": {"courses": [{"id": "crs_2", "course": "Cork", "region_code": "ire"}], "total": 32},
    "regions.json": [{"region": "Turkey", "region_code": "tur"}],
    "summaries.json": {"racecard_summaries": []},
    "errors.json": {"somewhere": {"status_code": 404}},
}


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(msgspec.json.encode(content))
    (tmp_path / "broken.json").write_text("{")
    async with running_simulator(Options(replay=tmp_path, limits=False)) as running:
        yield running


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.base_url, auth=AUTH) as client:
        yield client


async def races(http: httpx.AsyncClient, query: str) -> tuple[list[str], int]:
    page = (await http.get(f"racecards/pro?{query}")).json()
    return [race["race_id"] for race in page["racecards"]], page["total"]


async def test_a_page_is_filtered_by_region_and_keeps_its_counters(
    http: httpx.AsyncClient,
) -> None:
    assert await races(http, "date=2025-10-13") == (["rac_1", "rac_2"], 39)
    assert await races(http, "date=2025-10-13&region_codes=ire") == (["rac_2"], 39)
    assert await races(http, "date=2025-10-13&course_ids=crs_1") == (["rac_1"], 39)
    assert await races(http, "date=2025-10-13&skip=2") == ([], 39)


async def test_a_page_without_a_date_in_its_query_is_found_by_its_races(
    http: httpx.AsyncClient,
) -> None:
    assert await races(http, "date=2025-10-18") == (["rac_3"], 14)


async def test_a_day_without_a_page_is_empty(http: httpx.AsyncClient) -> None:
    assert await races(http, "date=2025-10-14") == ([], 0)
    assert await races(http, "date=2025-10-20") == ([], 0)


async def test_single_cards_come_from_their_own_file_or_from_a_page(
    http: httpx.AsyncClient,
) -> None:
    for race_id in ("rac_1", "rac_4"):
        assert (await http.get(f"racecards/{race_id}/pro")).json()["race_id"] == race_id
    assert (await http.get("racecards/rac_5/pro")).status_code == 404


async def test_notes_are_left_out(http: httpx.AsyncClient) -> None:
    page = await http.get("racecards/pro?date=2025-10-13")
    card = await http.get("racecards/rac_2/pro")

    assert "_note" not in page.text
    assert card.json() == race("rac_2", "2025-10-13", "IRE", "crs_2")


async def test_results_odds_courses_and_regions_are_served(http: httpx.AsyncClient) -> None:
    page = (await http.get("results?start_date=2025-10-10&end_date=2025-10-13")).json()
    assert ([race["race_id"] for race in page["results"]], page["limit"]) == (["rac_1"], 25)
    assert (await http.get("results/rac_9")).status_code == 200
    assert (await http.get("odds/rac_1/hrs_1")).json()["horse"] == "One"
    assert (await http.get("odds/rac_1/hrs_2")).status_code == 404
    assert (await http.get("courses?region_codes=ire")).json()["total"] == 32
    assert len((await http.get("courses")).json()["courses"]) == 2
    assert (await http.get("courses/regions")).json() == FILES["regions.json"]


def test_files_of_an_unknown_shape_are_named(simulator: Simulator) -> None:
    assert simulator.unknown_recordings == ["broken.json", "errors.json", "summaries.json"]


@pytest.mark.recorded
@needs_recordings
async def test_all_recorded_payloads_are_served() -> None:
    async with (
        running_simulator(Options(replay=RECORDED, limits=False)) as simulator,
        httpx.AsyncClient(base_url=simulator.base_url, auth=AUTH) as http,
    ):
        for path in sorted(RECORDED.glob("*.json")):
            content = msgspec.json.decode(path.read_bytes())
            if path.name in simulator.unknown_recordings:
                continue
            if isinstance(content, list):
                assert (await http.get("courses/regions")).json() == content
                continue
            content.pop("_note", None)
            for address, wanted in _addresses(content):
                answer = await http.get(address)
                assert (address, answer.status_code) == (address, 200)
                assert wanted(answer.json())

    assert set(simulator.unknown_recordings) == {
        "errors_404_422.json",
        "racecards_summaries.json",
    }


def _addresses(content: dict[str, Any]) -> list[tuple[str, Any]]:
    """Where a recorded body is to be found, and whether an answer holds it."""
    if "racecards" in content:
        return [
            (
                f"racecards/pro?date={race['date']}&region_codes={race['region'].lower()}",
                lambda page, race=race: (
                    race in page["racecards"] and page["total"] == content["total"]
                ),
            )
            for race in content["racecards"]
        ]
    if "results" in content:
        return [
            (
                f"results?start_date={race['date']}&end_date={race['date']}",
                lambda page, race=race: race in page["results"],
            )
            for race in content["results"]
        ]
    if "courses" in content:
        region = content["courses"][0]["region_code"]
        return [(f"courses?region_codes={region}", lambda page: page == content)]
    if "odds" in content:
        address = f"odds/{content['race_id']}/{content['horse_id']}"
        return [(address, lambda odds: odds == content)]
    if "off_time" in content:
        return [(f"racecards/{content['race_id']}/pro", lambda card: card == content)]
    return [(f"results/{content['race_id']}", lambda found: found == content)]
