"""Reading a day that is over: its cards and results, joined with our own log, and written.

One request for the cards of all regions of a day and as few for the results; what is read is
split by region, because the ledger is.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import date, datetime
from functools import partial

import msgspec
import structlog

from darkhorses.domain.history import HistoricalRow, PastRace, historical_rows
from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.price_summaries import PriceSummary, summarize_log
from darkhorses.domain.race_days import DayShortfall, RaceDay, is_settled, judge
from darkhorses.domain.races import Card, CardPage
from darkhorses.domain.results import RaceResult, ResultPage
from darkhorses.store.past_prices import change_log_of, races_in_change_log, saddle_cloth_numbers
from darkhorses.store.pool import Database
from darkhorses.store.writing.history import (
    PastDay,
    Transaction,
    note_failed_reading,
    write_past_day,
)
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.errors import (
    BadCredentialsError,
    FeedError,
    NotFoundError,
    PlanTooSmallError,
)

_log = structlog.get_logger("darkhorses.worker")

Clock = Callable[[], datetime]
"""Gives the present instant, in UTC."""


class FilledDay(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a day of a region.

    ``gap`` is why something of it is missing still; ``failed`` whether the feed could not be
    read; ``written`` rows are new or different ones, of which ``revised`` said something else.
    """

    race_date: date
    region: str
    races: int = 0
    rows: int = 0
    written: int = 0
    revised: int = 0
    gap: str | None = None
    failed: bool = False


