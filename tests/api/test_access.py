"""Who may ask, and how often."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import httpx
import pytest

from darkhorses.api.access.gate import Wanted
from darkhorses.api.access.opening import Access, Rules
from darkhorses.domain.api_keys import NewKey, Scope
from darkhorses.store.api_keys import api_keys
from darkhorses.store.pool import Database
from darkhorses.store.writing.api_keys import create, revoke, rotate
from tests.api.conftest import RunningApi, served
from tests.market import StoppedClock

ADDRESS = "/api/bookmakers"


class GuardedApi:
    """An API that wants keys, and the hands of whoever makes them."""

    def __init__(self, api: RunningApi, access: Access, database: Database) -> None:
        self._api = api
        self._access = access
        self.database = database

    async def get(self, url: str = ADDRESS, key: str | None = None) -> httpx.Response:
        given = {"authorization": f"Bearer {key}"} if key is not None else {}
        return await self._api.client.get(url, headers=given)

    async def with_headers(self, **headers: str) -> int:
        return (await self._api.get(ADDRESS, **headers)).status_code

    async def make(
        self,
        *scopes: Scope,
        expires_at: datetime | None = None,
        requests_per_minute: int | None = None,
    ) -> NewKey:
        key = NewKey.make()
        async with self.database.connection() as connection:
            await create(
                connection,
                key,
                name="Ascot app",
                scopes=scopes or (Scope.READ,),
                requests_per_minute=requests_per_minute,
                expires_at=expires_at,
                now=self.clock(),
            )
        await self._access.ring.until(lambda ring: ring.knows(key.key_id))
        return key

    async def changed(self) -> None:
        """Wait until the API has seen what was changed."""
        revision = await self.database_revision()
        await self._access.ring.until(lambda ring: ring.revision >= revision)

    async def database_revision(self) -> int:
        async with self.database.connection() as connection:
            return int(await connection.fetchval("SELECT revision FROM api_key_state"))

    @property
    def clock(self) -> StoppedClock:
        return self._api.clock


@asynccontextmanager
async def guarded(
    database: Database, clock: StoppedClock, rules: Rules
) -> AsyncIterator[GuardedApi]:
    access = Access(rules, database, clock=clock, interval=timedelta(milliseconds=10))
    async with served(database, clock, access) as api:
        await access.ring.until(lambda ring: ring.loaded)
        yield GuardedApi(api, access, database)


@pytest.fixture
async def api(database: Database, clock: StoppedClock) -> AsyncIterator[GuardedApi]:
    async with guarded(database, clock, Rules(wanted=Wanted.REQUIRED)) as api:
        yield api


async def test_without_a_key_nothing_is_told_and_the_answer_says_what_to_send(
    api: GuardedApi,
) -> None:
    answer = await api.get()

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == 'Bearer realm="DarkHorses"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["errors"][0]["field"] == "Authorization"


@pytest.mark.parametrize("url", ["/health", "/version", "/openapi.json", "/docs"])
async def test_what_tells_nothing_of_racing_is_open(api: GuardedApi, url: str) -> None:
    assert (await api.get(url)).status_code in {200, 503}


@pytest.mark.parametrize(
    "url",
    ["/", "/movers", "/parts/board", "/api/live-odds/races-by-stage", "/openapi/../api/courses"],
)
async def test_what_tells_of_racing_is_shut(api: GuardedApi, url: str) -> None:
    assert (await api.get(url)).status_code == 401


async def test_a_browser_is_asked_for_a_password_on_pages_alone(api: GuardedApi) -> None:
    page = await api.get("/")
    part = await api.get("/api/live-odds")

    assert page.headers["www-authenticate"].startswith("Basic ")
    assert part.headers["www-authenticate"].startswith("Bearer ")


async def test_a_key_is_taken_from_either_header_and_as_a_password(api: GuardedApi) -> None:
    key = (await api.make()).text
    basic = base64.b64encode(f"anybody:{key}".encode()).decode()

    assert await api.with_headers(authorization=f"Bearer {key}") == 200
    assert await api.with_headers(authorization=f"Basic {basic}") == 200
    assert await api.with_headers(x_api_key=key) == 200


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer nonsense", "Basic ***", "Digest x"])
async def test_what_is_no_key_opens_nothing(api: GuardedApi, authorization: str) -> None:
    assert await api.with_headers(authorization=authorization) == 401


async def test_a_key_in_the_address_is_not_looked_at(api: GuardedApi) -> None:
    key = (await api.make()).text

    assert (await api.get(f"{ADDRESS}?api_key={key}")).status_code == 401


async def test_a_key_opens_what_its_scopes_name_and_nothing_else(api: GuardedApi) -> None:
    reading = (await api.make(Scope.READ)).text
    exporting = (await api.make(Scope.EXPORT)).text
    export = "/api/export/results?format=ndjson&from=2026-06-01&to=2026-06-02"

    assert (await api.get(ADDRESS, reading)).status_code == 200
    assert (await api.get(ADDRESS, exporting)).status_code == 403
    assert (await api.get(export, exporting)).status_code == 200
    doubled = export.replace("/api/export", "http://darkhorses.test//api///export")
    for url in (export, doubled, "/api/stream", "/metrics"):
        refused = await api.get(url, reading)
        assert refused.status_code == 403, url
        assert "lacks the scope" in refused.json()["detail"]


async def test_a_revoked_key_opens_nothing_and_its_holder_is_told(api: GuardedApi) -> None:
    key = await api.make()

    async with api.database.connection() as connection:
        await revoke(connection, key.key_id, now=api.clock())
    await api.changed()

    answer = await api.get(key=key.text)
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (
        401,
        "this key was revoked",
    )


async def test_a_change_by_hand_counts_as_a_change(api: GuardedApi) -> None:
    key = await api.make()

    async with api.database.connection() as connection:
        await connection.execute("DELETE FROM api_keys")
    await api.changed()

    assert (await api.get(key=key.text)).status_code == 401


async def test_a_key_expires(api: GuardedApi) -> None:
    key = await api.make(expires_at=api.clock() + timedelta(minutes=1))

    assert (await api.get(key=key.text)).status_code == 200
    api.clock.forward(minutes=1)
    answer = await api.get(key=key.text)
    assert (answer.status_code, "has expired" in answer.text) == (401, True)


async def test_after_a_rotation_both_keys_open_until_the_first_ones_time(api: GuardedApi) -> None:
    first = await api.make()
    second = NewKey.make(first.key_id)

    async with api.database.connection() as connection:
        await rotate(connection, second, until=api.clock() + timedelta(hours=1))
    await api.changed()

    assert (await api.get(key=first.text)).status_code == 200
    assert (await api.get(key=second.text)).status_code == 200
    api.clock.forward(hours=1)
    assert (await api.get(key=first.text)).status_code == 401
    assert (await api.get(key=second.text)).status_code == 200


async def test_last_use_is_written_once_a_minute_and_is_no_change(api: GuardedApi) -> None:
    key = await api.make()
    revision = await api.database_revision()

    used_at = api.clock()
    await api.get(key=key.text)
    api.clock.forward(minutes=1)
    await api._access.ring.until(lambda ring: not ring.has_use_to_note)

    async with api.database.connection() as connection:
        (stored,) = await api_keys(connection)
    assert stored.last_used_at == used_at
    assert await api.database_revision() == revision


async def test_keys_are_wanted_from_the_first_one_on_and_for_good(
    database: Database, clock: StoppedClock
) -> None:
    async with guarded(database, clock, Rules(wanted=Wanted.ONCE_MADE)) as api:
        assert (await api.get()).status_code == 200

        key = await api.make()
        assert (await api.get()).status_code == 401

        async with database.connection() as connection:
            await revoke(connection, key.key_id, now=clock())
        await api.changed()
        assert (await api.get()).status_code == 401


async def test_while_it_is_not_known_which_keys_there_are_nobody_is_let_in(
    database: Database, clock: StoppedClock
) -> None:
    access = Access(Rules(wanted=Wanted.ONCE_MADE), database, clock=clock)
    async with served(database, clock) as api:
        gate = access.around(api.client._transport.app)  # type: ignore[attr-defined]
        transport = httpx.ASGITransport(gate)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://dh.test") as client:
            answer = await client.get(ADDRESS)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


async def test_every_answer_says_how_many_requests_are_left(
    database: Database, clock: StoppedClock
) -> None:
    async with guarded(database, clock, Rules(per_address=3)) as api:
        answers = [await api.get() for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit-policy"] for answer in answers] == ['"address";q=3;w=60'] * 4
    left = [answer.headers["ratelimit"].split(";")[1] for answer in answers]
    assert left == ["r=2", "r=1", "r=0", "r=0"]
    assert 1 <= int(answers[3].headers["retry-after"]) <= 60
    assert answers[3].headers["content-type"] == "application/problem+json"


async def test_each_key_has_a_limit_of_its_own_apart_from_its_address(
    database: Database, clock: StoppedClock
) -> None:
    rules = Rules(wanted=Wanted.REQUIRED, per_key=1, per_address=1)
    async with guarded(database, clock, rules) as api:
        one, two, generous = [
            await api.make(),
            await api.make(),
            await api.make(requests_per_minute=3),
        ]
        statuses = [
            (await api.get(key=key.text)).status_code
            for key in (one, one, two, generous, generous, generous, generous)
        ]

    assert statuses == [200, 429, 200, 200, 200, 200, 429]


async def test_whoever_tries_keys_is_told_to_wait(database: Database, clock: StoppedClock) -> None:
    rules = Rules(wanted=Wanted.REQUIRED, per_address=2)
    async with guarded(database, clock, rules) as api:
        key = await api.make()
        tried = [(await api.get(key=NewKey.make().text)).status_code for _ in range(3)]
        good = await api.get(key=key.text)

    assert tried == [401, 401, 429]
    assert good.status_code == 200


async def test_health_is_never_refused(database: Database, clock: StoppedClock) -> None:
    async with guarded(database, clock, Rules(per_address=1)) as api:
        answers = [await api.get("/health") for _ in range(3)]

    assert all(answer.status_code != 429 for answer in answers)
