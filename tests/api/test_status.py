from datetime import timedelta
from typing import Any

import httpx

from darkhorses import __version__
from darkhorses.api.app import build_edge
from darkhorses.api.streams import Streams
from darkhorses.domain.workers import FeedState, Role
from darkhorses.readmodel.follower import Follower
from darkhorses.store.heartbeats import FeedStatus, JobStatus
from darkhorses.store.pool import Database
from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, StoppedClock, beat_now, card, race, runner

LOOK = card(race(off_dt=NOON + timedelta(hours=1)), (runner("Ada", 1), {"Bet365": "4/1"}))


async def health_of(api: RunningApi) -> Any:
    answer = await api.get("/health")
    assert answer.headers["cache-control"] == "no-store"
    return answer.json() | {"code": answer.status_code}


async def test_health_is_503_only_until_the_market_was_loaded(database: Database) -> None:
    clock = StoppedClock()
    follower = Follower(database, clock=clock)
    minute = timedelta(seconds=60)
    streams = Streams(follower, database, clock=clock, card_interval=minute, most_clients=1)
    edge = build_edge(database, follower, streams, clock=clock, card_interval=minute)
    transport = httpx.ASGITransport(edge)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://d.test") as client:
        answer = await client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "starting")
        live = await client.get("/api/live-odds")
        assert live.status_code == 503
        assert live.headers["content-type"] == "application/problem+json"
        assert live.headers["retry-after"] == "2"
        board = await client.get("/")
        assert board.status_code == 200
        assert "The market is being loaded." in board.text


async def test_all_is_well_with_a_leader_a_feed_and_fresh_prices(
    api: RunningApi, writer: MarketWriter, database: Database
) -> None:
    await beat_now(database)
    await api.workers_seen(1)
    await api.seen(await writer.look(LOOK, seen_at=api.clock()))
    health = await health_of(api)
    assert (health["code"], health["status"], health["reasons"]) == (200, "ok", [])
    assert health["market"] == {
        "races": 1,
        "running": 1,
        "stale_races": 0,
        "checked_at": "2026-06-20T12:00:02Z",
    }
    assert health["feed"]["state"] == "ok"
    assert (health["workers"][0]["role"], health["workers"][0]["alive"]) == ("leader", True)


async def test_no_worker_at_all_is_degraded_and_never_an_error(api: RunningApi) -> None:
    await api.workers_seen(0)
    health = await health_of(api)
    assert (health["code"], health["status"]) == (200, "degraded")
    assert health["reasons"] == ["No worker is reporting: prices are not being collected."]


async def test_a_worker_that_fell_silent_is_told_with_its_silence(
    api: RunningApi, database: Database
) -> None:
    await beat_now(database)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE worker_heartbeats SET beat_at = clock_timestamp() - interval '40 s'"
        )
    await api.workers_seen(1)
    health = await health_of(api)
    assert (health["code"], health["status"]) == (200, "degraded")
    (reason,) = health["reasons"]
    assert reason.startswith("No worker is collecting prices: the last heartbeat was 4")
    assert health["workers"][0]["alive"] is False


async def test_a_standby_alone_is_no_leader(api: RunningApi, database: Database) -> None:
    await beat_now(database, role=Role.STANDBY)
    await api.workers_seen(1)
    health = await health_of(api)
    assert health["reasons"] == ["No worker leads: one is waiting to take over."]


async def test_refused_credentials_are_plainly_said_in_health_and_on_the_board(
    api: RunningApi, database: Database
) -> None:
    said = "the feed does not know this user: check RACING_API_USERNAME and RACING_API_PASSWORD"
    feed = FeedStatus(state=FeedState.REFUSED, detail=said, since=NOON)
    await beat_now(database, feed=feed, jobs={"live_odds": JobStatus(error=said)})
    await api.workers_seen(1)
    health = await health_of(api)
    assert health["status"] == "degraded"
    assert health["reasons"] == [f"{said[0].upper()}{said[1:]}."]
    assert said[1:] in (await api.get("/")).text


