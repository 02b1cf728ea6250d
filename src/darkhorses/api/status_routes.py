"""Addresses that tell of the service itself, and of what changes by the day."""

from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from darkhorses import __version__
from darkhorses.api.bodies import BookmakerRow, Bookmakers, CourseRow, Courses
from darkhorses.api.encoding import Encoded, encode, respond
from darkhorses.api.health import aged, judge, leading
from darkhorses.api.health_bodies import Health, HealthStatus
from darkhorses.api.problems import REFUSALS
from darkhorses.api.publishing import Publisher
from darkhorses.api.reference import Reference
from darkhorses.api.schedulers import SchedulerStatus, scheduler_status
from darkhorses.store.replica import Replica

_Request = Request[Any, Any, Any]


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """What runs here."""

    name: str
    version: str


@get(
    "/health",
    tags=["Status"],
    summary="Whether what is served can be trusted",
    responses={
        200: ResponseSpec(Health, description="Serving: ok, degraded or stale, and why"),
        503: ResponseSpec(Health, description="Starting: the market was never loaded yet"),
    },
    sync_to_thread=False,
)
def get_health(
    publisher: NamedDependency[Publisher], replica: NamedDependency[Replica | None]
) -> Response[bytes]:
    """503 only until the market was loaded for the first time: a dead worker is told in the body.

    A platform that restarts what is unhealthy would gain nothing by restarting the API then.
    """
    health = judge(
        publisher.lens(), publisher.follower.workers, version=__version__, replica=replica
    )
    starting = health.status is HealthStatus.STARTING
    return Response(
        encode(health),
        status_code=HTTP_503_SERVICE_UNAVAILABLE if starting else HTTP_200_OK,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


@get(
    "/version",
    tags=["Status"],
    summary="What runs here",
    responses={200: ResponseSpec(Version, description="Name and version")},
    sync_to_thread=False,
)
def get_version(request: _Request) -> Response[bytes | None]:
    """The version of DarkHorses."""
    return respond(request, Encoded.json(Version(name="darkhorses", version=__version__)))


@get(
    "/api/scheduler-status",
    tags=["Status"],
    summary="How the collecting of prices fares",
    responses={200: ResponseSpec(SchedulerStatus, description="Jobs and workers"), **REFUSALS},
)
async def get_scheduler_status(
    publisher: NamedDependency[Publisher], reference: NamedDependency[Reference]
) -> Response[bytes]:
    """Every job's last run, last success, next run, state and error, and the workers."""
    now = publisher.now()
    workers = aged(publisher.follower.workers, now)
    body = scheduler_status(
        workers, leading(workers), await reference.poll_cycle(), now=now, version=__version__
    )
    return Response(
        encode(body), media_type="application/json", headers={"cache-control": "no-store"}
    )


@get(
    "/api/bookmakers",
    tags=["Reference"],
    summary="Bookmakers and exchanges",
    responses={200: ResponseSpec(Bookmakers, description="By name"), **REFUSALS},
)
async def get_bookmakers(
    request: _Request, reference: NamedDependency[Reference]
) -> Response[bytes | None]:
    """Every bookmaker and exchange that was ever seen to quote."""
    rows = tuple(
        BookmakerRow(
            bookmaker_id=stored.bookmaker.bookmaker_id,
            bookmaker_name=stored.bookmaker.bookmaker_name,
            bookmaker_type=stored.bookmaker.bookmaker_type,
            active=stored.active,
            last_quoted_at=stored.last_quoted_at,
            created_at=stored.created_at,
        )
        for stored in await reference.bookmakers()
    )
    return respond(request, Encoded.json(Bookmakers(success=True, count=len(rows), data=rows)))


@get(
    "/api/courses",
    tags=["Reference"],
    summary="Racecourses",
    responses={200: ResponseSpec(Courses, description="By region and name"), **REFUSALS},
)
async def get_courses(
    request: _Request, reference: NamedDependency[Reference]
) -> Response[bytes | None]:
    """Every racecourse that the feed names in the regions collected."""
    rows = tuple(
        CourseRow(
            course_id=stored.course.course_id,
            course=stored.course.course,
            region_code=stored.course.region_code,
            region=stored.course.region,
        )
        for stored in await reference.courses()
    )
    return respond(request, Encoded.json(Courses(success=True, count=len(rows), data=rows)))


ROUTES = (
    get_health,
    get_version,
    get_scheduler_status,
    get_bookmakers,
    get_courses,
)
"""Every address of this module."""
