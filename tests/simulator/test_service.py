import zlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from darkhorses.simulator import Options, Simulator, running_simulator
from darkhorses.upstream import wire
from tests.simulator.worlds import NOW

AUTH = ("simulator", "simulator")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
async def simulator(clock: Clock) -> AsyncIterator[Simulator]:
    async with running_simulator(clock=clock) as running:
        yield running


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.base_url, auth=AUTH) as client:
        yield client


async def first_race(http: httpx.AsyncClient) -> dict[str, Any]:
    page = (await http.get("racecards/pro", params={"region_codes": "gb", "limit": 1})).json()
    race: dict[str, Any] = page["racecards"][0]
    return race


async def test_every_endpoint_answers_in_the_shape_that_our_wire_structs_read(
    http: httpx.AsyncClient,
) -> None:
    race = await first_race(http)
    race_id, horse_id = race["race_id"], race["runners"][0]["horse_id"]
    results = (await http.get("results/today")).json()["results"]
    shapes: dict[str, Any] = {
        "racecards/pro": wire.WireRacecards,
        "racecards/standard?day=tomorrow": wire.WireRacecards,
        f"racecards/{race_id}/pro": wire.WireRace,
        f"odds/{race_id}/{horse_id}": wire.WireRunnerOdds,
        "results?start_date=2026-10-08&end_date=2026-10-09": wire.WireResults,
        "results/today": wire.WireResults,
        f"results/{results[0]['race_id']}": wire.WireResultFacts,
        "courses": wire.WireCourses,
        "courses/regions": list[wire.WireRegion],
    }
    for path, shape in shapes.items():
        answer = await http.get(path)
        assert (path, answer.status_code) == (path, 200)
        assert answer.headers["content-type"] == "application/json"
        assert msgspec.json.decode(answer.content, type=shape)


async def test_pages_are_cut_by_limit_and_skip_and_count_the_whole(
    http: httpx.AsyncClient,
) -> None:
    whole = (await http.get("racecards/pro", params={"date": "2026-10-10"})).json()
    pages = [
        (await http.get("racecards/pro", params={"limit": 20, "skip": skip})).json()
        for skip in (0, 20, 40, 60)
    ]

    assert (whole["limit"], whole["skip"], whole["query"]) == (500, 0, [["date", "2026-10-10"]])
    assert whole["total"] == len(whole["racecards"])
    assert {page["total"] for page in pages} == {whole["total"]}
    assert [race for page in pages for race in page["racecards"]] == whole["racecards"]


async def test_regions_are_repeated_keys_and_the_singular_is_ignored(
    http: httpx.AsyncClient,
) -> None:
    async def regions(query: str) -> set[str]:
        page = (await http.get(f"racecards/pro?{query}")).json()
        return {race["region"] for race in page["racecards"]}

    assert await regions("region_codes=gb&region_codes=ire") == {"GB", "IRE"}
    assert await regions("region_codes=ire") == {"IRE"}
    assert await regions("region_code=ire") == {"GB", "IRE", "FR"}


async def test_courses_win_over_regions(http: httpx.AsyncClient) -> None:
    course_id = (await first_race(http))["course_id"]
    query = {"course_ids": course_id, "region_codes": "ire"}
    page = (await http.get("racecards/pro", params=query)).json()

    assert {race["course_id"] for race in page["racecards"]} == {course_id}


async def test_wrong_credentials_and_none_are_401(simulator: Simulator) -> None:
    async with httpx.AsyncClient(base_url=simulator.base_url) as http:
        for auth in (None, ("simulator", "wrong")):
            answer = await http.get("courses", auth=auth)
            assert answer.status_code == 401
            assert isinstance(answer.json()["detail"], str)
            assert "Plan" not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("plan", "path", "status"),
    [
        ("free", "courses", 200),
        ("free", "results/today", 401),
        ("basic", "results/today", 200),
        ("standard", "racecards/standard", 200),
        ("standard", "racecards/pro", 401),
    ],
)
async def test_a_plan_that_is_too_small_is_401_and_says_which_is_needed(
    plan: str, path: str, status: int, clock: Clock
) -> None:
    options = Options(plan=plan, limits=False)
    async with (
        running_simulator(options, clock=clock) as simulator,
        httpx.AsyncClient(base_url=simulator.base_url, auth=AUTH) as http,
    ):
        answer = await http.get(path)

    assert answer.status_code == status
    assert status == 200 or answer.json()["detail"].endswith("Plan required")


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "racecards/rac_0/pro",
        "odds/rac_0/hrs_0",
        "results/rac_0",
        "racecards/pro/more",
    ],
)
async def test_what_is_not_there_is_404(path: str, http: httpx.AsyncClient) -> None:
    answer = await http.get(path)

    assert (answer.status_code, answer.text) == (404, '{"detail":"Not Found"}')


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("racecards/pro?date=13-10-2025", "date"),
        ("racecards/pro?limit=501", "limit"),
        ("racecards/pro?limit=0", "limit"),
        ("racecards/pro?skip=-1", "skip"),
        ("racecards/standard?day=monday", "day"),
        ("results?limit=101", "limit"),
        ("results?limit=ten", "limit"),
        ("results?start_date=2024-01-01&end_date=2026-01-01", "start_date"),
    ],
)
async def test_a_wrong_parameter_is_422_and_named(
    query: str, name: str, http: httpx.AsyncClient
) -> None:
    answer = await http.get(query)

    assert answer.status_code == 422
    (detail,) = answer.json()["detail"]
    assert detail["loc"] == ["query", name]
    assert detail.keys() == {"loc", "msg", "type"}


