"""Bringing over what fits of the earlier system's tables, a stretch of blocks at a time.

Each stretch is one transaction: what it brought over, what it counted and where it ended are
committed together or not at all. A stretch locks its table's row of ``adopted_tables``, so that two
at once take turns. Rows are read by where they lie, because they need not have a key.

What is brought over, and why not the rest:

- bookmakers, under the ids that ours have;
- poll cycles that say what ours say;
- past races. Where the earlier live prices know the runner, a row gets the feed's ids; otherwise
  ids made of its own words, which give way to the feed's when the feed tells that day;
- of live prices nothing but who quotes and the ids of runners. They are the last price of each
  bookmaker and not its path: in the change log they would make false openings and false lows.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.earlier_keys import KnownRunner, course_key, horse_key, runner_of
from darkhorses.domain.earlier_rows import (
    AdoptedCycle,
    AdoptedRow,
    EarlierBookmaker,
    EarlierCycle,
    EarlierRunner,
    UnfitRowError,
    instant,
    race_day_of,
    read_bookmaker,
    read_cycle,
    read_runner,
    text_of,
)
from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.store.adoption import BROUGHT, FACT_LEFT_OUT, LEFT
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries

_STATEMENT_TIMEOUT = timedelta(minutes=15)
_BLOCKS_AT_ONCE = 128

_TOLD_AGAIN = "another row tells of the same"
_TOLD_BY_FEED = "the feed has told this day"
_LAST_PRICE = "the last price alone, not its path: the change log would tell it falsely"
_ONLY_EARLIER = "told by the earlier system alone: a backfill reads it from the feed"

Counts = Counter[tuple[str, str]]
"""By outcome and reason."""

_Row = TypeVar("_Row")


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """How far a table has been read: ``blocks`` of it, of ``of_blocks``."""

    table: str
    blocks: int
    of_blocks: int


async def bring_over(
    database: Database,
    *,
    clock: Callable[[], datetime],
    blocks_at_once: int = _BLOCKS_AT_ONCE,
    progress: Callable[[Stretch], None] = lambda _: None,
) -> None:
    """Bring over what is left to be; returns at once when nothing is."""
    while True:
        done = await bring_stretch(database, now=clock(), blocks_at_once=blocks_at_once)
        if done is None:
            return
        progress(done)


async def bring_stretch(
    database: Database, *, now: datetime, blocks_at_once: int = _BLOCKS_AT_ONCE
) -> Stretch | None:
    """Bring the next stretch over; None when there is none."""
    async with database.transaction() as connection:
        await queries.adoption_limits(
            connection,
            statement_timeout=str(int(_STATEMENT_TIMEOUT / timedelta(milliseconds=1))),
        )
        row = await queries.adoption_next(connection)
        if row is None:
            return None
        table, first, blocks = row["table_name"], row["next_block"], row["blocks"]
        end = min(first + blocks_at_once, blocks)
        counts: Counts = Counter()
        if end > first:
            await _BRING[table](connection, (first, end), now, counts)
        if end == blocks and table == "ra_odds_historical":
            await queries.adopt_race_days(connection, reason=_ONLY_EARLIER)
            await queries.analyze_historical(connection)
        counts = +counts  # without the reasons that no row had
        if counts:
            await queries.adoption_count(
                connection,
                table_name=table,
                outcomes=[outcome for outcome, _ in counts],
                reasons=[reason for _, reason in counts],
                counts=list(counts.values()),
            )
        await queries.adoption_move_on(
            connection, table_name=table, next_block=end, finished=end == blocks
        )
    return Stretch(table=table, blocks=end, of_blocks=blocks)


async def _bring_bookmakers(
    connection: Connection, blocks: tuple[int, int], now: datetime, counts: Counts
) -> None:
    fit: list[tuple[Bookmaker, datetime]] = []
    async for row in _rows(queries.legacy_bookmakers, connection, blocks, EarlierBookmaker, counts):
        try:
            fit.append((read_bookmaker(row), instant(row.created_at) or now))
        except UnfitRowError as error:
            counts[LEFT, str(error)] += 1
    brought = await _let_in(
        connection,
        [bookmaker for bookmaker, _ in fit],
        last_quoted=[None for _ in fit],
        created=[created for _, created in fit],
    )
    counts[BROUGHT, ""] += brought
    counts[LEFT, _TOLD_AGAIN] += len(fit) - brought


async def _bring_cycles(
    connection: Connection, blocks: tuple[int, int], _now: datetime, counts: Counts
) -> None:
    cycles: list[AdoptedCycle] = []
    async for row in _rows(queries.legacy_statistics, connection, blocks, EarlierCycle, counts):
        try:
            cycles.append(read_cycle(row))
        except UnfitRowError as error:
            counts[LEFT, str(error)] += 1
    payload = msgspec.json.encode(cycles).decode()
    brought = len([row async for row in queries.adopt_cycles(connection, cycles=payload)])
    counts[BROUGHT, ""] += brought
    counts[LEFT, _TOLD_AGAIN] += len(cycles) - brought


async def _bring_from_live(
    connection: Connection, blocks: tuple[int, int], now: datetime, counts: Counts
) -> None:
    quoting: list[tuple[Bookmaker, datetime | None]] = []
    stretch = {"first_block": blocks[0], "end_block": blocks[1]}
    async for row in queries.legacy_live_bookmakers(connection, **stretch):
        counts[LEFT, _LAST_PRICE] += row["prices"]
        said = EarlierBookmaker(
            bookmaker_id=row["bookmaker_id"],
            bookmaker_name=row["bookmaker_name"],
            bookmaker_type=row["bookmaker_type"],
        )
        try:
            quoting.append((read_bookmaker(said), instant(row["fetched_at"])))
        except UnfitRowError:
            continue
    await _let_in(
        connection,
        [bookmaker for bookmaker, _ in quoting],
        last_quoted=[quoted for _, quoted in quoting],
        created=[now for _ in quoting],
    )
    await queries.adopt_last_quotes(
        connection,
        bookmaker_ids=[bookmaker.bookmaker_id for bookmaker, _ in quoting],
        last_quoted=[quoted for _, quoted in quoting],
    )
    await _keep_runners(connection, stretch)


async def _let_in(
    connection: Connection,
    bookmakers: Sequence[Bookmaker],
    *,
    last_quoted: Sequence[datetime | None],
    created: Sequence[datetime],
) -> int:
    rows = queries.adopt_bookmakers(
        connection,
        bookmaker_ids=[bookmaker.bookmaker_id for bookmaker in bookmakers],
        bookmaker_names=[bookmaker.bookmaker_name for bookmaker in bookmakers],
        bookmaker_types=[str(bookmaker.bookmaker_type) for bookmaker in bookmakers],
        last_quoted=list(last_quoted),
        created=list(created),
    )
    return len([row async for row in rows])


async def _keep_runners(connection: Connection, stretch: Mapping[str, int]) -> None:
    """Keep the ids of runners; those that are not the feed's are none."""
    runners: list[tuple[date, KnownRunner]] = []
    async for row in queries.legacy_live_runners(connection, **stretch):
        day = race_day_of(row["race_date"])
        race_id, horse_id = text_of(row["race_id"]), text_of(row["horse_id"])
        course, name = text_of(row["course"]), text_of(row["horse_name"])
        if day is None or race_id is None or horse_id is None or course is None or name is None:
            continue
        if race_id.startswith("rac_") and horse_id.startswith("hrs_"):
            runner = KnownRunner(
                race_id=RaceId(race_id),
                horse_id=HorseId(horse_id),
                horse_key=horse_key(name),
                course_key=course_key(course),
            )
            runners.append((day, runner))
    await queries.adopt_runners(
        connection,
        race_dates=[day for day, _ in runners],
        horse_keys=[runner.horse_key for _, runner in runners],
        race_ids=[runner.race_id for _, runner in runners],
        horse_ids=[runner.horse_id for _, runner in runners],
        course_keys=[runner.course_key for _, runner in runners],
    )


