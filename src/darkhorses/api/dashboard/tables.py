"""The pages that are one table: bookmakers and courses."""

from collections import Counter
from collections.abc import Iterable

import jinja2
import msgspec

from darkhorses.api.dashboard.words import HTML
from darkhorses.api.encoding import Encoded
from darkhorses.api.races import Lens
from darkhorses.domain.london import race_day
from darkhorses.store.reference import StoredBookmaker, StoredCourse


class BookmakerLine(msgspec.Struct, frozen=True, kw_only=True):
    """A bookmaker with what it quotes at the moment."""

    stored: StoredBookmaker
    races: int
    prices: int


class CourseLine(msgspec.Struct, frozen=True, kw_only=True):
    """A course with its races of today and tomorrow."""

    stored: StoredCourse
    today: int
    tomorrow: int


def bookmakers_page(
    environment: jinja2.Environment, lens: Lens, stored: Iterable[StoredBookmaker]
) -> Encoded:
    """Who quotes: every bookmaker and exchange ever seen."""
    races: Counter[str] = Counter()
    prices: Counter[str] = Counter()
    running = 0
    for race in lens.followed.market.races.values():
        if race.is_over_at(lens.now):
            continue
        running += 1
        quoting = [who for (_, who), quote in race.quotes.items() if quote.quote.price is not None]
        prices.update(quoting)
        races.update(set(quoting))
    lines = [
        BookmakerLine(
            stored=one,
            races=races[one.bookmaker.bookmaker_id],
            prices=prices[one.bookmaker.bookmaker_id],
        )
        for one in stored
    ]
    html = environment.get_template("bookmakers.html").render(
        page="bookmakers", lines=lines, running=running, now=lens.now
    )
    return Encoded(html.encode(), HTML)


def courses_page(
    environment: jinja2.Environment, lens: Lens, stored: Iterable[StoredCourse]
) -> Encoded:
    """Where they run: every course of the regions collected."""
    today = race_day(lens.now)
    races = lens.followed.market.races.values()
    counts = Counter(
        (race.race.course_id, race.race.race_date > today)
        for race in races
        if race.race.race_date >= today
    )
    lines = [
        CourseLine(
            stored=one,
            today=counts[one.course.course_id, False],
            tomorrow=counts[one.course.course_id, True],
        )
        for one in stored
    ]
    html = environment.get_template("courses.html").render(
        page="courses", lines=lines, now=lens.now
    )
    return Encoded(html.encode(), HTML)
