"""What pages of others may do in a browser."""

from collections.abc import AsyncIterator

import pytest

from darkhorses.api.access.gate import Wanted
from darkhorses.api.access.opening import Access, Rules
from darkhorses.store.pool import Database
from tests.api.conftest import RunningApi, served
from tests.market import StoppedClock

OURS = "https://app.example.org"


@pytest.fixture
async def api(database: Database, clock: StoppedClock) -> AsyncIterator[RunningApi]:
    async with served(database, clock) as api:
        yield api


@pytest.fixture
async def sharing(database: Database, clock: StoppedClock) -> AsyncIterator[RunningApi]:
    rules = Rules(wanted=Wanted.REQUIRED, origins=(OURS,))
    async with served(database, clock, Access(rules, database, clock=clock)) as api:
        yield api


async def test_without_the_setting_no_page_of_others_is_told_anything(
    database: Database, clock: StoppedClock
) -> None:
    async with served(database, clock, Access(Rules(), database, clock=clock)) as api:
        answer = await api.get("/api/courses", origin=OURS)

    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_page_of_a_named_origin_may_read_even_a_refusal(sharing: RunningApi) -> None:
    answer = await sharing.get("/api/courses", origin=OURS)

    assert answer.headers["access-control-allow-origin"] == OURS
    assert "ratelimit" in answer.headers["access-control-expose-headers"]
    assert "origin" in answer.headers["vary"]


async def test_a_preflight_needs_no_key(sharing: RunningApi) -> None:
    answer = await sharing.client.options(
        "/api/courses",
        headers={"origin": OURS, "access-control-request-method": "GET"},
    )

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == OURS
    assert "authorization" in answer.headers["access-control-allow-headers"]


async def test_other_origins_are_told_nothing_and_caches_keep_them_apart(
    sharing: RunningApi,
) -> None:
    answer = await sharing.get("/api/courses", origin="https://evil.example.org")

    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "origin"


async def test_any_origin_may_be_allowed(database: Database, clock: StoppedClock) -> None:
    rules = Rules(origins=("*",))
    async with served(database, clock, Access(rules, database, clock=clock)) as api:
        answer = await api.get("/api/courses", origin=OURS)

    assert answer.headers["access-control-allow-origin"] == "*"
