"""Courses and bookmakers: what changes by the day, not by the minute."""

from datetime import datetime

import msgspec

from darkhorses.domain.bookmakers import Bookmaker, BookmakerType
from darkhorses.domain.identifiers import BookmakerId, CourseId
from darkhorses.domain.races import Course
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


class StoredCourse(msgspec.Struct, frozen=True, kw_only=True):
    """A course and when the feed last named it."""

    course: Course
    updated_at: datetime


class StoredBookmaker(msgspec.Struct, frozen=True, kw_only=True):
    """A bookmaker; ``active`` is False once it has quoted nothing for long."""

    bookmaker: Bookmaker
    active: bool
    last_quoted_at: datetime | None
    created_at: datetime


async def all_courses(connection: Connection) -> list[StoredCourse]:
    """Every known course, by region and name."""
    return [
        StoredCourse(
            course=Course(
                course_id=CourseId(row["course_id"]),
                course=row["course"],
                region_code=row["region_code"],
                region=row["region"],
            ),
            updated_at=row["updated_at"],
        )
        async for row in queries.all_courses(connection)
    ]


async def all_bookmakers(connection: Connection) -> list[StoredBookmaker]:
    """Every bookmaker and exchange ever seen, by name."""
    return [
        StoredBookmaker(
            bookmaker=Bookmaker(
                bookmaker_id=BookmakerId(row["bookmaker_id"]),
                bookmaker_name=row["bookmaker_name"],
                bookmaker_type=BookmakerType(row["bookmaker_type"]),
            ),
            active=row["active"],
            last_quoted_at=row["last_quoted_at"],
            created_at=row["created_at"],
        )
        async for row in queries.all_bookmakers(connection)
    ]
