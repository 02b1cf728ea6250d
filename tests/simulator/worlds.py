"""A simulated world at a fixed instant, asked without a network."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec

from darkhorses.simulator.generated import GeneratedSource
from darkhorses.simulator.schedule import AnchoredSchedule, OrdinarySchedule
from darkhorses.simulator.source import Selection

NOW = datetime(2026, 10, 10, 13, 0, tzinfo=UTC)
BRITAIN_AND_IRELAND = frozenset({"gb", "ire"})


def ordinary(seed: int = 7, *, speed: float = 1.0) -> GeneratedSource:
    return GeneratedSource(seed=seed, schedule=OrdinarySchedule(seed), speed=speed)


def anchored(seed: int = 7, *, start: datetime = NOW, speed: float = 1.0) -> GeneratedSource:
    schedule = AnchoredSchedule(seed, start, speed)
    return GeneratedSource(seed=seed, schedule=schedule, speed=speed)


def selection(
    regions: frozenset[str] = BRITAIN_AND_IRELAND, *, limit: int = 500, skip: int = 0
) -> Selection:
    return Selection(regions=regions, limit=limit, skip=skip, query=[])


async def cards(source: GeneratedSource, day: date, now: datetime) -> list[dict[str, Any]]:
    """The cards of a day as plain dicts."""
    page = msgspec.json.decode(await source.racecards(day, selection(), now))
    races: list[dict[str, Any]] = page["racecards"]
    return races


async def results(source: GeneratedSource, day: date, now: datetime) -> list[dict[str, Any]]:
    """The results of a day as plain dicts."""
    page = msgspec.json.decode(await source.results(day, day, selection(), now))
    races: list[dict[str, Any]] = page["results"]
    return races


def leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Every leaf with the name of its key."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, key)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner, name)]
    return [(name, value)]


def is_non_runner(runner: dict[str, Any]) -> bool:
    return bool(runner["number"] == "NR")


def decimals(runner: dict[str, Any]) -> dict[str, str]:
    """A runner's decimals by bookmaker."""
    return {quote["bookmaker"]: quote["decimal"] for quote in runner["odds"]}
