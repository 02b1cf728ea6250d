"""How near a race is: its stage, how often to look at it, and when the market is over."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec


class Stage(StrEnum):
    """The four stages of a market, by minutes to the scheduled off."""

    EARLY_MARKET = "early_market"
    PRE_RACE = "pre_race"
    GOING_TO_POST = "going_to_post"
    AT_POST = "at_post"


class StagePlan(msgspec.Struct, frozen=True, kw_only=True):
    """When a stage begins (time left to the off) and how often a race in it is looked at."""

    stage: Stage
    begins: timedelta
    interval: timedelta


PLANS = (
    StagePlan(stage=Stage.EARLY_MARKET, begins=timedelta.max, interval=timedelta(minutes=15)),
    StagePlan(stage=Stage.PRE_RACE, begins=timedelta(minutes=120), interval=timedelta(minutes=5)),
    StagePlan(
        stage=Stage.GOING_TO_POST, begins=timedelta(minutes=30), interval=timedelta(seconds=60)
    ),
    StagePlan(stage=Stage.AT_POST, begins=timedelta(minutes=5), interval=timedelta(seconds=10)),
)
_PLAN_OF = {plan.stage: plan for plan in PLANS}

QUIET = timedelta(minutes=20)
"""A race past its off is over when no price has changed for so long."""

RESULT = "result"
"""The race status that says that the race was run and has a result."""


class NextStage(msgspec.Struct, frozen=True, kw_only=True):
    """The stage that comes next and when it begins (UTC)."""

    stage: Stage
    begins_at: datetime


def stage_at(off_dt: datetime, now: datetime) -> Stage:
    """The stage of a race: ≥ 120 min early, 30-120 pre-race, 5-30 going to post, < 5 at post.

    A boundary belongs to the earlier stage; a race past its off is at post until it is over.
    """
    left = off_dt - now
    if left >= _PLAN_OF[Stage.PRE_RACE].begins:
        return Stage.EARLY_MARKET
    if left >= _PLAN_OF[Stage.GOING_TO_POST].begins:
        return Stage.PRE_RACE
    if left >= _PLAN_OF[Stage.AT_POST].begins:
        return Stage.GOING_TO_POST
    return Stage.AT_POST


def interval_of(stage: Stage) -> timedelta:
    """How often a race in this stage is looked at."""
    return _PLAN_OF[stage].interval


def next_stage(off_dt: datetime, now: datetime) -> NextStage | None:
    """The stage after the present one; None at post, the last."""
    stages = [plan.stage for plan in PLANS]
    position = stages.index(stage_at(off_dt, now))
    if position + 1 == len(stages):
        return None
    coming = PLANS[position + 1]
    return NextStage(stage=coming.stage, begins_at=off_dt - coming.begins)


def is_over(
    *,
    off_dt: datetime,
    race_status: str | None,
    is_abandoned: bool,
    last_change_at: datetime | None,
    now: datetime,
) -> bool:
    """Whether a race's market has ended.

    It has with a result, with abandonment, or when both the scheduled off and the last price
    change are 20 minutes past. Races go off late far more often than early, so the scheduled
    off alone ends nothing.
    """
    if is_abandoned or race_status == RESULT:
        return True
    quiet_since = off_dt if last_change_at is None else max(off_dt, last_change_at)
    return now - quiet_since > QUIET