async def test_prices_that_are_too_old_are_told_with_their_age(
    api: RunningApi, writer: MarketWriter, database: Database
) -> None:
    await beat_now(database)
    await api.seen(await writer.look(LOOK, seen_at=api.clock()))
    await api.workers_seen(1)
    api.clock.forward(seconds=200)
    health = await health_of(api)
    assert (health["code"], health["status"]) == (200, "stale")
    assert health["reasons"][0] == (
        "1 of 1 races have not been looked at in time; the last look at any race was 3 min ago."
    )


async def test_nothing_of_the_inside_stands_in_public_answers(
    api: RunningApi, database: Database
) -> None:
    await beat_now(database)
    await api.workers_seen(1)
    for url in ("/health", "/api/scheduler-status", "/"):
        text = (await api.get(url)).text
        assert "secret-host" not in text
        assert "4711" not in text


async def test_the_scheduler_status_tells_of_every_job(api: RunningApi, database: Database) -> None:
    failed = JobStatus(last_run=NOON, status="failed", error="no answer", reason="waiting")
    done = JobStatus(
        last_run=NOON, last_success=NOON, next_run=NOON + timedelta(seconds=10), status="ok"
    )
    await beat_now(database, jobs={"live_odds": done, "reference": failed})
    await api.workers_seen(1)
    body = await api.json("/api/scheduler-status")
    assert body.keys() == {"success", "schedulers", "workers", "system_info"}
    schedulers = body["schedulers"]
    assert {"live_odds", "historical_odds", "statistics_updater"} <= schedulers.keys()
    for scheduler in schedulers.values():
        assert {
            "name", "schedule", "description", "details", "last_run", "last_success", "next_run",
            "status", "error",
        } == scheduler.keys()  # fmt: skip
    live = schedulers["live_odds"]
    assert (live["last_success"], live["next_run"], live["status"], live["error"]) == (
        "2026-06-20T12:00:00Z",
        "2026-06-20T12:00:10Z",
        "ok",
        None,
    )
    assert schedulers["reference"]["error"] == "no answer"
    assert schedulers["historical_odds"]["status"] == "not_configured"
    assert schedulers["statistics_updater"]["last_run"] is None
    assert [worker["role"] for worker in body["workers"]] == ["leader"]
    assert body["system_info"]["version"] == __version__


async def test_jobs_do_not_run_while_nobody_leads(api: RunningApi) -> None:
    await api.workers_seen(0)
    schedulers = (await api.json("/api/scheduler-status"))["schedulers"]
    assert schedulers["live_odds"]["status"] == "not_running"
    assert schedulers["historical_odds"]["status"] == "not_configured"


async def test_bookmakers_and_exchanges_are_listed(api: RunningApi, writer: MarketWriter) -> None:
    look = card(
        race(off_dt=NOON + timedelta(hours=1)),
        (runner("Ada", 1), {"Bet365": "4/1", "Betfair Exchange": "5.2"}),
    )
    await api.seen(await writer.look(look, seen_at=NOON))
    body = await api.json("/api/bookmakers")
    assert (body["success"], body["count"]) == (True, 2)
    assert [
        (row["bookmaker_id"], row["bookmaker_name"], row["bookmaker_type"], row["active"])
        for row in body["data"]
    ] == [
        ("bet365", "Bet365", "fixed", True),
        ("betfairexchange", "Betfair Exchange", "exchange", True),
    ]


async def test_courses_are_listed(api: RunningApi, database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO ra_courses (course_id, course, region_code, region) VALUES "
            "('crs_2', 'Naas', 'ire', 'Ireland'), ('crs_1', 'Ascot', 'gb', 'Great Britain')"
        )
    body = await api.json("/api/courses")
    assert body == {
        "success": True,
        "count": 2,
        "data": [
            {
                "course_id": "crs_1",
                "course": "Ascot",
                "region_code": "gb",
                "region": "Great Britain",
            },
            {"course_id": "crs_2", "course": "Naas", "region_code": "ire", "region": "Ireland"},
        ],
    }


async def test_the_version_is_told(api: RunningApi) -> None:
    assert await api.json("/version") == {"name": "darkhorses", "version": __version__}
