"""What `status`, `doctor` and webhooks are told where regions are split over workers."""

from typing import Any

import msgspec
import pytest

from darkhorses.doctor.findings import Level
from darkhorses.doctor.workers import examine_workers
from darkhorses.domain.webhook_events import ToldStatus
from darkhorses.domain.workers import FeedState, Role
from darkhorses.status import lines, look
from darkhorses.store.heartbeats import FeedStatus, JobStatus
from darkhorses.store.lease import DONE_ONCE
from darkhorses.store.pool import Database
from darkhorses.worker.collecting_status import CollectingStatus
from tests.commands import darkhorses
from tests.market import NOON, beat_now
from tests.splits import GB, IRE, die, lead

WELL = JobStatus(status="ok", last_run=NOON, last_success=NOON)
FAILED = JobStatus(status="failed", last_run=NOON, error="the feed failed")


async def split(database: Database, *, of_gb: JobStatus = WELL, of_ire: JobStatus = WELL) -> None:
    await lead(database, GB, "g", jobs={"live_odds": of_gb})
    await lead(database, IRE, "i", jobs={"live_odds": of_ire, "statistics": WELL})
    await lead(database, DONE_ONCE, "i")


async def told(database: Database) -> ToldStatus | None:
    status = CollectingStatus(database, lambda: NOON, by_myself=False, live_odds=lambda: None)
    return await status.now()


async def test_each_region_has_its_leader(database: Database, database_url: str) -> None:
    await split(database)
    await beat_now(database, worker_id="s", role=Role.STANDBY, regions=("ire",))

    status = await look(database, NOON)
    said = lines(status)

    assert (status.healthy, status.missed) == (True, ())
    assert [worker.worker_id for worker in status.leaders] == ["g", "i"]
    assert [worker.worker_id for worker in status.standbys] == ["s"]
    assert said[0].startswith("leader      gb: g (version")
    assert said[1].startswith("leader      ire: i (version")
    assert said[2] == "once        i does what is done once for all regions"
    assert status.jobs["statistics"] == WELL
    assert darkhorses("status", DATABASE_URL=database_url).returncode == 0


async def test_a_region_without_a_leader_is_unhealthy(
    database: Database, database_url: str
) -> None:
    await split(database)
    await die(database, GB, ago="3 s")

    status = await look(database, NOON)
    result = darkhorses("status", "--json", DATABASE_URL=database_url)

    assert "leader      gb: none: start `darkhorses worker`" in lines(status)
    assert (result.returncode, msgspec.json.decode(result.stdout)["missed"]) == (3, ["gb"])


async def test_that_nobody_leads_at_all_is_one_line(database: Database) -> None:
    await split(database)
    for scope in (GB, IRE, DONE_ONCE):
        await die(database, scope)

    status = await look(database, NOON)

    assert (status.healthy, status.missed) == (False, ("gb", "ire", "once"))
    assert lines(status)[0] == "leader      none: start `darkhorses worker`"
    assert [line for line in lines(status) if line.startswith("leader")] == lines(status)[:1]


async def test_of_two_regions_the_job_that_fares_worse_is_told(database: Database) -> None:
    await split(database, of_gb=FAILED)

    job = (await look(database, NOON)).jobs["live_odds"]

    assert (job.status, job.error, job.last_success) == ("failed", "gb: the feed failed", None)


async def test_the_doctor_looks_at_every_lease(database: Database) -> None:
    await split(database)
    assert {found.level for found in await examine_workers(database)} == {Level.OK}

    await die(database, GB, ago="1 hour")
    await die(database, DONE_ONCE, ago="1 hour")
    broken = [f for f in await examine_workers(database) if f.level is Level.FAIL]

    assert [found.check for found in broken] == ["worker.lease", "worker.lease"]
    assert broken[0].message.startswith("nobody collects gb since ")
    assert "DARKHORSES_REGIONS=gb" in str(broken[0].remedy)
    assert broken[1].message.startswith("nobody does what is done once since ")


async def test_the_doctor_finds_the_feed_that_refuses_one_of_two_accounts(
    database: Database,
) -> None:
    refused = FeedStatus(state=FeedState.REFUSED, detail="wrong password")
    await lead(database, GB, "g", feed=refused)
    await lead(database, IRE, "i")

    found = {finding.check: finding for finding in await examine_workers(database)}

    assert found["worker.feed"].level is Level.FAIL
    assert "wrong password" in found["worker.feed"].message


async def test_webhooks_are_told_of_all_regions_together(database: Database) -> None:
    assert await told(database) is None
    await split(database)
    assert await told(database) == ToldStatus(status="ok", reasons=(), timestamp=NOON)


@pytest.mark.parametrize(
    ("of_ire", "dead_for", "reasons"),
    [
        (FAILED, None, ("ire: the feed failed",)),
        (WELL, "1 minute", ("gb: no worker collects it",)),
        (FAILED, "1 minute", ("gb: no worker collects it", "ire: the feed failed")),
    ],
)
async def test_webhooks_are_told_which_region_is_not_collected(
    database: Database, of_ire: JobStatus, dead_for: Any, reasons: tuple[str, ...]
) -> None:
    await split(database, of_ire=of_ire)
    if dead_for is not None:
        await die(database, GB, ago=dead_for)

    assert await told(database) == ToldStatus(status="failing", reasons=reasons, timestamp=NOON)


async def test_webhooks_are_told_nothing_of_a_takeover(database: Database) -> None:
    await split(database)
    await die(database, GB, ago="3 s")

    found = await told(database)
    assert found is not None
    assert found.status == "ok"
