"""What a simulated feed can be asked, whether it invents its answers or replays them."""

from datetime import date, datetime
from typing import Protocol

import msgspec


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which races of a list are wanted; no regions and no courses means the whole world.

    ``regions`` in lower case; courses win over regions. ``query`` is echoed in the answer.
    """

    regions: frozenset[str] = frozenset()
    courses: frozenset[str] = frozenset()
    limit: int
    skip: int
    query: list[tuple[str, str]]

    def wants(self, region: str, course_id: str) -> bool:
        """Whether a race in a region (any case) and at a course is selected."""
        if self.courses:
            return course_id in self.courses
        return not self.regions or region.lower() in self.regions


class Source(Protocol):
    """Bodies of The Racing API's answers as JSON; None where it would answer 404."""

    async def racecards(self, day: date, selection: Selection, now: datetime) -> bytes:
        """The cards of a race day."""
        ...

    async def racecard(self, race_id: str, now: datetime) -> bytes | None:
        """One card."""
        ...

    async def runner_odds(self, race_id: str, horse_id: str, now: datetime) -> bytes | None:
        """One runner's prices with their history."""
        ...

    async def results(self, first: date, last: date, selection: Selection, now: datetime) -> bytes:
        """The results of the days from first to last, newest first."""
        ...

    async def result(self, race_id: str, now: datetime) -> bytes | None:
        """One result."""
        ...

    def courses(self, regions: frozenset[str]) -> bytes:
        """Courses, of all regions when none is named."""
        ...

    def regions(self) -> bytes:
        """All regions."""
        ...


def page(name: str, items: list[bytes], total: int, selection: Selection) -> bytes:
    """A page's envelope around its encoded items."""
    envelope = msgspec.json.encode(
        {
            "total": total,
            "limit": selection.limit,
            "skip": selection.skip,
            "query": selection.query,
        }
    )
    return b'{"' + name.encode() + b'":[' + b",".join(items) + b"]," + envelope[1:]
