"""Steamers and drifters: a page of them, and the marks that the board bears."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import jinja2
import msgspec

from darkhorses.api.dashboard.words import HTML
from darkhorses.api.encoding import Encoded
from darkhorses.api.health import Health
from darkhorses.api.mover_bodies import Direction, Mover, Movers, Window
from darkhorses.api.movers import MoversQuery, movers
from darkhorses.api.publishing import Publisher
from darkhorses.api.races import Lens
from darkhorses.api.reference import Kept
from darkhorses.readmodel.price_paths import PricePaths

BIG = 3.0
"""Percentage points of chance within an hour that make a mover big."""

SHOWN = 60
_MOST = 200
_KEPT_FOR = timedelta(seconds=10)

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


def big_movers(
    publisher: Publisher, paths: PricePaths, clock: Callable[[], datetime]
) -> Kept[BigMovers]:
    """The marks of the board, worked out at most every few seconds."""

    async def ask() -> BigMovers:
        followed = publisher.follower.now
        await paths.follow(followed.market, publisher.now())
        query = MoversQuery(
            window=Window.HOUR, direction=None, region=None, course=None, race_id=None, limit=_MOST
        )
        found, _ = movers(publisher.lens(), paths, query)
        by_race: dict[str, Mover] = {}
        for mover in found.data:
            if abs(mover.points) >= BIG:
                by_race.setdefault(mover.race_id, mover)
        marks = tuple((race, one.horse_id, one.points) for race, one in by_race.items())
        return BigMovers(version=hash(marks), by_race=by_race)

    return Kept(ask, clock, kept_for=_KEPT_FOR)


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