async def test_an_empty_day_is_an_empty_list(http: httpx.AsyncClient) -> None:
    answer = await http.get("racecards/pro", params={"date": "2022-01-01"})

    assert (answer.status_code, answer.json()["racecards"], answer.json()["total"]) == (200, [], 0)


async def test_gzip_is_given_to_those_who_ask(http: httpx.AsyncClient) -> None:
    zipped = await http.get("racecards/pro")
    plain = await http.get("racecards/pro", headers={"accept-encoding": "identity"})

    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < len(plain.content) / 5
    assert "content-encoding" not in plain.headers
    assert zipped.content == plain.content


async def test_more_than_an_endpoint_allows_in_a_second_is_429_until_time_passes(
    clock: Clock,
) -> None:
    async with (
        running_simulator(Options(), clock=clock) as simulator,
        httpx.AsyncClient(base_url=simulator.base_url, auth=AUTH) as http,
    ):
        race_id = (await first_race(http))["race_id"]
        statuses = [(await http.get("racecards/pro?limit=1")).status_code for _ in range(2)]
        single = [(await http.get(f"racecards/{race_id}/pro")).status_code for _ in range(6)]
        refused = await http.get(f"racecards/{race_id}/pro")
        clock.now += timedelta(seconds=1)
        again = await http.get(f"racecards/{race_id}/pro")

    assert statuses == [200, 429]
    assert single == [200] * 5 + [429]
    assert refused.headers["retry-after"] == "1"
    assert again.status_code == 200


async def test_an_address_that_asks_a_hundred_times_in_ten_seconds_is_locked_out(
    clock: Clock,
) -> None:
    async with (
        running_simulator(Options(), clock=clock) as simulator,
        httpx.AsyncClient(base_url=simulator.base_url, auth=AUTH) as http,
    ):
        *_, answer = [await http.get("courses/regions") for _ in range(101)]
        clock.now += timedelta(minutes=4)
        still = await http.get("courses")
        clock.now += timedelta(minutes=2)
        free = await http.get("courses")

    assert (answer.status_code, still.status_code, free.status_code) == (429, 429, 200)
    assert still.headers["retry-after"] == "60"


