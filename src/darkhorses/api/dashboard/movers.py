"""Steamers and drifters: a page of them, and the marks that the board bears."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import jinja2
import msgspec
import structlog

from darkhorses.api.dashboard.words import HTML
from darkhorses.api.encoding import Encoded
from darkhorses.api.health_bodies import Health
from darkhorses.api.mover_bodies import Direction, Mover, Movers, Window
from darkhorses.api.movers import MoversQuery, movers
from darkhorses.api.publishing import Publisher
from darkhorses.api.races import Lens
from darkhorses.readmodel.price_paths import PricePaths
from darkhorses.store.errors import StoreError

log = structlog.get_logger()

BIG = 3.0
"""Percentage points of chance within an hour that make a mover big."""

SHOWN = 60
_MOST = 200
_EVERY = timedelta(seconds=10)

WINDOW_NAMES: Mapping[Window, str] = {
    Window.FIVE_MINUTES: "5 minutes",
    Window.HOUR: "an hour",
    Window.MORNING: "08:00 in London",
    Window.OPENING: "each bookmaker's opening",
}


class BigMovers(msgspec.Struct, frozen=True, kw_only=True):
    """The biggest mover of each race that has one; ``version`` tells two of these apart."""

    version: int
    by_race: Mapping[str, Mover]


class MoverMarks:
    """The marks of the board: as they were last worked out, anew every few seconds.

    Nobody waits for them: the log may be slow to read, and the board's prices are in memory.
    """

    def __init__(
        self, publisher: Publisher, paths: PricePaths, clock: Callable[[], datetime]
    ) -> None:
        self._publisher = publisher
        self._paths = paths
        self._clock = clock
        self._latest = BigMovers(version=0, by_race={})
        self._asked_at: datetime | None = None
        self._asking: asyncio.Task[None] | None = None

    def now(self) -> BigMovers:
        """The newest marks that there are; has newer ones made when it is time."""
        is_due = self._asked_at is None or self._clock() - self._asked_at >= _EVERY
        if is_due and (self._asking is None or self._asking.done()):
            self._asked_at = self._clock()
            self._asking = asyncio.create_task(self._ask())
        return self._latest

    async def _ask(self) -> None:
        followed = self._publisher.follower.now
        if followed.away_since is not None:
            return
        try:
            await self._paths.follow(followed.market, self._publisher.now())
        except StoreError as error:
            log.warning("board.no_mover_marks", reason=str(error))
            return
        query = MoversQuery(
            window=Window.HOUR, direction=None, region=None, course=None, race_id=None, limit=_MOST
        )
        found, _ = movers(self._publisher.lens(), self._paths, query)
        by_race: dict[str, Mover] = {}
        for mover in found.data:
            if abs(mover.points) >= BIG:
                by_race.setdefault(mover.race_id, mover)
        marks = tuple((race, one.horse_id, one.points) for race, one in by_race.items())
        self._latest = BigMovers(version=hash(marks), by_race=by_race)


class MoversQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What the page is asked for."""

    window: Window
    direction: Direction | None
    region: str | None
    course: str | None


def movers_page(
    environment: jinja2.Environment,
    lens: Lens,
    health: Health,
    found: Movers,
    question: MoversQuestion,
    *,
    template: str,
) -> Encoded:
    """The movers as a page, or the part of it that changes."""
    races = [race.race for race in lens.followed.market.races.values()]
    html = environment.get_template(template).render(
        page="movers",
        health=health,
        found=found,
        question=question,
        windows=WINDOW_NAMES,
        regions=sorted({race.region for race in races}),
        courses=sorted({race.course for race in races}),
        now=lens.now,
    )
    return Encoded(html.encode(), HTML)
