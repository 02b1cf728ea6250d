"""From the market to the bodies about races, and until when such a body says the truth."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from darkhorses.api.bodies import (
    NextRace,
    RacesByStage,
    RaceSummary,
    StageRace,
    Stages,
    UpcomingRaces,
)
from darkhorses.api.prepared import PreparedRaces
from darkhorses.domain.freshness import is_stale, stale_after
from darkhorses.domain.london import london_clock, race_day
from darkhorses.domain.races import Race
from darkhorses.domain.stages import QUIET, Stage, interval_of, next_stage, stage_at
from darkhorses.readmodel.follower import Followed
from darkhorses.readmodel.market import MarketRace

_MINUTE = timedelta(minutes=1)

PHASE_NAMES = {
    Stage.EARLY_MARKET: "Early Market",
    Stage.PRE_RACE: "Pre Race",
    Stage.GOING_TO_POST: "Going To Post",
    Stage.AT_POST: "At Post",
}


class Lens(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed to look at a market: the market, the instant, and what counts as stale.

    ``card_interval`` is how often the worker looks at the whole card.
    """

    followed: Followed
    prepared: PreparedRaces
    now: datetime
    card_interval: timedelta

    def is_stale(self, race: MarketRace) -> bool:
        """Whether the race's prices are too old, or may be: nobody knows with the database away."""
        if race.is_over_at(self.now):
            return False
        return self.followed.away_since is not None or is_stale(
            checked_at=race.stored.checked_at,
            stage=stage_at(race.race.off_dt, self.now),
            card_interval=self.card_interval,
            now=self.now,
        )

    def checked_at(self, races: Iterable[MarketRace]) -> datetime | None:
        """The oldest last look at those of the races that are not over."""
        looks = [race.stored.checked_at for race in races if not race.is_over_at(self.now)]
        return min(looks, default=None)

    def true_until(self, races: Iterable[MarketRace], *, minutes: bool) -> datetime | None:
        """The last instant at which these races look as they do now, if nothing is written.

        Stages, staleness and ends of markets come by themselves, and, where the body counts
        them, minutes do. None when nothing comes by itself.
        """
        moments = [moment for race in races for moment in self._moments(race, minutes=minutes)]
        return min((moment for moment in moments if moment >= self.now), default=None)

    def _moments(self, race: MarketRace, *, minutes: bool) -> Iterable[datetime]:
        off_dt = race.race.off_dt
        if minutes:
            yield off_dt - _MINUTE * ((off_dt - self.now) // _MINUTE)
        if race.is_over_at(self.now):
            return
        coming = next_stage(off_dt, self.now)
        if coming is not None:
            yield coming.begins_at
        stage = stage_at(off_dt, self.now)
        yield race.stored.checked_at + stale_after(stage, self.card_interval)
        yield max(off_dt, race.stored.odds_changed_at or off_dt) + QUIET


def races_by_stage(lens: Lens, *, all_odds: bool | None) -> tuple[RacesByStage, datetime | None]:
    """Every race that is not over, in its stage.

    Runners stand in it as JSON with or without every offer, or as records with ``all_odds`` None.
    """
    running = [
        race for race in lens.followed.market.races.values() if not race.is_over_at(lens.now)
    ]
    races = [stage_race(lens, race, all_odds=all_odds) for race in running]
    body = RacesByStage(
        success=True,
        stages=Stages(
            **{str(stage): tuple(race for race in races if race.stage is stage) for stage in Stage}
        ),
        total_races=len(races),
        timestamp=lens.now,
        checked_at=lens.checked_at(running),
        stale=any(race.stale for race in races),
    )
    return body, lens.true_until(running, minutes=True)


def upcoming_races(lens: Lens, *, hours_ahead: float) -> tuple[UpcomingRaces, datetime | None]:
    """Races whose scheduled off lies within some hours."""
    horizon = timedelta(hours=hours_ahead)
    coming = [
        race
        for race in lens.followed.market.races.values()
        if not race.is_over_at(lens.now) and timedelta(0) <= race.race.off_dt - lens.now <= horizon
    ]
    races = tuple(race_summary(lens, race) for race in coming)
    body = UpcomingRaces(
        success=True,
        count=len(races),
        hours_ahead=hours_ahead,
        checked_at=lens.checked_at(coming),
        stale=any(race.stale for race in races),
        data=races,
    )
    everything = lens.followed.market.races.values()
    entries = [
        race.race.off_dt - horizon for race in everything if race.race.off_dt - horizon > lens.now
    ]
    until = [lens.true_until(coming, minutes=True), min(entries, default=None)]
    return body, min((moment for moment in until if moment is not None), default=None)


def next_race(lens: Lens) -> tuple[NextRace, datetime | None]:
    """The next scheduled off, and how far today's card is."""
    market = lens.followed.market
    running = [race for race in market.races.values() if not race.is_over_at(lens.now)]
    coming = next((race for race in running if race.race.off_dt >= lens.now), None)
    today = market.races_of(race_day(lens.now))
    finished = sum(race.is_over_at(lens.now) for race in today)
    shown = [*today, *([coming] if coming is not None else [])]
    intervals = [interval_of(stage_at(race.race.off_dt, lens.now)) for race in running]
    most_urgent = min(intervals, default=None)
    races = tuple(race_summary(lens, race) for race in today)
    body = NextRace(
        success=True,
        next_race=race_summary(lens, coming) if coming is not None else None,
        races_today=races,
        total_races_today=len(today),
        races_finished=finished,
        races_upcoming=sum(race.minutes_until >= 0 and not race.is_over for race in races),
        current_interval=(int(most_urgent.total_seconds()) if most_urgent is not None else None),
        checked_at=lens.checked_at(shown),
        stale=any(lens.is_stale(race) for race in shown),
    )
    return body, lens.true_until([*shown, *running], minutes=True)


def race_summary(lens: Lens, race: MarketRace) -> RaceSummary:
    """A race and where it stands."""
    return RaceSummary(**summary_fields(lens, race))


def stage_race(lens: Lens, race: MarketRace, *, all_odds: bool | None) -> StageRace:
    """A race with its runners and its next stage."""
    prepared = lens.prepared.of(lens.followed.market, race)
    coming = next_stage(race.race.off_dt, lens.now)
    return StageRace(
        **summary_fields(lens, race),
        next_phase=coming.stage if coming is not None else None,
        next_phase_name=PHASE_NAMES[coming.stage] if coming is not None else None,
        next_phase_time=coming.begins_at if coming is not None else None,
        next_phase_minutes=(
            (coming.begins_at - lens.now) // _MINUTE if coming is not None else None
        ),
        runners_data=(prepared.best if all_odds is None else prepared.encoded(all_odds=all_odds)),
        absent_runners=prepared.absent,
    )


def summary_fields(lens: Lens, race: MarketRace) -> dict[str, Any]:
    """The fields of a RaceSummary."""
    facts = race.race
    return {
        **race_facts(facts),
        "is_over": race.is_over_at(lens.now),
        "runners": len(lens.prepared.of(lens.followed.market, race).best),
        "stage": stage_at(facts.off_dt, lens.now),
        "minutes_until": minutes_until(facts.off_dt, lens.now),
        "last_updated": race.stored.odds_changed_at or race.stored.checked_at,
        "checked_at": race.stored.checked_at,
        "stale": lens.is_stale(race),
    }


def race_facts(facts: Race) -> dict[str, Any]:
    """The fields of RaceFacts."""
    return {
        "race_id": facts.race_id,
        "race_date": facts.race_date,
        "race_time": london_clock(facts.off_dt),
        "off_dt": facts.off_dt,
        "course": facts.course,
        "region": facts.region,
        "race_name": facts.race_name,
        "race_class": facts.race_class,
        "race_type": facts.race_type,
        "distance": facts.distance,
        "going": facts.going,
        "prize": facts.prize,
        "race_status": facts.race_status,
        "is_abandoned": facts.is_abandoned,
    }


def minutes_until(off_dt: datetime, now: datetime) -> int:
    """Whole minutes to the scheduled off, negative past it."""
    return (off_dt - now) // _MINUTE
