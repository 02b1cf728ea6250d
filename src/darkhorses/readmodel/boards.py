"""A race of the market in memory as a board."""

from collections.abc import Mapping
from datetime import datetime

from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import BookmakerId
from darkhorses.domain.race_board import BoardQuote, BoardRunner, RaceBoard
from darkhorses.readmodel.market import MarketRace


def board_of(
    race: MarketRace, bookmakers: Mapping[BookmakerId, Bookmaker], *, as_of: datetime
) -> RaceBoard:
    """The race as it stands now, at ``as_of``."""
    return RaceBoard(
        race=race.race,
        runners={
            horse_id: BoardRunner(
                runner=stored.runner,
                non_runner_at=stored.non_runner_at,
                removed_at=stored.removed_at,
            )
            for horse_id, stored in race.runners.items()
        },
        quotes={
            key: BoardQuote(
                quote=stored.quote,
                changed_at=stored.odds_timestamp or stored.fetched_at,
                fetched_at=stored.fetched_at,
            )
            for key, stored in race.quotes.items()
        },
        bookmakers=bookmakers,
        as_of=as_of,
        checked_at=race.stored.checked_at,
        last_change_at=race.stored.odds_changed_at,
        refreshed_at=race.stored.odds_refreshed_at,
    )
