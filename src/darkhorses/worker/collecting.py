"""From a look at the feed to rows: compare with what is known, write the differences, know them.

Invariant: what is known in memory is what the database holds. Whenever a write may or may not have
been committed, everything is forgotten and loaded again.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from datetime import date, datetime

import msgspec

from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.diff import (
    KnownRace,
    RaceDelta,
    compare,
    compare_result,
    is_superseded,
)
from darkhorses.domain.identifiers import BookmakerId, RaceId
from darkhorses.domain.london import race_day
from darkhorses.domain.races import Card, CardPage
from darkhorses.domain.repairs import Outage, is_outage
from darkhorses.domain.stages import is_over
from darkhorses.store.known_races import known_races
from darkhorses.store.pool import Database
from darkhorses.store.worker_figures import WorkerFigures, add
from darkhorses.store.writing.change_log import LogNumbers
from darkhorses.store.writing.lease import Lease
from darkhorses.store.writing.market import PollCycle, Written, write_market

Clock = Callable[[], datetime]
"""Gives the present instant, in UTC."""


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What a look found and what it changed.

    ``quotes`` are quotes with a price; ``changed`` prices that differ from the last ones and
    ``unchanged`` quotes that do not; ``written`` rows of the live quotes written; ``quarantined``
    pieces of the feed set aside; ``missing`` races that the feed announced and did not send.
    """

    races: int = 0
    runners: int = 0
    quotes: int = 0
    changed: int = 0
    unchanged: int = 0
    written: int = 0
    quarantined: int = 0
    missing: int = 0


