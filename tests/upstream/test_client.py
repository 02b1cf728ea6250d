import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.london import race_day
from darkhorses.simulator import Options, Simulator, running_simulator
from darkhorses.upstream.breaker import BreakerState
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.errors import (
    BadCredentialsError,
    CircuitOpenError,
    FeedError,
    MalformedError,
    NotFoundError,
    PlanTooSmallError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from darkhorses.upstream.pacing import Endpoint, Pacer, Paces
from darkhorses.upstream.requests import FeedAccess
from tests.recorded import RECORDED, needs_recordings

NOON = datetime(2026, 6, 20, 11, 0, tzinfo=UTC)
DAY = race_day(NOON)
UNPACED = Paces(
    racecards_per_second=1000,
    races_per_second=1000,
    courses_per_second=1000,
    requests_per_ten_seconds=10_000,
)


def clock() -> datetime:
    return NOON


def access(simulator: Simulator, **fields: Any) -> FeedAccess:
    return FeedAccess(
        **{
            "base_url": simulator.base_url,
            "username": "simulator",
            "password": "simulator",
            "paces": UNPACED,
            "backoff": timedelta(milliseconds=1),
            **fields,
        }
    )


@asynccontextmanager
async def feed_of(
    options: Options | None = None, **fields: Any
) -> AsyncIterator[tuple[RacingApi, Simulator]]:
    async with (
        running_simulator(options, clock=clock) as simulator,
        RacingApi.open(access(simulator, **fields), clock=clock) as feed,
    ):
        yield feed, simulator


async def test_a_day_is_read_over_as_many_pages_as_it_takes() -> None:
    async with feed_of() as (feed, simulator):
        whole = await feed.racecards(DAY, ["gb", "ire"])
        paged = await feed.racecards(DAY, ["gb", "ire"], limit=10)

        assert len(whole.cards) > 10
        assert paged == whole
        assert simulator.requests["racecards/pro"]["200"] == 1 + -(-len(whole.cards) // 10)


async def test_one_race_is_the_same_as_on_the_whole_card() -> None:
    async with feed_of() as (feed, _):
        whole = await feed.racecards(DAY, ["gb"])
        (card,) = (await feed.race(whole.cards[0].race.race_id)).cards

        assert card == whole.cards[0]


async def test_courses_regions_and_results_are_read() -> None:
    async with feed_of() as (feed, _):
        courses = await feed.courses(["ire"])
        assert {course.region_code for course in courses} == {"ire"}
        assert "gb" in await feed.regions()
        assert await feed.races_with_result(["gb", "ire"]) == frozenset()


async def test_wrong_credentials_and_a_small_plan_are_told_apart_and_not_tried_again() -> None:
    async with feed_of(password="wrong") as (feed, _):
        with pytest.raises(BadCredentialsError):
            await feed.regions()
        assert feed.requests == 1
        assert feed.outcomes.refused
    async with feed_of(Options(plan="free", limits=False)) as (feed, _):
        with pytest.raises(PlanTooSmallError, match=r"[Pp]lan"):
            await feed.racecards(DAY, ["gb"])
        assert feed.requests == 2


async def test_a_standard_plan_has_the_odds_of_today_and_tomorrow() -> None:
    async with feed_of() as (feed, _):
        pro = await feed.racecards(DAY, ["gb"])
    async with feed_of(Options(plan="standard", limits=False)) as (feed, simulator):
        standard = await feed.racecards(DAY, ["gb"])
        await feed.racecards(DAY + timedelta(days=1), ["gb"])
        (card,) = (await feed.race(pro.cards[0].race.race_id)).cards
        with pytest.raises(PlanTooSmallError, match="today and tomorrow"):
            await feed.racecards(DAY + timedelta(days=2), ["gb"])

        assert standard == pro
        assert card == pro.cards[0]
        assert simulator.requests["racecards/pro"] == {"401": 1}


async def test_what_is_not_there_and_what_is_wrong_are_not_tried_again() -> None:
    async with feed_of() as (feed, _):
        with pytest.raises(NotFoundError):
            await feed.race(RaceId("rac_0"))
        with pytest.raises(RejectedError, match="limit"):
            await feed.racecards(DAY, ["gb"], limit=9999)
        assert feed.requests == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", ThrottledError),
        ("500", UnavailableError),
        ("truncated", UnavailableError),
        ("garbage", MalformedError),
        ("badgzip", MalformedError),
    ],
)
async def test_a_feed_that_stays_broken_is_tried_again_and_then_named(
    fault: str, error: type[FeedError]
) -> None:
    async with feed_of(attempts=2) as (feed, simulator):
        simulator.set_faults(fault)
        with pytest.raises(error):
            await feed.regions()
        assert feed.requests == 2
        assert isinstance(feed.outcomes.failing, error)

        simulator.set_faults()
        await feed.regions()
        assert feed.outcomes.failing is None


