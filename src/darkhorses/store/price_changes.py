"""The log of price changes, one race at a time: found by an index, in one month's partition."""

import sys
from datetime import datetime

from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.market_at import ChangeSource, PriceChange
from darkhorses.domain.races import Race
from darkhorses.store.odds import stored_price
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries

# An enumeration's call for every row would be a tenth of the reading.
_SOURCES = {source.value: source for source in ChangeSource}


async def price_changes_of(
    connection: Connection,
    race: Race,
    *,
    horse_id: HorseId | None = None,
    until: datetime | None = None,
) -> list[PriceChange]:
    """A race's changes in the order in which they took effect, those at ``until`` included."""
    rows = queries.price_changes_of_race(
        connection,
        race_id=race.race_id,
        race_date=race.race_date,
        horse_id=horse_id,
        until=until,
    )
    return [
        PriceChange(
            change_id=change_id,
            horse_id=HorseId(sys.intern(horse)),
            bookmaker_id=BookmakerId(sys.intern(bookmaker)),
            price=stored_price(decimal, fractional),
            at=at,
            seen_at=seen_at,
            source=_SOURCES[source],
        )
        async for change_id, horse, bookmaker, decimal, fractional, at, seen_at, source in rows
    ]
