"""How facts are said on the pages: the filters of the templates."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import jinja2

from darkhorses.api.health import HealthStatus
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
PAGES = (
    ("board", "Board", "/"),
    ("docs", "API", "/docs"),
)
"""The pages that every page leads to: key, name, address."""

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
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
        "clock": london_clock,
        "clock_seconds": london_seconds,
        "countdown": countdown,
        "day": day_text,
        "decimal": decimal_text,
        "fraction": fraction_text,
        "iso": iso,
        "mark_name": MARK_NAMES.__getitem__,
        "plural": plural,
        "status_name": STATUS_NAMES.__getitem__,
    }
    environment.filters.update(filters)
    environment.globals["pages"] = PAGES
    return environment


def london_seconds(instant: datetime) -> str:
    """London's clock to the second."""
    return f"{instant.astimezone(LONDON):%H:%M:%S}"


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
