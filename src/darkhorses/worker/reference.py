"""The daily job for what changes rarely: the courses, and which bookmakers still quote."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import msgspec

from darkhorses.store.pool import Database
from darkhorses.store.writing.lease import Lease
from darkhorses.store.writing.reference import write_reference
from darkhorses.upstream.client import RacingApi
from darkhorses.worker.scheduling import ScheduledJob
from darkhorses.worker.triggers import DailyTrigger

REFERENCE = "reference"

_QUIET = timedelta(days=30)
_HOUR = 5
_AGAIN_AFTER = timedelta(minutes=10)


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    """How many courses the feed named."""

    courses: int


async def refresh_reference(
    feed: RacingApi,
    database: Database,
    lease: Lease,
    *,
    regions: Collection[str],
    clock: Callable[[], datetime],
) -> Refreshed:
    """Read the courses of the regions and write them; retire bookmakers quiet for 30 days."""
    courses = await feed.courses(regions)
    await write_reference(database, lease, courses, quiet_since=clock() - _QUIET)
    return Refreshed(courses=len(courses))


def reference_job(
    feed: RacingApi,
    database: Database,
    *,
    regions: Collection[str],
    clock: Callable[[], datetime],
) -> ScheduledJob:
    """Schedule it: daily at 05:00 in London, at the start, and soon after a failure."""

    async def work(lease: Lease) -> Refreshed:
        return await refresh_reference(feed, database, lease, regions=regions, clock=clock)

    return ScheduledJob(
        name=REFERENCE,
        reason="daily at 05:00",
        trigger=DailyTrigger(_HOUR),
        work=work,
        again_after=_AGAIN_AFTER,
    )
