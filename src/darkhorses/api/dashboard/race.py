"""The page of a race: its runners beside every bookmaker's prices, now or at a moment."""

from collections.abc import Callable, Mapping
from datetime import datetime
from statistics import median

import jinja2
import msgspec

from darkhorses.api.dashboard.words import HTML
from darkhorses.api.encoding import Encoded
from darkhorses.api.race_bodies import BoardRow, PriceCell, RacePage
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.price_paths import PricePath
from darkhorses.domain.price_summaries import is_exchange
from darkhorses.domain.settlement import rule_4_pence
from darkhorses.readmodel.price_paths import RacePaths


class GridRow(msgspec.Struct, frozen=True, kw_only=True):
    """A runner; its cells stand in the order of the columns, None where it was never quoted."""

    runner: BoardRow
    cells: tuple[PriceCell | None, ...]
    exchange_cells: tuple[PriceCell | None, ...]


def race_html(
    environment: jinja2.Environment, template: str, now: datetime, paths: RacePaths
) -> Callable[[RacePage], Encoded]:
    """How a race is said as a page, or as the part of it that changes.

    ``paths`` are those of its prices, for what withdrawals cost; a race that is over has none.
    """

    def encode(race: RacePage) -> Encoded:
        html = environment.get_template(template).render(
            page="race",
            race=race,
            rows=grid_rows(race),
            absent=tuple(
                (runner, rule_4_effect(paths.of_runner(HorseId(runner.horse_id))))
                for runner in race.runners_data
                if not runner.in_market
            ),
            now=now,
        )
        return Encoded(html.encode(), HTML)

    return encode


def rule_4_effect(paths: Mapping[BookmakerId, PricePath]) -> int | None:
    """Pence in the pound that winnings lose by a withdrawal, by the median of the last prices.

    None where no bookmaker ever had a price; what a bet really loses is its bookmaker's word.
    """
    prices = [
        price.decimal
        for bookmaker_id, path in paths.items()
        if not is_exchange(bookmaker_id) and (price := path.last_priced()) is not None
    ]
    return rule_4_pence([median(prices)]) if prices else None


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