async def _bring_historical(
    connection: Connection, blocks: tuple[int, int], now: datetime, counts: Counts
) -> None:
    rows: list[AdoptedRow] = []
    doubts: Counter[str] = Counter()
    async for row in _rows(queries.legacy_historical, connection, blocks, EarlierRunner, counts):
        try:
            adopted, doubted = read_runner(row, now=now)
        except UnfitRowError as error:
            counts[LEFT, str(error)] += 1
            continue
        doubts.update(doubted)
        rows.append(adopted)
    days = sorted({row.date_of_race for row in rows})
    told = {
        (day["race_date"], day["region"])
        async for day in queries.adoption_days_told(connection, race_dates=days)
    }
    fresh = [row for row in rows if (row.date_of_race, row.country.lower()) not in told]
    keyed = await _with_ids_of_the_feed(connection, fresh)
    payload = msgspec.json.encode(keyed).decode()
    brought = len([row async for row in queries.adopt_historical(connection, rows=payload)])
    counts[BROUGHT, ""] += brought
    counts[LEFT, _TOLD_BY_FEED] += len(rows) - len(fresh)
    counts[LEFT, _TOLD_AGAIN] += len(fresh) - brought
    for column, count in doubts.items():
        counts[FACT_LEFT_OUT, column] += count


async def _with_ids_of_the_feed(
    connection: Connection, rows: Sequence[AdoptedRow]
) -> list[AdoptedRow]:
    known: dict[tuple[date, str], list[KnownRunner]] = {}
    keys = [(row.date_of_race, horse_key(row.horse_name)) for row in rows]
    async for found in queries.adoption_runners_of(
        connection, race_dates=[day for day, _ in keys], horse_keys=[horse for _, horse in keys]
    ):
        fields = dict(found)
        day = fields.pop("race_date")
        known.setdefault((day, fields["horse_key"]), []).append(KnownRunner(**fields))
    keyed = []
    for key, row in zip(keys, rows, strict=True):
        runner = runner_of(row.horse_name, row.track, known.get(key, ()))
        keyed.append(
            row
            if runner is None
            else msgspec.structs.replace(row, race_id=runner.race_id, horse_id=runner.horse_id)
        )
    return keyed


async def _rows(
    query: Callable[..., Any],
    connection: Connection,
    blocks: tuple[int, int],
    kind: type[_Row],
    counts: Counts,
) -> AsyncIterator[_Row]:
    decoder = msgspec.json.Decoder(kind)
    async for found in query(connection, first_block=blocks[0], end_block=blocks[1]):
        try:
            row = decoder.decode(found["row"])
        except msgspec.ValidationError:
            counts[LEFT, "a column holds something else than a value"] += 1
            continue
        yield row


_BRING: Mapping[str, Callable[[Connection, tuple[int, int], datetime, Counts], Awaitable[None]]] = {
    "ra_bookmakers": _bring_bookmakers,
    "ra_odds_statistics": _bring_cycles,
    "ra_odds_live": _bring_from_live,
    "ra_odds_historical": _bring_historical,
}
