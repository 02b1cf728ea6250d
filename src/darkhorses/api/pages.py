"""The board as it is first painted: the words on it, and the page around them.

``static/board.js`` says the same words when it brings the page up to date; change both together.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import jinja2
import msgspec

from darkhorses.api.bodies import AbsentRunner, RunnerPrices, StageRace
from darkhorses.api.encoding import Encoded
from darkhorses.api.health import Health, HealthStatus
from darkhorses.api.races import PHASE_NAMES, Lens, races_by_stage
from darkhorses.domain.board import FavouriteMark
from darkhorses.domain.london import LONDON, london_clock, race_day
from darkhorses.domain.stages import Stage

HTML = "text/html; charset=utf-8"

_STATUS_NAMES = {
    HealthStatus.STARTING: "Starting",
    HealthStatus.OK: "Live",
    HealthStatus.DEGRADED: "Degraded",
    HealthStatus.STALE: "Stale: prices may be out of date",
}
_RULES = {
    Stage.EARLY_MARKET: "2 hours and more to the off",
    Stage.PRE_RACE: "30 minutes to 2 hours",
    Stage.GOING_TO_POST: "5 to 30 minutes",
    Stage.AT_POST: "under 5 minutes, until over",
}
_MARK_NAMES = {
    FavouriteMark.FAVOURITE: "Favourite",
    FavouriteMark.JOINT: "Joint favourite",
    FavouriteMark.CO: "Co-favourite",
}
_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_WEEK = timedelta(days=7)

Empty = Mapping[str, object]
"""What stands for a race or a runner in the page's templates for new cards and rows."""


class StageColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the board."""

    key: str
    name: str
    rule: str
    races: tuple[StageRace, ...]


def board_page(
    environment: jinja2.Environment, lens: Lens, health: Health
) -> tuple[Encoded, datetime | None]:
    """The board with its races and runners, and until when it is true."""
    body, true_until = races_by_stage(lens, all_odds=None)
    columns = [
        StageColumn(
            key=str(stage),
            name=PHASE_NAMES[stage],
            rule=_RULES[stage],
            races=getattr(body.stages, str(stage)),
        )
        for stage in Stage
    ]
    html = environment.get_template("board.html").render(
        page="board",
        stages=columns,
        health=health,
        status_name=_STATUS_NAMES[health.status],
        now=lens.now,
    )
    return Encoded(html.encode(), HTML), true_until


def make_environment() -> jinja2.Environment:
    """The templates and the words that they use."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("darkhorses.api"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "absence_text": _absence_text,
        "bookmakers_text": _bookmakers_text,
        "checked_text": _checked_text,
        "countdown_text": _countdown_text,
        "day_text": _day_text,
        "decimal_text": _decimal_text,
        "facts_text": _facts_text,
        "fraction_text": _fraction_text,
        "london_seconds": _london_seconds,
        "mark_name": _mark_name,
        "next_text": _next_text,
    }
    environment.filters.update(filters)
    return environment


def _london_seconds(instant: datetime) -> str:
    return f"{instant.astimezone(LONDON):%H:%M:%S}"


def _day_text(race: StageRace | Empty, now: datetime) -> str:
    if not isinstance(race, StageRace):
        return ""
    return _day(race.race_date, race_day(now))


def _day(day: date, today: date) -> str:
    if day == today:
        return ""
    return f"{day:%a}" if abs(day - today) < _WEEK else f"{day.day} {day:%b}"


def _countdown_text(race: StageRace | Empty, now: datetime) -> str:
    if not isinstance(race, StageRace):
        return ""
    left = race.off_dt - now
    if left < timedelta(0):
        return f"+{-left // _MINUTE} min late"
    if left >= _HOUR:
        return f"in {left // _HOUR} h {left % _HOUR // _MINUTE:02} min"
    return f"in {left // _MINUTE} min"


def _facts_text(race: StageRace | Empty) -> str:
    if not isinstance(race, StageRace):
        return ""
    runners = "1 runner" if race.runners == 1 else f"{race.runners} runners"
    facts = (runners, race.race_class, race.race_type, race.distance, race.going)
    return " · ".join(fact for fact in facts if fact)


def _next_text(race: StageRace | Empty) -> str:
    if not isinstance(race, StageRace):
        return ""
    if race.next_phase_time is None:
        return "Last stage"
    return f"{race.next_phase_name} at {london_clock(race.next_phase_time)}"


def _checked_text(race: StageRace | Empty) -> str:
    if not isinstance(race, StageRace):
        return ""
    word = "stale," if race.stale else "checked"
    return f"{word} {_london_seconds(race.checked_at)}"


def _fraction_text(runner: RunnerPrices | Empty) -> str:
    if not isinstance(runner, RunnerPrices):
        return ""
    if runner.best_odds_fractional == "1/1":
        return "Evens"
    return runner.best_odds_fractional or ("" if runner.best_odds_decimal else "no price")


def _decimal_text(runner: RunnerPrices | Empty) -> str:
    if not isinstance(runner, RunnerPrices) or runner.best_odds_decimal is None:
        return ""
    return f"{runner.best_odds_decimal:.2f}"


def _bookmakers_text(runner: RunnerPrices | Empty) -> str:
    if not isinstance(runner, RunnerPrices) or runner.best_bookmaker is None:
        return ""
    others = len(runner.best_bookmakers) - 1
    return f"{runner.best_bookmaker} +{others}" if others else runner.best_bookmaker


def _mark_name(runner: RunnerPrices | Empty) -> str:
    if not isinstance(runner, RunnerPrices) or runner.favorite_mark is None:
        return ""
    return _MARK_NAMES[runner.favorite_mark]


def _absence_text(horse: AbsentRunner | Empty) -> str:
    if not isinstance(horse, AbsentRunner):
        return ""
    return "Reserve" if horse.reason == "reserve" else "Non-runner"