class Collector:
    """Holds what is known of the market; one write at a time.

    ``writing`` is held by whoever adds to the change log, here and elsewhere in the process, until
    the transaction has ended: so the log's numbers follow the order of commits.

    ``on_messages`` is called when a write has put messages to webhooks into the outbox.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        on_messages: Callable[[], None] = lambda: None,
        figures: WorkerFigures | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._on_messages = on_messages
        self._figures = figures if figures is not None else WorkerFigures()
        self.writing = asyncio.Lock()
        self._known: dict[RaceId, KnownRace] = {}
        self._looked_at: dict[RaceId, datetime] = {}
        self._numbers = LogNumbers()
        self._quoting: set[BookmakerId] = set()
        self._quoting_day: date | None = None

    @property
    def known(self) -> dict[RaceId, KnownRace]:
        """Every race that was looked at, as it is stored."""
        return self._known

    def looked_at(self, race_id: RaceId) -> datetime | None:
        """When a race was last looked at by this worker (UTC)."""
        return self._looked_at.get(race_id)

    def forget(self) -> None:
        """Know nothing, so that the next look loads what is stored."""
        self._known.clear()
        self._looked_at.clear()
        self._quoting.clear()
        self._numbers.forget()

    async def settled(self) -> None:
        """Return when no write is in hand."""
        async with self.writing:
            pass

    async def collect(
        self,
        page: CardPage,
        lease: Lease,
        *,
        asked_at: datetime,
        seen_at: datetime,
        whole_cycle: bool = False,
        failed_pages: int = 0,
    ) -> Collected:
        """Write what a page changed; a whole cycle's page leaves a row of what it found.

        ``asked_at`` is when the feed was asked and ``seen_at`` when it had answered: a race that
        was looked at in between, and whose card is newer, is left as it is. Raises
        LeaseLostError and other StoreErrors; the market in memory is then forgotten.
        """
        async with self.writing:
            try:
                return await self._collect(
                    page, lease, asked_at, seen_at, failed_pages if whole_cycle else None
                )
            except BaseException:
                self.forget()
                raise

    async def note_results(self, race_ids: Collection[RaceId], lease: Lease) -> int:
        """Note that races have a result by now; returns for how many that was news."""
        async with self.writing:
            deltas = [
                delta
                for race_id in race_ids
                if race_id in self._known
                and not (delta := compare_result(self._known[race_id])).is_empty
            ]
            if deltas:
                try:
                    written = await write_market(
                        self._database, lease, deltas, seen_at=self._clock()
                    )
                except BaseException:
                    self.forget()
                    raise
                self._remember(deltas)
                self._figures.last_commit_at = self._clock()
                self._say(written)
            return len(deltas)

    def drop_before(self, day: date) -> None:
        """Let races of days before ``day`` leave the memory."""
        old = [race_id for race_id, known in self._known.items() if known.race.race_date < day]
        for race_id in old:
            del self._known[race_id]
            self._looked_at.pop(race_id, None)
        self._numbers.drop_before(day)

    async def _collect(
        self,
        page: CardPage,
        lease: Lease,
        asked_at: datetime,
        seen_at: datetime,
        failed_pages: int | None,
    ) -> Collected:
        await self._load(card.race.race_id for card in page.cards)
        deltas = [
            compare(self._known.get(card.race.race_id), card, seen_at=seen_at)
            for card in page.cards
            if not self._is_overtaken(card, asked_at)
        ]
        runners = sum(len(card.runners) for card in page.cards)
        quotes = sum(
            quote.price is not None for card in page.cards for quote in card.quotes.values()
        )
        cycle = None
        if failed_pages is not None:
            cycle = PollCycle(
                fetch_timestamp=asked_at,
                races=len(page.cards),
                horses=runners,
                bookmakers=tuple(sorted(b.bookmaker_name for b in page.bookmakers.values())),
                quotes=quotes,
                milliseconds=int((self._clock() - asked_at).total_seconds() * 1000),
                errors=len(page.unreadable) + failed_pages,
            )
        written = await write_market(
            self._database,
            lease,
            deltas,
            seen_at=seen_at,
            bookmakers=self._newly_quoting(page, seen_at),
            unreadable=page.unreadable,
            outages=self._outages(deltas, seen_at),
            cycle=cycle,
            numbers=self._numbers,
        )
        self._remember(deltas)
        self._looked_at.update((delta.after.race.race_id, seen_at) for delta in deltas)
        self._quoting.update(page.bookmakers)
        self._count(page, written, is_whole=cycle is not None and not failed_pages)
        self._say(written)
        return Collected(
            races=len(page.cards),
            runners=runners,
            quotes=quotes,
            changed=written.changes,
            unchanged=sum(delta.unchanged for delta in deltas),
            written=written.quotes,
            quarantined=len(page.unreadable),
            missing=page.missing,
        )

    def _is_overtaken(self, card: Card, asked_at: datetime) -> bool:
        looked_at = self._looked_at.get(card.race.race_id)
        if looked_at is None or looked_at <= asked_at:
            return False
        return is_superseded(self._known.get(card.race.race_id), card)

    async def _load(self, race_ids: Iterable[RaceId]) -> None:
        """Load what is stored of races that are not known yet; new ones stay unknown."""
        unknown = [race_id for race_id in race_ids if race_id not in self._known]
        if unknown:
            async with self._database.transaction() as connection:
                self._known.update(await known_races(connection, unknown))

    def _outages(self, deltas: Iterable[RaceDelta], seen_at: datetime) -> list[Outage]:
        """The races that were not looked at for too long before this look, and are still open."""
        outages = []
        for delta in deltas:
            race = delta.after.race
            before = self._known.get(race.race_id)
            if before is None or before.checked_at is None or not delta.checked:
                continue
            closed = is_over(
                off_dt=race.off_dt,
                race_status=race.race_status,
                is_abandoned=race.is_abandoned,
                last_change_at=delta.after.last_change_at,
                now=seen_at,
            )
            if not closed and is_outage(race.off_dt, before.checked_at, seen_at):
                outages.append(
                    Outage(
                        race_id=race.race_id,
                        race_date=race.race_date,
                        region=race.region.lower(),
                        since=before.checked_at,
                        until=seen_at,
                    )
                )
        return outages

    def _remember(self, deltas: Iterable[RaceDelta]) -> None:
        self._known.update((delta.after.race.race_id, delta.after) for delta in deltas)

    def _count(self, page: CardPage, written: Written, *, is_whole: bool) -> None:
        figures, now = self._figures, self._clock()
        figures.last_commit_at = now
        if is_whole:
            figures.last_card_at = now
        if written.changes:
            figures.last_change_at = now
            add(figures.changes, "poll", written.changes)
        for piece in page.unreadable:
            add(figures.quarantined, piece.kind)

    def _say(self, written: Written) -> None:
        if written.messages:
            self._on_messages()

    def _newly_quoting(self, page: CardPage, seen_at: datetime) -> list[Bookmaker]:
        """Bookmakers that have not been noted as quoting on this day."""
        day = race_day(seen_at)
        if day != self._quoting_day:
            self._quoting_day = day
            self._quoting.clear()
        return [b for b in page.bookmakers.values() if b.bookmaker_id not in self._quoting]
