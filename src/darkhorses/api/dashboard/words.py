"""How facts are said on the pages: the filters of the templates."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from darkhorses.api.health_bodies import HealthStatus
from darkhorses.domain.board import FavouriteMark
from darkhorses.domain.london import LONDON, london_clock, race_day
from darkhorses.domain.prices import Price

STATUS_NAMES: Mapping[HealthStatus, str] = {
    HealthStatus.STARTING: "Starting",
    HealthStatus.OK: "Live",
    HealthStatus.DEGRADED: "Degraded",
    HealthStatus.STALE: "Stale: prices may be out of date",
}
MARK_NAMES: Mapping[FavouriteMark, str] = {
    FavouriteMark.FAVOURITE: "Favourite",
    FavouriteMark.JOINT: "Joint favourite",
    FavouriteMark.CO: "Co-favourite",
}
HTML = "text/html"

PAGES = (
    ("board", "Board", "/"),
    ("movers", "Movers", "/movers"),
    ("results", "Results", "/results"),
    ("history", "History", "/history"),
    ("statistics", "Statistics", "/statistics"),
    ("bookmakers", "Bookmakers", "/bookmakers"),
    ("courses", "Courses", "/courses"),
    ("status", "Status", "/status"),
    ("docs", "API", "/docs"),
)
"""The pages that every page leads to: key, name, address."""

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_KILO = 1000
_WEEK = timedelta(days=7)


def make_environment() -> jinja2.Environment:
    """The templates and the words that they use."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("darkhorses.api"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    filters: dict[str, Callable[..., Any]] = {
        "both_odds": both_odds,
        "by_course": by_course,
        "bytes": bytes_text,
        "clock": london_clock,
        "clock_seconds": london_seconds,
        "countdown": countdown,
        "date": date_text,
        "day": day_text,
        "day_and_clock": day_and_clock,
        "decimal": decimal_text,
        "each": each,
        "figure": figure,
        "fraction": fraction_text,
        "iso": iso,
        "long_date": long_date,
        "mark_name": MARK_NAMES.__getitem__,
        "plural": plural,
        "price_fraction": price_fraction,
        "status_name": STATUS_NAMES.__getitem__,
    }
    environment.filters.update(filters)
    environment.globals["pages"] = PAGES
    return environment


def london_seconds(instant: datetime) -> str:
    """London's clock to the second."""
    return f"{instant.astimezone(LONDON):%H:%M:%S}"


def day_and_clock(instant: datetime, now: datetime) -> str:
    """London's clock, with the day when it is not today."""
    return f"{day_text(race_day(instant), now)} {london_seconds(instant)}".strip()


def date_text(instant: datetime) -> str:
    """London's date."""
    at = instant.astimezone(LONDON)
    return f"{at.day} {at:%b %Y}"


def price_fraction(price: tuple[Decimal, str | None]) -> str:
    """A decimal and its fraction as bookmakers say them."""
    decimal, fractional = price
    return fraction_text(Price(decimal=decimal, fractional=fractional))


def long_date(day: date) -> str:
    """A day with its weekday."""
    return f"{day:%A} {day.day} {day:%B %Y}"


def both_odds(price: tuple[Decimal | None, str | None]) -> Markup:
    """A starting price as fraction and decimal, of which the page shows the kind chosen."""
    decimal, fractional = price
    if decimal is None:
        return Markup("\N{EN DASH}")
    return Markup(
        '<span class="odds"><span class="fraction">{}</span><span class="decimal">{}</span></span>'
    ).format(price_fraction((decimal, fractional)), decimal_text(decimal))


def figure(value: Decimal | None) -> str:
    """A figure with two places; a dash where there is none."""
    return "\N{EN DASH}" if value is None else f"{value:.2f}"


def by_course(races: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, list[tuple[Any, Any]]]]:
    """Races that are in order, with what belongs to each, course by course."""
    for course, of_course in groupby(races, key=lambda race: str(race[0].course)):
        yield course, list(of_course)


def bytes_text(count: int) -> str:
    """A size for people."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < _KILO:
            return f"{size:.0f} {unit}"
        size /= _KILO
    return f"{size:.1f} GB"


def each(record: msgspec.Struct) -> Iterator[Any]:
    """The fields of a record, one after the other."""
    return (getattr(record, name) for name in record.__struct_fields__)


def iso(instant: datetime) -> str:
    """An instant for scripts: ISO 8601 in UTC, whole seconds."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def day_text(day: date, now: datetime) -> str:
    """A race day beside a time: nothing for today, the weekday within a week, else the date."""
    today = race_day(now)
    if day == today:
        return ""
    return f"{day:%a}" if abs(day - today) < _WEEK else f"{day.day} {day:%b}"


def countdown(off_dt: datetime, now: datetime) -> str:
    """The time to the scheduled off, or past it, in whole minutes; scripts add the seconds."""
    left = off_dt - now
    if left < timedelta(0):
        return f"+{-left // _MINUTE} min late"
    if left >= _HOUR:
        return f"in {left // _HOUR} h {left % _HOUR // _MINUTE:02} min"
    return f"in {left // _MINUTE} min"


def fraction_text(price: Price) -> str:
    """A price as bookmakers say it; an exchange's, which has no fraction, as its decimal."""
    if price.fractional == "1/1":
        return "Evens"
    if price.fractional is None or "/" not in price.fractional:
        return decimal_text(price)
    return price.fractional


def decimal_text(price: Price | Decimal) -> str:
    """A price with two places, or three where the feed gives three."""
    value = price.decimal if isinstance(price, Price) else price
    return f"{value:.2f}" if value == round(value, 2) else f"{value:.3f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"
