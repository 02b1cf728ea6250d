"""Reading the market from the database, each time in one snapshot."""

from datetime import date, datetime, timedelta

from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import BookmakerId, RaceId
from darkhorses.readmodel.market import Market, News, updated
from darkhorses.readmodel.tail import Tail
from darkhorses.store.changes import LAST_CHANGE, changes_after, newest_marks
from darkhorses.store.odds import Shared, StoredQuote, quotes_of
from darkhorses.store.pool import Connection, Database
from darkhorses.store.races import (
    StoredRace,
    race_with_id,
    races_after,
    races_of_day,
    runners_of,
)
from darkhorses.store.reference import all_bookmakers

# A race has some 300 quotes, and while it is read each takes six times the memory that it is kept
# in: what one reading took beyond that is never wholly given back.
_RACES_AT_A_TIME = 2

MARKS_PATIENCE = timedelta(seconds=5)
"""How long the one cheap question may take before the connection is taken to be dead."""

_STATEMENT_LIMIT = timedelta(seconds=30)

CHANGES_AT_A_TIME = 500
"""Changes in a page: reading and encoding one keeps everything else waiting for a few ms."""


async def refreshed(database: Database, market: Market, tail: Tail, now: datetime) -> Market:
    """The market and the tail brought up to date; the same market when nothing was written since.

    Both are read in one snapshot, changes page by page. A revision or a change log that went back
    (another database, or one restored) makes both begin anew.
    """
    async with database.connection(patience=MARKS_PATIENCE) as connection:
        marks = await newest_marks(connection, from_day=market.from_day)
    went_back = marks.revision < market.revision or marks.change_id < tail.position.change_id
    if went_back:
        market = Market(from_day=market.from_day)
    is_new = tail.life == 0 or went_back
    if (
        not is_new
        and marks.revision == market.revision
        and marks.change_id == tail.position.change_id
    ):
        tail.set_market(market, now)
        return market
    async with database.snapshot(statement_timeout=_STATEMENT_LIMIT) as connection:
        if is_new:
            marks = await newest_marks(connection, from_day=market.from_day)
        else:
            await _follow_changes(connection, tail)
        races = await races_after(connection, revision=market.revision, from_day=market.from_day)
        market = updated(market, await _news(connection, races, after=market.revision))
    if is_new:
        tail.begin(market, change_id=marks.change_id, now=now)
    else:
        tail.set_market(market, now)
    return market


async def _follow_changes(connection: Connection, tail: Tail) -> None:
    """Append to the tail what the log has more, page by page, with the others served between."""
    while True:
        changes = await changes_after(
            connection, tail.position.change_id, until=LAST_CHANGE, most=CHANGES_AT_A_TIME
        )
        tail.add_changes(changes)
        if len(changes) < CHANGES_AT_A_TIME:
            return


async def loaded_day(database: Database, day: date) -> Market:
    """The races of one race day, as they are stored now."""
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        races = await races_of_day(connection, day)
        return updated(Market(from_day=day), await _news(connection, races, after=0))


async def loaded_race(connection: Connection, race_id: RaceId) -> Market | None:
    """One race by itself, as it is stored; None when there is none. For use in a snapshot."""
    stored = await race_with_id(connection, race_id)
    if stored is None:
        return None
    market = Market(from_day=stored.race.race_date)
    return updated(market, await _news(connection, [stored], after=0))


async def _news(connection: Connection, races: list[StoredRace], *, after: int) -> News:
    """Read what belongs to these races and is newer than a revision.

    Every write stamps the races that it is about, so no newer row belongs to any other race.
    """
    race_ids = [stored.race.race_id for stored in races]
    runners = await runners_of(connection, race_ids, after=after)
    quotes: list[StoredQuote] = []
    shared = Shared()
    for start in range(0, len(race_ids), _RACES_AT_A_TIME):
        some = race_ids[start : start + _RACES_AT_A_TIME]
        quotes += await quotes_of(connection, some, after=after, shared=shared)
    return News(
        races=tuple(races),
        runners=tuple(runners),
        quotes=tuple(quotes),
        bookmakers=await _bookmakers(connection),
    )


async def _bookmakers(connection: Connection) -> dict[BookmakerId, Bookmaker]:
    return {
        stored.bookmaker.bookmaker_id: stored.bookmaker
        for stored in await all_bookmakers(connection)
    }