async def test_requests_are_counted_by_endpoint_and_outcome(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    await http.get("courses")
    await http.get("racecards/rac_0/pro")
    await http.get("courses", auth=("who", "knows"))
    ledger = await http.get(simulator.base_url.removesuffix("v1") + "control/ledger")

    assert simulator.requests == {
        "courses": {"200": 1, "401": 1},
        "racecards/{race_id}/pro": {"404": 1},
    }
    assert ledger.json()["requests"] == simulator.requests


# Faults


async def test_throttling_comes_with_and_without_retry_after(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    said = {}
    for fault in ("429", "429after", "429bare"):
        simulator.set_faults(fault)
        answers = [await http.get("courses") for _ in range(20)]
        assert {answer.status_code for answer in answers} == {429}
        said[fault] = {answer.headers.get("retry-after") for answer in answers}

    assert said == {"429": {None, "1"}, "429after": {"1"}, "429bare": {None}}


async def test_a_rate_makes_some_requests_fail_and_the_same_seed_the_same_ones(
    clock: Clock,
) -> None:
    async def statuses() -> list[int]:
        options = Options(limits=False, faults=("500:0.3",))
        async with (
            running_simulator(options, clock=clock) as simulator,
            httpx.AsyncClient(base_url=simulator.base_url, auth=AUTH) as http,
        ):
            return [(await http.get("courses/regions")).status_code for _ in range(40)]

    first = await statuses()

    assert set(first) == {200, 500}
    assert first == await statuses()


async def test_a_hanging_answer_never_comes_and_does_not_keep_the_simulator_from_stopping(
    clock: Clock,
) -> None:
    async with running_simulator(clock=clock) as simulator:
        simulator.set_faults("timeout")
        async with httpx.AsyncClient(base_url=simulator.base_url, auth=AUTH, timeout=0.2) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.get("courses")


async def test_a_truncated_answer_breaks_off(simulator: Simulator, http: httpx.AsyncClient) -> None:
    simulator.set_faults("truncated")
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get("racecards/pro")


async def test_garbage_is_no_json(simulator: Simulator, http: httpx.AsyncClient) -> None:
    simulator.set_faults("garbage")
    answer = await http.get("racecards/pro")

    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(answer.content)


async def test_bad_gzip_cannot_be_unpacked(simulator: Simulator, http: httpx.AsyncClient) -> None:
    simulator.set_faults("badgzip")
    with pytest.raises(httpx.DecodingError) as failure:
        await http.get("racecards/pro")

    assert isinstance(failure.value.__cause__, zlib.error)


async def test_a_cut_gzip_lacks_only_the_end_that_vouches_for_it(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    sound = (await http.get("racecards/pro")).content
    simulator.set_faults("cutgzip")
    async with http.stream("GET", "racecards/pro") as answer:
        packed = b"".join([piece async for piece in answer.aiter_raw()])

    unpacker = zlib.decompressobj(wbits=31)
    assert (unpacker.decompress(packed), unpacker.eof) == (sound, False)


@pytest.mark.parametrize("fault", ["huge", "bomb"])
async def test_a_huge_answer_is_of_256_mebibytes(
    fault: str, simulator: Simulator, http: httpx.AsyncClient
) -> None:
    simulator.set_faults(fault)
    async with http.stream("GET", "courses") as answer:
        size, sent = 0, int(answer.headers["content-length"])
        async for piece in answer.aiter_bytes():
            size += len(piece)

    assert size == 256 * 1024 * 1024
    assert sent == size if fault == "huge" else sent < 1024 * 1024


async def test_a_race_comes_twice_in_one_answer(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    sound = (await http.get("racecards/pro")).json()
    simulator.set_faults("twice")
    spoilt = (await http.get("racecards/pro")).json()

    assert spoilt["racecards"] == [*sound["racecards"], sound["racecards"][0]]
    assert spoilt["total"] == sound["total"]


async def test_later_pages_move_up_when_a_race_of_the_first_has_gone(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    async def page(skip: int) -> Any:
        return (await http.get("racecards/pro", params={"limit": 10, "skip": skip})).json()

    first, second = await page(0), await page(10)
    simulator.set_faults("shrunk")
    first_then, second_then = await page(0), await page(10)

    assert first_then == first
    assert second_then["racecards"] == second["racecards"][1:]
    assert second_then["total"] == second["total"] - 1


async def test_a_bad_runner_spoils_one_runner_of_a_page(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    sound = (await http.get("racecards/pro")).json()["racecards"]
    simulator.set_faults("badrunner")
    spoilt = (await http.get("racecards/pro")).json()["racecards"]

    different = [
        (one, other)
        for then, now in zip(sound, spoilt, strict=True)
        for one, other in zip(then["runners"], now["runners"], strict=True)
        if one != other
    ]
    assert len(different) == 1


async def test_faults_are_switched_on_and_off_while_it_runs(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    control = simulator.base_url.removesuffix("v1") + "control/faults"
    on = await http.put(control, json={"500": 1})
    failed = await http.get("courses")
    wrong = await http.put(control, json={"earthquake": 1})
    shown = await http.get(control)
    off = await http.put(control, json={})
    well = await http.get("courses")

    assert (on.status_code, failed.status_code, wrong.status_code) == (200, 500, 422)
    assert shown.json() == {"500": 1.0}
    assert (off.json(), well.status_code) == ({}, 200)
    assert simulator.requests == {"courses": {"fault 500": 1, "200": 1}}


@pytest.mark.parametrize("fault", ["earthquake", "429:2", "500:often", "timeout:-1"])
def test_an_unknown_fault_or_rate_is_refused(fault: str, simulator: Simulator) -> None:
    with pytest.raises(ValueError, match=r"unknown fault|the rate of"):
        simulator.set_faults(fault)
