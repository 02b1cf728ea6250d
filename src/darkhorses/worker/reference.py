"""The daily job for what changes rarely: the courses, and which bookmakers still quote."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import msgspec

from darkhorses.store.pool import Database
from darkhorses.store.writing.lease import Lease
from darkhorses.store.writing.reference import write_reference
from darkhorses.upstream.client import RacingApi

_QUIET = timedelta(days=30)


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
