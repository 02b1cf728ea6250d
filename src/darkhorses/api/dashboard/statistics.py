"""The page of statistics: tables to sort, and bars drawn as small SVG."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

import jinja2
import msgspec

from darkhorses.api.dashboard.words import HTML
from darkhorses.api.encoding import Encoded
from darkhorses.api.statistics_bodies import StatisticsBody
from darkhorses.domain.london import LONDON
from darkhorses.domain.statistics import HOURS_SHOWN, LiveFigures, PastFigures

_HOUR = timedelta(hours=1)

Row = TypeVar("Row")


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A bar: what it stands for, its figure, and its height of 100."""

    label: str
    value: int
    height: float


def statistics_page(
    environment: jinja2.Environment, body: StatisticsBody | None, now: datetime
) -> Encoded:
    """The newest figures; without any, that there are none yet."""
    html = environment.get_template("statistics.html").render(
        page="statistics",
        body=body,
        live=body.data.live if body is not None else None,
        past=body.data.historical if body is not None else None,
        hours=hour_bars(body.data.live) if body is not None and body.data.live else (),
        days=day_bars(body.data.live) if body is not None and body.data.live else (),
        fields=field_bars(body.data.historical)
        if body is not None and body.data.historical
        else (),
        now=now,
    )
    return Encoded(html.encode(), HTML)


def hour_bars(live: LiveFigures) -> tuple[Bar, ...]:
    """Changes by hour up to the last that had any, hours without any too."""
    counted = {row.hour: row.changes for row in live.changes_per_hour}
    last = max(counted, default=None)
    if last is None:
        return ()
    hours = [last - _HOUR * back for back in range(HOURS_SHOWN - 1, -1, -1)]
    return _bars(
        hours,
        label=lambda hour: f"{hour.astimezone(LONDON):%a %H:00}",
        value=lambda hour: counted.get(hour, 0),
    )


def day_bars(live: LiveFigures) -> tuple[Bar, ...]:
    """Changes by race day, the oldest first."""
    return _bars(
        sorted(live.records_per_date, key=lambda row: row.race_date),
        label=lambda row: f"{row.race_date:%a} {row.race_date.day} {row.race_date:%b}",
        value=lambda row: row.changes,
    )


def field_bars(past: PastFigures) -> tuple[Bar, ...]:
    """Races by the number of runners."""
    return _bars(
        past.field_sizes, label=lambda row: f"{row.runners} ran", value=lambda row: row.races
    )


def _bars(
    rows: Iterable[Row], *, label: Callable[[Row], str], value: Callable[[Row], int]
) -> tuple[Bar, ...]:
    figures = [(label(row), value(row)) for row in rows]
    most = max((figure for _, figure in figures), default=0) or 1
    return tuple(
        Bar(label=text, value=figure, height=round(100 * figure / most, 1))
        for text, figure in figures
    )
