"""What the API tells of workers where regions are split over them."""

from datetime import timedelta

import pytest

from darkhorses.domain.workers import FeedState
from darkhorses.store.heartbeats import FeedStatus, JobStatus
from darkhorses.store.lease import DONE_ONCE
from darkhorses.store.pool import Database
from darkhorses.store.worker_figures import WorkerFigures
from tests.api.conftest import RunningApi
from tests.api.test_metrics import of, scraped
from tests.market import NOON
from tests.splits import GB, IRE, die, lead

SECOND = timedelta(seconds=1)
OF_GB = JobStatus(status="ok", last_run=NOON, last_success=NOON, next_run=NOON + 50 * SECOND)
OF_IRE = JobStatus(
    status="ok", last_run=NOON + SECOND, last_success=NOON + SECOND, next_run=NOON + 60 * SECOND
)


async def end_seen(api: RunningApi) -> None:
    """Wait until it was read that a lease has ended."""
    api.clock.forward(seconds=2)
    await api.follower.until(
        lambda follower: (
            follower.workers is not None
            and not all(lease.is_live for lease in follower.workers.leases)
        )
    )


@pytest.fixture
async def split(api: RunningApi, database: Database) -> None:
    """A leader for each region, of whom the Irish one does what is done once."""
    figures = WorkerFigures(epoch=1, leases={"live:gb": 1})
    await lead(database, GB, "g", jobs={"live_odds": OF_GB}, figures=figures)
    figures = WorkerFigures(epoch=1, leases={"live:ire": 1, "once": 1})
    jobs = {"live_odds": OF_IRE, "statistics": OF_IRE}
    await lead(database, IRE, "i", jobs=jobs, figures=figures)
    await lead(database, DONE_ONCE, "i")
    await api.workers_seen(2)


@pytest.mark.usefixtures("split")
async def test_all_is_well_while_each_region_has_its_leader(api: RunningApi) -> None:
    health = await api.json("/health")
    assert (health["status"], health["reasons"]) == ("ok", [])
    assert [worker["role"] for worker in health["workers"]] == ["leader", "leader"]


@pytest.mark.usefixtures("split")
async def test_a_region_that_nobody_collects_any_more_is_degraded(
    api: RunningApi, database: Database
) -> None:
    await die(database, GB)
    await end_seen(api)
    health = await api.json("/health")
    assert health["status"] == "degraded"
    assert health["reasons"] == ["No worker collects the region gb: its prices are as last seen."]


@pytest.mark.usefixtures("split")
async def test_what_is_done_once_and_by_nobody_is_degraded(
    api: RunningApi, database: Database
) -> None:
    await die(database, DONE_ONCE)
    await end_seen(api)
    (reason,) = (await api.json("/health"))["reasons"]
    assert reason.startswith("No worker does what is done once: statistics, webhooks")


async def test_trouble_is_told_with_its_region(api: RunningApi, database: Database) -> None:
    refused = FeedStatus(state=FeedState.REFUSED, detail="wrong password", since=NOON)
    await lead(database, GB, "g", feed=refused)
    await lead(database, IRE, "i")
    await api.workers_seen(2)
    health = await api.json("/health")
    assert (health["status"], health["reasons"]) == ("degraded", ["In gb: wrong password."])
    assert health["feed"]["state"] == "refused"


@pytest.mark.usefixtures("split")
async def test_a_job_of_two_regions_succeeded_when_both_had(api: RunningApi) -> None:
    schedulers = (await api.json("/api/scheduler-status"))["schedulers"]
    live = schedulers["live_odds"]
    assert (live["last_run"], live["last_success"], live["next_run"], live["status"]) == (
        "2026-06-20T12:00:01Z",
        "2026-06-20T12:00:00Z",
        "2026-06-20T12:00:50Z",
        "ok",
    )
    assert schedulers["statistics_updater"]["last_success"] == "2026-06-20T12:00:01Z"


@pytest.mark.usefixtures("split")
async def test_metrics_have_a_series_for_each_lease(api: RunningApi, database: Database) -> None:
    found = await scraped(api)
    assert of(found, "workers", role="leader") == 2
    assert of(found, "worker_lease_epoch", worker_id="i", lease="once") == 1
    assert of(found, "worker_lease_epoch", worker_id="g", lease="live:gb") == 1
    held = {
        lease: of(found, "lease_held", lease=lease) for lease in ("live:gb", "live:ire", "once")
    }
    assert set(held.values()) == {1}
    assert of(found, "lease_held", lease="live") is None

    await die(database, GB)
    api.clock.forward(seconds=2)
    assert of(await scraped(api), "lease_held", lease="live:gb") == 0


@pytest.mark.usefixtures("split")
async def test_the_page_names_each_lease(api: RunningApi) -> None:
    page = (await api.get("/status")).text
    assert "live:gb: epoch 1, held; live:ire: epoch 1, held; once: epoch 1, held" in page
