"""A race of the market in memory as a board."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.race_board import BoardQuote, BoardRunner, RaceBoard
from darkhorses.readmodel.market import MarketRace
from darkhorses.store.races import StoredRace, StoredRunner


def board_of(
    race: MarketRace, bookmakers: Mapping[BookmakerId, Bookmaker], *, as_of: datetime
) -> RaceBoard:
    """The race as it stands now, at ``as_of``."""
    bare = board_without_quotes(race.stored, race.runners, bookmakers, as_of=as_of)
    quotes = {
        key: BoardQuote(
            quote=stored.quote,
            changed_at=stored.odds_timestamp or stored.fetched_at,
            fetched_at=stored.fetched_at,
        )
        for key, stored in race.quotes.items()
    }
    return msgspec.structs.replace(bare, quotes=quotes)


def board_without_quotes(
    stored: StoredRace,
    runners: Mapping[HorseId, StoredRunner],
    bookmakers: Mapping[BookmakerId, Bookmaker],
    *,
    as_of: datetime,
) -> RaceBoard:
    """The race and its runners as they stand now, for whoever knows its prices elsewhere from."""
    return RaceBoard(
        race=stored.race,
        runners={
            horse_id: BoardRunner(
                runner=known.runner,
                non_runner_at=known.non_runner_at,
                removed_at=known.removed_at,
            )
            for horse_id, known in runners.items()
        },
        quotes={},
        bookmakers=bookmakers,
        as_of=as_of,
        checked_at=stored.checked_at,
        last_change_at=stored.odds_changed_at,
        refreshed_at=stored.odds_refreshed_at,
    )
