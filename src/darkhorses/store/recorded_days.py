"""A race day as it was kept, with all that it takes to live through it again."""

from datetime import date, datetime

import msgspec

from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.market_at import PriceChange
from darkhorses.domain.race_board import BoardRunner
from darkhorses.domain.races import Quote, QuoteKey, Race
from darkhorses.store.odds import quotes_of
from darkhorses.store.pool import Database
from darkhorses.store.price_changes import price_changes_of
from darkhorses.store.queries import queries
from darkhorses.store.races import races_of_day, runners_of
from darkhorses.store.reference import all_bookmakers


class RecordedRace(msgspec.Struct, frozen=True, kw_only=True):
    """A race as it was last known, and every price change of it as they took effect.

    ``quotes`` are the last ones, and with them the each-way terms; ``written_at`` is when the
    race's own facts, its status among them, were last changed (UTC).
    """

    race: Race
    runners: tuple[BoardRunner, ...]
    quotes: dict[QuoteKey, Quote]
    changes: tuple[PriceChange, ...]
    written_at: datetime


class RecordedDay(msgspec.Struct, frozen=True, kw_only=True):
    """All races of a race day (London) by off time, and who quoted them."""

    day: date
    races: tuple[RecordedRace, ...]
    bookmakers: tuple[Bookmaker, ...]


async def recorded_day(database: Database, day: date) -> RecordedDay:
    """Read a day in one snapshot; a day of which nothing is stored has no races."""
    async with (
        database.connection(patience=None) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        stored = await races_of_day(connection, day)
        race_ids = [one.race.race_id for one in stored]
        written_at: dict[RaceId, datetime] = {
            RaceId(row["race_id"]): row["updated_at"]
            async for row in queries.races_last_written(connection, race_ids=race_ids)
        }
        runners: dict[RaceId, list[BoardRunner]] = {race_id: [] for race_id in race_ids}
        for runner in await runners_of(connection, race_ids):
            runners[runner.race_id].append(
                BoardRunner(
                    runner=runner.runner,
                    non_runner_at=runner.non_runner_at,
                    removed_at=runner.removed_at,
                )
            )
        quotes: dict[RaceId, dict[QuoteKey, Quote]] = {race_id: {} for race_id in race_ids}
        for quote in await quotes_of(connection, race_ids):
            quotes[quote.race_id][quote.horse_id, quote.bookmaker_id] = quote.quote
        races = [
            RecordedRace(
                race=one.race,
                runners=tuple(runners[one.race.race_id]),
                quotes=quotes[one.race.race_id],
                changes=tuple(await price_changes_of(connection, one.race)),
                written_at=written_at[one.race.race_id],
            )
            for one in stored
        ]
        bookmakers = [known.bookmaker for known in await all_bookmakers(connection)]
    quoted = {bookmaker_id for race in races for _, bookmaker_id in race.quotes}
    return RecordedDay(
        day=day,
        races=tuple(races),
        bookmakers=tuple(one for one in bookmakers if one.bookmaker_id in quoted),
    )