async def test_a_feed_that_does_not_answer_in_time_is_unavailable() -> None:
    async with feed_of(attempts=1, timeout=timedelta(milliseconds=200)) as (feed, simulator):
        simulator.set_faults("timeout")
        with pytest.raises(UnavailableError):
            await feed.regions()


async def test_a_failure_now_and_then_is_not_noticed() -> None:
    async with feed_of(attempts=20) as (feed, simulator):
        simulator.set_faults("500:0.5")
        for _ in range(5):
            assert "gb" in await feed.regions()
        assert feed.outcomes.counts["UnavailableError"] > 0


async def test_a_long_retry_after_is_not_waited_for_within_a_request() -> None:
    options = Options(limits=False)
    async with feed_of(options, longest_wait=timedelta(0), attempts=9) as (feed, simulator):
        simulator.set_faults("429")
        with pytest.raises(ThrottledError):
            await feed.regions()
        answered = sum(simulator.requests["courses/regions"].values())
        assert answered == feed.requests < 9


async def test_a_feed_that_keeps_failing_is_not_asked_any_more() -> None:
    async with feed_of(attempts=1, breaker_threshold=3) as (feed, simulator):
        simulator.set_faults("500")
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await feed.regions()
        with pytest.raises(CircuitOpenError):
            await feed.regions()

        assert feed.requests == 3
        assert feed.breaker is BreakerState.OPEN


async def test_a_feed_that_is_not_there_is_unavailable() -> None:
    async with running_simulator() as simulator:
        gone = access(simulator, attempts=1)
    async with RacingApi.open(gone, clock=clock) as feed:
        with pytest.raises(UnavailableError, match="cannot be reached"):
            await feed.regions()


async def test_a_runner_with_nonsense_is_set_aside_and_every_other_race_is_read() -> None:
    async with feed_of() as (feed, simulator):
        whole = await feed.racecards(DAY, ["gb", "ire"])
        simulator.set_faults("badrunner")
        spoilt = [await feed.racecards(DAY, ["gb", "ire"]) for _ in range(12)]

    assert [len(page.cards) for page in spoilt] == [len(whole.cards)] * 12
    assert all(page.unreadable for page in spoilt)


async def test_every_request_is_counted_when_it_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[Endpoint] = []
    monkeypatch.setattr(Pacer, "left", lambda _, endpoint: left.append(endpoint))
    async with feed_of() as (feed, _):
        await feed.racecards(DAY, ["gb", "ire"])
        await feed.regions()
        asked = feed.outcomes.counts.total()

    assert set(left) == {Endpoint.RACECARDS, Endpoint.REGIONS}
    assert len(left) == asked


async def test_requests_keep_the_pace_of_their_endpoint_and_of_the_guard_over_all() -> None:
    loop = asyncio.get_running_loop()
    pacer = Pacer(Paces(races_per_second=50, courses_per_second=1000, requests_per_ten_seconds=6))
    started = loop.time()
    for _ in range(3):
        await pacer.wait(Endpoint.RACE)
    assert loop.time() - started >= 2 / 50 * 0.9

    for _ in range(3):
        await pacer.wait(Endpoint.REGIONS)
    held = asyncio.ensure_future(pacer.wait(Endpoint.REGIONS))
    done, _ = await asyncio.wait([held], timeout=0.1)
    assert not done
    held.cancel()


@needs_recordings
@pytest.mark.recorded
async def test_recorded_cards_are_understood_in_full() -> None:
    async with feed_of(Options(replay=RECORDED, limits=False)) as (feed, _):
        page = await feed.racecards(datetime(2025, 10, 13, tzinfo=UTC).date(), ["gb", "ire"])

    assert page.unreadable == ()
    assert len(page.cards) == 2
    assert len(page.bookmakers) == 28
