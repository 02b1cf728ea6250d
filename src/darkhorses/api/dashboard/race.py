"""The page of a race: its runners beside every bookmaker's prices, now or at a moment."""

from collections.abc import Callable
from datetime import datetime, timedelta

import jinja2
import msgspec

from darkhorses.api.dashboard.words import HTML
from darkhorses.api.encoding import Encoded
from darkhorses.api.race_bodies import BoardRow, PriceCell, RacePage

_MINUTE = timedelta(minutes=1)


class GridRow(msgspec.Struct, frozen=True, kw_only=True):
    """A runner; its cells stand in the order of the columns, None where it was never quoted."""

    runner: BoardRow
    cells: tuple[PriceCell | None, ...]
    exchange_cells: tuple[PriceCell | None, ...]


def race_html(
    environment: jinja2.Environment, template: str, now: datetime
) -> Callable[[RacePage], Encoded]:
    """How a race is said as a page, or as the part of it that changes."""

    def encode(race: RacePage) -> Encoded:
        html = environment.get_template(template).render(
            page="race",
            race=race,
            rows=grid_rows(race),
            absent=tuple(runner for runner in race.runners_data if not runner.in_market),
            now=now,
        )
        return Encoded(html.encode(), HTML)

    return encode


def grid_rows(race: RacePage) -> tuple[GridRow, ...]:
    """The runners in the market, favourites first, those without a price last."""
    unranked = len(race.runners_data) + 1
    runners = sorted(
        (runner for runner in race.runners_data if runner.in_market),
        key=lambda runner: (runner.favorite_rank or unranked, runner.horse_number or unranked),
    )
    return tuple(
        GridRow(
            runner=runner,
            cells=_in_order(runner.prices, [book.bookmaker_id for book in race.bookmakers]),
            exchange_cells=_in_order(
                runner.exchange_prices, [exchange.bookmaker_id for exchange in race.exchanges]
            ),
        )
        for runner in runners
    )


def _in_order(cells: tuple[PriceCell, ...], order: list[str]) -> tuple[PriceCell | None, ...]:
    by_id = {cell.bookmaker_id: cell for cell in cells}
    return tuple(by_id.get(bookmaker_id) for bookmaker_id in order)
