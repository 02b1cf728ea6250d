"""Writing what changes rarely: courses, and which bookmakers still quote."""

from collections.abc import Sequence
from datetime import datetime

from darkhorses.domain.races import Course
from darkhorses.store.pool import Database
from darkhorses.store.queries import queries
from darkhorses.store.writing.lease import Lease, take_turn, writing_transaction


async def write_reference(
    database: Database, lease: Lease, courses: Sequence[Course], *, quiet_since: datetime
) -> None:
    """Write courses; bookmakers without a quote since ``quiet_since`` become inactive."""
    async with writing_transaction(database, lease) as connection:
        await take_turn(connection)
        await queries.upsert_courses(
            connection,
            course_ids=[course.course_id for course in courses],
            courses=[course.course for course in courses],
            region_codes=[course.region_code for course in courses],
            regions=[course.region for course in courses],
        )
        await queries.retire_bookmakers(connection, quiet_since=quiet_since)
