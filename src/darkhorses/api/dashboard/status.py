"""The page that tells how the service itself fares."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

import jinja2
import msgspec

from darkhorses.api.dashboard.words import HTML
from darkhorses.api.encoding import Encoded
from darkhorses.api.health_bodies import Health
from darkhorses.api.races import PHASE_NAMES, Lens
from darkhorses.api.reference import Kept
from darkhorses.api.schedulers import SchedulerStatus
from darkhorses.domain.stages import Stage, stage_at
from darkhorses.store.lease import LeaseState, wanted_leases
from darkhorses.store.poll_health import PollHealth, poll_health
from darkhorses.store.pool import Database
from darkhorses.store.quarantine import SetAside, count_set_aside, latest_set_aside
from darkhorses.store.server_facts import database_bytes

STEP = timedelta(minutes=15)
STEPS = 96
"""A day of quarters of an hour."""

_KEPT_FOR = timedelta(seconds=5)
_SHOWN = 20


class Operations(msgspec.Struct, frozen=True, kw_only=True):
    """What only the database knows of the service; ``polls`` by the beginning of their step."""

    leases: list[LeaseState]
    polls: Mapping[datetime, PollHealth]
    first_step: datetime
    set_aside: list[SetAside]
    set_aside_count: int
    database_bytes: int


class StageFreshness(msgspec.Struct, frozen=True, kw_only=True):
    """The races of a stage: how many, how many of them stale, and the oldest last look."""

    name: str
    races: int
    stale: int
    oldest: datetime | None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the strip; ``state`` is none, ok or errors."""

    begins_at: datetime
    state: str
    polls: PollHealth | None


def operations(database: Database, clock: Callable[[], datetime]) -> Kept[Operations]:
    """What the database knows of the service, asked at most every few seconds."""

    async def ask() -> Operations:
        first_step = _step_of(clock()) - STEP * (STEPS - 1)
        async with database.connection() as connection:
            return Operations(
                leases=await wanted_leases(connection),
                polls=await poll_health(connection, first_step, STEP),
                first_step=first_step,
                set_aside=await latest_set_aside(connection, _SHOWN),
                set_aside_count=await count_set_aside(connection),
                database_bytes=await database_bytes(connection),
            )

    return Kept(ask, clock, kept_for=_KEPT_FOR)


def status_page(
    environment: jinja2.Environment,
    lens: Lens,
    health: Health,
    jobs: SchedulerStatus,
    known: Operations,
    *,
    template: str,
) -> Encoded:
    """The page, or the part of it that changes."""
    polls = known.polls.values()
    html = environment.get_template(template).render(
        page="status",
        latest=known.polls.get(known.first_step + STEP * (STEPS - 1)),
        looks=sum(step.looks for step in polls),
        with_errors=sum(step.looks_with_errors for step in polls),
        health=health,
        jobs=jobs,
        known=known,
        steps=tuple(_steps(known)),
        stages=tuple(_freshness(lens)),
        now=lens.now,
    )
    return Encoded(html.encode(), HTML)


def _step_of(now: datetime) -> datetime:
    return now - timedelta(seconds=now.timestamp() % STEP.total_seconds(), microseconds=0)


def _steps(known: Operations) -> Iterator[Step]:
    for number in range(STEPS):
        begins_at = known.first_step + STEP * number
        polls = known.polls.get(begins_at)
        state = "none" if polls is None else "errors" if polls.looks_with_errors else "ok"
        yield Step(begins_at=begins_at, state=state, polls=polls)


def _freshness(lens: Lens) -> Iterator[StageFreshness]:
    running = [
        race for race in lens.followed.market.races.values() if not race.is_over_at(lens.now)
    ]
    for stage in reversed(Stage):
        races = [race for race in running if stage_at(race.race.off_dt, lens.now) is stage]
        yield StageFreshness(
            name=PHASE_NAMES[stage],
            races=len(races),
            stale=sum(lens.is_stale(race) for race in races),
            oldest=min((race.stored.checked_at for race in races), default=None),
        )