class _Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the feed said of a day; ``never_had_result`` are races confirmed to have none."""

    day: date
    read_at: datetime
    cards: CardPage
    results: ResultPage
    never_had_result: frozenset[RaceId] = frozenset()


class PastDays:
    """Reads days that are over and writes them; the same for the nightly job and a backfill."""

    def __init__(self, feed: RacingApi, database: Database, clock: Clock) -> None:
        self._feed = feed
        self._database = database
        self._clock = clock

    async def fill(
        self, day: date, regions: Collection[str], transaction: Transaction
    ) -> AsyncIterator[FilledDay]:
        """Read a day of some regions and write it; tells of each region when it is written.

        A failed read is noted in the ledger and told of. Raises BadCredentialsError and
        PlanTooSmallError, which no other day would escape, and StoreErrors.
        """
        asked = sorted(regions)
        try:
            reading = await self._read(day, asked)
        except (BadCredentialsError, PlanTooSmallError) as error:
            await note_failed_reading(transaction, day, asked, str(error))
            raise
        except FeedError as error:
            await note_failed_reading(transaction, day, asked, str(error))
            _log.warning("past_day.failed", race_date=str(day), regions=asked, error=str(error))
            for region in asked:
                yield FilledDay(race_date=day, region=region, gap=str(error), failed=True)
            return
        for region in asked:
            yield await self._write(reading, region, asked, transaction)

    async def _read(self, day: date, regions: Sequence[str]) -> _Reading:
        read_at = self._clock()
        cards, results = await asyncio.gather(
            self._feed.racecards(day, regions),
            self._feed.results(day, regions),
            return_exceptions=True,
        )
        if isinstance(cards, BaseException):
            raise cards
        if isinstance(results, BaseException):
            raise results
        reading = _Reading(day=day, read_at=read_at, cards=cards, results=results)
        if is_settled(day, read_at) and results.results and not results.missing:
            return await self._ask_for_late_results(reading)
        return reading

    async def _ask_for_late_results(self, reading: _Reading) -> _Reading:
        """Ask for each result that is still not there: the feed has it, or never will."""
        late: list[RaceResult] = []
        never: set[RaceId] = set()
        for race_id in _without_result(reading.cards.cards, reading.results.results):
            try:
                late += (await self._feed.result(race_id)).results
            except NotFoundError:
                never.add(race_id)
        results = msgspec.structs.replace(
            reading.results, results=(*reading.results.results, *late)
        )
        return msgspec.structs.replace(reading, results=results, never_had_result=frozenset(never))

    async def _write(
        self, reading: _Reading, region: str, regions: Sequence[str], transaction: Transaction
    ) -> FilledDay:
        cards = [c for c in reading.cards.cards if c.race.region.lower() == region]
        results = [r for r in reading.results.results if r.region.lower() == region]
        shortfall = _shortfall(reading, cards, results)
        races = await self._past_races(reading, cards, results, shortfall)
        # Beside the loop: the sums of a day are long, and live odds are not to wait for them.
        rows = await asyncio.to_thread(_rows_of, races)
        on_cards, of_results, reason = judge(reading.day, shortfall, reading.read_at)
        ledger = RaceDay(
            race_date=reading.day,
            region=region,
            cards=on_cards,
            results=of_results,
            races_count=len({c.race.race_id for c in cards} | {r.race_id for r in results}),
            results_count=len(results),
            rows_count=len(rows),
            reason=reason,
            checked_at=reading.read_at,
        )
        written = await write_past_day(
            transaction,
            PastDay(
                ledger=ledger,
                rows=rows,
                whole_races=[
                    race.facts.race_id
                    for race in races
                    if race.result is not None and race.has_every_horse
                ],
                results=results,
                provisional=not is_settled(reading.day, reading.read_at),
                # What cannot be understood often says not even of which region it is.
                unreadable=(
                    (*reading.cards.unreadable, *reading.results.unreadable)
                    if region == regions[0]
                    else ()
                ),
            ),
        )
        filled = FilledDay(
            race_date=reading.day,
            region=region,
            races=ledger.races_count,
            rows=len(rows),
            written=written.written if written is not None else 0,
            revised=written.revised if written is not None else 0,
            gap=reason if ledger.has_gap else None,
        )
        _log.debug("past_day.filled", **msgspec.to_builtins(filled))
        return filled

    async def _past_races(
        self,
        reading: _Reading,
        cards: Sequence[Card],
        results: Sequence[RaceResult],
        shortfall: DayShortfall,
    ) -> list[PastRace]:
        """Everything known of the races that have ended; others are left for a later reading.

        So is a race whose card may be among those that the feed did not send: its result alone
        would take away what an earlier reading knew of its prices.
        """
        card_of = {card.race.race_id: card for card in cards}
        result_of = {result.race_id: result for result in results}
        void = {*shortfall.abandoned, *shortfall.never_had_result}
        ended = sorted(result_of.keys() | void)
        if reading.cards.missing:
            ended = [race_id for race_id in ended if race_id in card_of]
        async with self._database.connection() as connection:
            numbers = await saddle_cloth_numbers(connection, ended)
            logged_races = frozenset(await races_in_change_log(connection, reading.day, ended))
        races = []
        for race_id in ended:
            card, result = card_of.get(race_id), result_of.get(race_id)
            logged = None
            if race_id in logged_races:
                off_dt = max(race.off_dt for race in (card and card.race, result) if race)
                logged = await self._summaries(reading.day, race_id, off_dt)
            races.append(
                PastRace(
                    card=card,
                    result=result,
                    logged=logged,
                    numbers=numbers.get(race_id, {}),
                    void=race_id in void,
                )
            )
        return races

    async def _summaries(
        self, day: date, race_id: RaceId, off_dt: datetime
    ) -> dict[HorseId, PriceSummary]:
        async with self._database.connection() as connection:
            log = await change_log_of(connection, day, race_id)
        summarize = partial(summarize_log, off_dt=off_dt)
        found = await asyncio.to_thread(
            lambda: {horse_id: summarize(entries) for horse_id, entries in log.items()}
        )
        return {horse_id: summary for horse_id, summary in found.items() if summary is not None}


def _rows_of(races: Sequence[PastRace]) -> list[HistoricalRow]:
    return [row for race in races for row in historical_rows(race)]


def _without_result(cards: Sequence[Card], results: Sequence[RaceResult]) -> list[RaceId]:
    """The races that were not abandoned and have no result."""
    known = {result.race_id for result in results}
    return sorted(
        card.race.race_id
        for card in cards
        if card.race.race_id not in known and not card.race.is_abandoned
    )


def _shortfall(
    reading: _Reading, cards: Sequence[Card], results: Sequence[RaceResult]
) -> DayShortfall:
    """What a region's part of a reading lacks.

    What was announced and not sent may be of any region, so it is missing in each.
    """
    with_result = {result.race_id for result in results}
    only_result = tuple(sorted(with_result - {card.race.race_id for card in cards}))
    without = _without_result(cards, results)
    # A day without a single result is one whose results are not in, whatever is said of one race.
    never = reading.never_had_result if results else frozenset[RaceId]()
    return DayShortfall(
        cards_missing=reading.cards.missing,
        cards_unread=sum(not card.whole for card in cards) + _unread_cards(reading.cards),
        results_missing=reading.results.missing,
        results_unread=reading.results.unread,
        without_card=only_result if not cards else (),
        without_result=tuple(race_id for race_id in without if race_id not in never),
        abandoned=tuple(
            sorted(
                card.race.race_id
                for card in cards
                if card.race.is_abandoned and card.race.race_id not in with_result
            )
        ),
        never_had_result=tuple(race_id for race_id in without if race_id in never),
        only_result=only_result if cards else (),
    )


def _unread_cards(page: CardPage) -> int:
    """Cards that were set aside as a whole."""
    read = {card.race.race_id for card in page.cards}
    return sum(piece.kind == "race" and piece.race_id not in read for piece in page.unreadable)
