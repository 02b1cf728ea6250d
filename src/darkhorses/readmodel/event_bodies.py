"""Races in events, as they stand; the other bodies of events are the domain's."""

from datetime import datetime

from darkhorses.domain.events import RaceFacts, RunnerFacts


class RunnerState(RunnerFacts, frozen=True, kw_only=True):
    """A runner of a race, with the time at which it was first seen as a non-runner."""

    non_runner_at: datetime | None


class RaceState(RaceFacts, frozen=True, kw_only=True):
    """A race as it stands: replaces what was known of it, prices too where runners have them."""

    checked_at: datetime
    runners: tuple[RunnerState, ...]
