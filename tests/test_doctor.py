import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from darkhorses.doctor import Finding, Level, examine
from darkhorses.domain.workers import FeedState, Role
from darkhorses.simulator import Options, running_simulator
from darkhorses.store.heartbeats import FeedStatus, Heartbeat, JobStatus
from darkhorses.store.pool import Connection
from darkhorses.store.writing import lease as leases
from darkhorses.store.writing.heartbeats import beat
from darkhorses.worker.app import clock
from tests.commands import darkhorses
from tests.poolers import direct, pgbouncer

NOON = datetime(2026, 6, 20, 11, 0, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:1/v1"
HOUR = timedelta(hours=1)


async def examined(**environment: str) -> dict[str, Finding]:
    """Findings by what was checked, of a database and a feed that are not there by default."""
    found = await examine(
        {
            "DATABASE_URL": "postgresql://nobody:hushhush@127.0.0.1:1/none",
            "RACING_API_USERNAME": "simulator",
            "RACING_API_PASSWORD": "hushhush",
            "RACING_API_BASE_URL": NOWHERE,
            **environment,
        },
        clock=clock,
    )
    return {finding.check: finding for finding in found}


def heartbeat(worker_id: str, **fields: object) -> Heartbeat:
    return msgspec.structs.replace(
        Heartbeat(
            worker_id=worker_id,
            hostname="stable",
            pid=7,
            version="0.1.0",
            role=Role.LEADER,
            started_at=NOON,
            jobs={},
            feed=FeedStatus(state=FeedState.OK, requests=5),
        ),
        **fields,
    )


async def lead(connection: Connection, worker_id: str) -> None:
    assert await leases.acquire(connection, "live", worker_id, HOUR) is not None


async def fall_silent(connection: Connection, worker_id: str) -> None:
    await connection.execute(
        "UPDATE worker_heartbeats SET beat_at = beat_at - interval '1 minute' WHERE worker_id = $1",
        worker_id,
    )


def failing(findings: dict[str, Finding]) -> list[str]:
    return [check for check, finding in findings.items() if finding.level is Level.FAIL]


async def test_a_wrong_setting_is_named_and_nothing_else_is_looked_at() -> None:
    findings = await examined(PORT="stable door")

    assert list(findings) == ["settings"]
    assert findings["settings"].level is Level.FAIL
    assert "PORT: got 'stable door'" in findings["settings"].message


async def test_variables_of_the_earlier_system_are_told_with_what_replaces_them() -> None:
    findings = await examined(SUPABASE_SERVICE_KEY="hushhush")

    assert findings["settings"].level is Level.WARN
    assert "SUPABASE_SERVICE_KEY is set and ignored" in findings["settings"].message
    assert "DATABASE_URL" in str(findings["settings"].remedy)


async def test_no_finding_carries_a_secret() -> None:
    for fields in ({}, {"DATABASE_URL": "mysql://u:hushhush@h/d"}, {"SENTRY_DSN": "hushhush"}):
        findings = await examined(**fields)
        assert "hushhush" not in repr(findings)


async def test_all_is_well_with_a_live_leader_and_a_feed_that_knows_us(
    database_url: str, connection: Connection
) -> None:
    await lead(connection, "first")
    job = JobStatus(status="ok", last_run=NOON, last_success=NOON)
    await beat(connection, heartbeat("first", jobs={"cards": job}))
    await beat(connection, heartbeat("second", role=Role.STANDBY))
    async with running_simulator() as simulator:
        findings = await examined(
            DATABASE_URL=database_url,
            RACING_API_BASE_URL=simulator.base_url,
            RACING_API_PASSWORD="simulator",
        )
        asked = sum(sum(outcomes.values()) for outcomes in simulator.requests.values())

    assert {finding.level for finding in findings.values()} == {Level.OK}
    assert findings["worker.lease"].message == "held by first, epoch 1"
    assert findings["worker.standby"].message == "second"
    assert findings["job.cards"].message == "ok, last succeeded 2026-06-20 11:00:00 UTC"
    assert findings["feed.regions"].message == "Great Britain, Ireland"
    assert asked == 2


async def test_an_old_schema_comes_with_the_command_that_mends_it(empty_database_url: str) -> None:
    findings = await examined(DATABASE_URL=empty_database_url)

    assert findings["database.schema"].level is Level.FAIL
    assert findings["database.schema"].remedy == "run `darkhorses migrate`"
    assert "worker.lease" not in findings


async def test_a_newer_schema_asks_for_a_newer_darkhorses(
    database_url: str, connection: Connection
) -> None:
    await connection.execute("UPDATE _pogo_migration SET migration_id = '0099_future'")

    finding = (await examined(DATABASE_URL=database_url))["database.schema"]

    assert (finding.level, finding.message) == (
        Level.FAIL,
        "a newer DarkHorses has applied 0099_future",
    )


async def test_a_database_that_is_away_leaves_the_feed_to_be_looked_at() -> None:
    findings = await examined()

    assert failing(findings) == ["database.reachable", "feed.reachable"]
    assert "check user, password, host and port" in str(findings["database.reachable"].remedy)


@pytest.mark.parametrize(
    ("mode", "setting", "level"),
    [
        ("transaction", "auto", Level.FAIL),
        ("transaction", "transaction", Level.OK),
        ("session", "auto", Level.OK),
    ],
)
async def test_a_pooler_that_the_settings_do_not_know_of_is_found(
    database_url: str, mode: str, setting: str, level: Level
) -> None:
    with pgbouncer(database_url, mode) as url:
        findings = await examined(DATABASE_URL=url, DARKHORSES_POOLER=setting)

    assert findings["database.pooler"].level is level


async def test_a_pooler_that_is_not_there_is_worth_a_warning(database_url: str) -> None:
    url = direct(database_url)
    findings = await examined(DATABASE_URL=url, DARKHORSES_POOLER="transaction")

    assert findings["database.pooler"].level is Level.WARN


async def test_a_clock_that_is_wrong_is_found(database_url: str) -> None:
    found = await examine({"DATABASE_URL": database_url}, clock=lambda: clock() - 2 * HOUR)

    (finding,) = [each for each in found if each.check == "database.clock"]
    assert finding.level is Level.WARN
    assert "7200" in finding.message


async def test_that_no_worker_ever_led_is_a_warning(database_url: str) -> None:
    finding = (await examined(DATABASE_URL=database_url))["worker.lease"]

    assert (finding.level, finding.remedy) == (Level.WARN, "start `darkhorses worker`")


async def test_that_nobody_leads_any_more_is_a_failure(
    database_url: str, connection: Connection
) -> None:
    await leases.acquire(connection, "live", "first", timedelta(0))
    await beat(connection, heartbeat("first"))
    await fall_silent(connection, "first")

    findings = await examined(DATABASE_URL=database_url)

    assert findings["worker.lease"].level is Level.FAIL
    assert findings["worker.silent"].level is Level.WARN


async def test_a_leader_that_has_fallen_silent_is_a_failure(
    database_url: str, connection: Connection
) -> None:
    await lead(connection, "first")
    await beat(connection, heartbeat("first"))
    await fall_silent(connection, "first")

    finding = (await examined(DATABASE_URL=database_url))["worker.leader"]

    assert finding.level is Level.FAIL
    assert "pid 7 on stable" in str(finding.remedy)


async def test_a_lease_without_a_heartbeat_is_worth_a_warning(
    database_url: str, connection: Connection
) -> None:
    await lead(connection, "once")

    assert (await examined(DATABASE_URL=database_url))["worker.leader"].level is Level.WARN


async def test_what_fails_the_leader_is_told(database_url: str, connection: Connection) -> None:
    await lead(connection, "first")
    job = JobStatus(status="failed", error="the feed refuses")
    feed = FeedStatus(state=FeedState.REFUSED, detail="wrong password")
    await beat(connection, heartbeat("first", jobs={"cards": job}, feed=feed))

    findings = await examined(DATABASE_URL=database_url)

    assert findings["job.cards"].level is Level.FAIL
    assert "the feed refuses" in findings["job.cards"].message
    assert findings["worker.feed"].level is Level.FAIL
    assert "restart the worker" in str(findings["worker.feed"].remedy)


async def test_missing_credentials_are_named() -> None:
    findings = await examined(RACING_API_PASSWORD="")

    assert findings["feed.credentials"].level is Level.FAIL
    assert "RACING_API_PASSWORD: not set" in findings["feed.credentials"].message


@pytest.mark.parametrize(
    ("options", "fault", "check", "level", "remedy"),
    [
        (Options(password="other"), None, "feed.credentials", Level.FAIL, "RACING_API_PASSWORD"),
        (Options(plan="basic"), None, "feed.plan", Level.FAIL, "Pro plan"),
        (Options(plan="standard"), None, "feed.plan", Level.WARN, "Pro plan"),
        (Options(), "429", "feed.limits", Level.WARN, "some minutes"),
        (Options(), "500", "feed.reachable", Level.FAIL, "RACING_API_BASE_URL"),
        (Options(), "garbage", "feed.answers", Level.FAIL, "RACING_API_BASE_URL"),
    ],
)
async def test_what_the_feed_says_is_told_with_its_remedy(
    options: Options, fault: str | None, check: str, level: Level, remedy: str
) -> None:
    async with running_simulator(options) as simulator:
        simulator.set_faults(*([] if fault is None else [fault]))
        findings = await examined(
            RACING_API_BASE_URL=simulator.base_url, RACING_API_PASSWORD="simulator"
        )
        asked = sum(sum(outcomes.values()) for outcomes in simulator.requests.values())

    assert findings[check].level is level
    assert remedy in str(findings[check].remedy)
    assert asked <= (4 if check == "feed.plan" else 2)


async def test_a_region_that_the_feed_does_not_know_is_found() -> None:
    async with running_simulator() as simulator:
        findings = await examined(
            RACING_API_BASE_URL=simulator.base_url,
            RACING_API_PASSWORD="simulator",
            DARKHORSES_REGIONS="gb,atlantis",
        )

    assert findings["feed.regions"].level is Level.FAIL
    assert "atlantis" in findings["feed.regions"].message


def test_the_command_prints_one_line_a_finding_and_exits_3_when_one_fails() -> None:
    result = darkhorses("doctor", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    assert result.returncode == 3
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [
        ["ok", "settings"],
        ["fail", "database.reachable"],
        ["fail", "feed.credentials"],
    ]


def test_the_command_prints_json_for_programs() -> None:
    result = darkhorses("doctor", "--json", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    report = msgspec.json.decode(result.stdout)
    assert report["healthy"] is False
    assert [finding["level"] for finding in report["findings"]] == ["ok", "fail", "fail"]


@pytest.mark.parametrize(
    ("host", "setting", "level"),
    [
        ("127.0.0.1", "auto", Level.OK),
        ("localhost", "auto", Level.OK),
        ("0.0.0.0", "auto", Level.WARN),  # noqa: S104  # what the warning is about
        ("0.0.0.0", "off", Level.OK),  # noqa: S104
        ("127.0.0.1", "required", Level.WARN),
    ],
)
async def test_an_api_that_is_open_to_everybody_or_to_nobody_is_found(
    database_url: str, host: str, setting: str, level: Level
) -> None:
    findings = await examined(DATABASE_URL=database_url, HOST=host, DARKHORSES_API_KEYS=setting)

    assert findings["api.access"].level is level


async def test_keys_that_soon_expire_are_named(database_url: str) -> None:
    for expires in ("1d", "never"):
        created = await asyncio.to_thread(
            darkhorses, "keys", "create", "--name", f"app {expires}", "--expires", expires,
            DATABASE_URL=database_url,
        )  # fmt: skip
        assert created.returncode == 0

    findings = await examined(DATABASE_URL=database_url, DARKHORSES_API_KEYS="required")

    assert "app 1d" in findings["api.access"].message
    assert "app never" not in findings["api.access"].message
