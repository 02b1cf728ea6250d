"""The one way into the market's tables: what a look at the feed changed, in one transaction.

Either everything of a look is committed (races, runners, quotes, the change log, what was set
aside, the poll cycle, messages to webhooks, the wake-up for readers) or nothing is, and nothing is
when another worker leads by now.
"""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.diff import QuoteChange, RaceDelta
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.races import Unreadable
from darkhorses.domain.repairs import Outage
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries
from darkhorses.store.writing import outbox
from darkhorses.store.writing.change_log import LogNumbers, NewEntry, append_changes
from darkhorses.store.writing.lease import Lease, writing_transaction


class PollCycle(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at the whole card found; a row of ``ra_odds_statistics``."""

    fetch_timestamp: datetime
    races: int
    horses: int
    bookmakers: tuple[str, ...]
    quotes: int
    milliseconds: int
    errors: int


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of the two quote tables were written, and the revision that carries them.

    ``messages`` to webhooks were put into the outbox.
    """

    revision: int
    quotes: int
    changes: int
    messages: int = 0


class _LiveQuote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of ``ra_odds_live``, as much of it as the look says."""

    race_id: RaceId
    horse_id: HorseId
    bookmaker_id: BookmakerId
    odds_decimal: Decimal | None
    odds_fractional: str | None
    ew_places: int | None
    ew_denom: int | None
    odds_timestamp: datetime | None


async def write_market(
    database: Database,
    lease: Lease,
    deltas: Sequence[RaceDelta],
    *,
    seen_at: datetime,
    bookmakers: Collection[Bookmaker] = (),
    unreadable: Sequence[Unreadable] = (),
    outages: Sequence[Outage] = (),
    cycle: PollCycle | None = None,
    numbers: LogNumbers | None = None,
) -> Written:
    """Write what a look at the feed at ``seen_at`` (UTC) changed, and which outages it ended.

    ``numbers`` of the change log that earlier looks found are not asked for; this look's are added.

    Raises LeaseLostError, and nothing is written, when the lease is not held any more. After any
    other error it is not known whether the write was committed: load what is known again.
    """
    async with writing_transaction(database, lease) as connection:
        revision: int = await queries.next_revision(connection)
        audience = await outbox.audience(connection)
        await _write_bookmakers(connection, bookmakers, seen_at)
        await _write_races(connection, deltas, seen_at, revision)
        await _write_runners(connection, deltas, seen_at, revision)
        quotes = await _write_quotes(connection, deltas, seen_at, revision)
        changes, found = await _write_changes(connection, deltas, seen_at, numbers)
        await queries.touch_races(
            connection,
            race_ids=[delta.after.race.race_id for delta in deltas],
            refreshed=[delta.refreshed_at for delta in deltas],
            price_changed=[delta.price_changes > 0 for delta in deltas],
            checked=[delta.checked for delta in deltas],
            seen_at=seen_at,
            revision=revision,
        )
        await set_aside(connection, unreadable, seen_at)
        await _want_repairs(connection, outages)
        if cycle is not None:
            await _write_cycle(connection, cycle, changes)
        messages = await outbox.announce(connection, audience, deltas, seen_at=seen_at)
    if numbers is not None:
        numbers.keep(found)
    return Written(revision=revision, quotes=quotes, changes=changes, messages=messages)


async def _write_bookmakers(
    connection: Connection, bookmakers: Collection[Bookmaker], seen_at: datetime
) -> None:
    if bookmakers:
        await queries.upsert_bookmakers(
            connection,
            bookmaker_ids=[bookmaker.bookmaker_id for bookmaker in bookmakers],
            bookmaker_names=[bookmaker.bookmaker_name for bookmaker in bookmakers],
            bookmaker_types=[str(bookmaker.bookmaker_type) for bookmaker in bookmakers],
            seen_at=seen_at,
        )


async def _write_races(
    connection: Connection, deltas: Sequence[RaceDelta], seen_at: datetime, revision: int
) -> None:
    races = [delta.after.race for delta in deltas if delta.race_changed]
    if races:
        payload = msgspec.json.encode(races).decode()
        await queries.upsert_races(connection, races=payload, seen_at=seen_at, revision=revision)


async def _write_runners(
    connection: Connection, deltas: Sequence[RaceDelta], seen_at: datetime, revision: int
) -> None:
    rows = [
        msgspec.structs.asdict(runner) | {"race_id": delta.after.race.race_id}
        for delta in deltas
        for runner in delta.runners
    ]
    if rows:
        payload = msgspec.json.encode(rows).decode()
        await queries.upsert_runners(
            connection, runners=payload, seen_at=seen_at, revision=revision
        )
    removed = [
        (delta.after.race.race_id, horse_id) for delta in deltas for horse_id in delta.removed
    ]
    if removed:
        await queries.remove_runners(
            connection,
            race_ids=[race_id for race_id, _ in removed],
            horse_ids=[horse_id for _, horse_id in removed],
            seen_at=seen_at,
            revision=revision,
        )


async def _write_quotes(
    connection: Connection, deltas: Sequence[RaceDelta], seen_at: datetime, revision: int
) -> int:
    quotes = [_live_quote(delta, change) for delta in deltas for change in delta.quotes]
    if quotes:
        payload = msgspec.json.encode(quotes).decode()
        await queries.upsert_quotes(connection, quotes=payload, seen_at=seen_at, revision=revision)
    return len(quotes)


def _live_quote(delta: RaceDelta, change: QuoteChange) -> _LiveQuote:
    price = change.quote.price
    return _LiveQuote(
        race_id=delta.after.race.race_id,
        horse_id=change.horse_id,
        bookmaker_id=change.bookmaker_id,
        odds_decimal=None if price is None else price.decimal,
        odds_fractional=None if price is None else price.fractional,
        ew_places=change.quote.ew_places,
        ew_denom=change.quote.ew_denom,
        odds_timestamp=delta.refreshed_at,
    )


async def _write_changes(
    connection: Connection,
    deltas: Sequence[RaceDelta],
    seen_at: datetime,
    numbers: LogNumbers | None,
) -> tuple[int, LogNumbers]:
    entries = [
        NewEntry(
            delta.after.race.race_date,
            delta.after.race.race_id,
            change.horse_id,
            change.bookmaker_id,
            change.quote.price,
            delta.changed_at,
        )
        for delta in deltas
        for change in delta.quotes
        if change.price_changed
    ]
    if not entries:
        return 0, LogNumbers()
    found = await append_changes(
        connection, entries, seen_at=seen_at, is_repair=False, known=numbers
    )
    return len(entries), found


async def _want_repairs(connection: Connection, outages: Sequence[Outage]) -> None:
    if outages:
        await queries.want_repairs(
            connection,
            race_ids=[outage.race_id for outage in outages],
            race_dates=[outage.race_date for outage in outages],
            regions=[outage.region for outage in outages],
            since=[outage.since for outage in outages],
            until=[outage.until for outage in outages],
        )


async def set_aside(
    connection: Connection, unreadable: Sequence[Unreadable], seen_at: datetime
) -> None:
    """Keep pieces of the feed that could not be understood."""
    if unreadable:
        await queries.set_aside(
            connection,
            kinds=[piece.kind for piece in unreadable],
            race_ids=[piece.race_id for piece in unreadable],
            horse_ids=[piece.horse_id for piece in unreadable],
            reasons=[piece.reason for piece in unreadable],
            payloads=[piece.payload for piece in unreadable],
            digests=[hashlib.sha256(piece.payload.encode()).hexdigest() for piece in unreadable],
            seen_at=seen_at,
        )


async def _write_cycle(connection: Connection, cycle: PollCycle, changed: int) -> None:
    await queries.insert_poll_cycle(
        connection,
        fetch_timestamp=cycle.fetch_timestamp,
        races=cycle.races,
        horses=cycle.horses,
        bookmakers=len(cycle.bookmakers),
        quotes=cycle.quotes,
        changed=changed,
        bookmaker_list=list(cycle.bookmakers),
        milliseconds=cycle.milliseconds,
        errors=cycle.errors,
    )
