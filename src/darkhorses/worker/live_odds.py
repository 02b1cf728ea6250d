"""The live odds job: the whole card at an even pace, and hot races one by one in between.

A look at the whole card finds races, non-runners, changes and results. A race that is due earlier
than the next such look is asked for by itself; when more are due than the feed's pace allows, the
most overdue goes first.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, timedelta

import msgspec
import structlog

from darkhorses.domain.diff import KnownRace
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.london import race_day
from darkhorses.domain.races import CardPage
from darkhorses.domain.stages import RESULT, is_over
from darkhorses.store.writing.lease import Lease
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.errors import PlanTooSmallError
from darkhorses.upstream.remembering import CardMemory
from darkhorses.worker.collecting import Collected, Collector

_log = structlog.get_logger("darkhorses.worker")

Clock = Callable[[], datetime]
"""Gives the present instant, in UTC."""

_DAY = timedelta(days=1)


class LiveOdds:
    """Looks at the feed and hands what it says to the collector."""

    def __init__(
        self, feed: RacingApi, collector: Collector, *, regions: Collection[str], clock: Clock
    ) -> None:
        self._feed = feed
        self._collector = collector
        self._regions = tuple(regions)
        self._clock = clock
        self._results_in_plan = True
        self._memory = CardMemory()

    async def poll_cards(self, lease: Lease, days: Sequence[date] = ()) -> Collected:
        """Look at the whole card of some days, by default today and tomorrow in London.

        What could be read is written even when a day could not be; the first FeedError is raised
        after that.
        """
        started = self._clock()
        requests = self._feed.requests
        if not days:
            today = race_day(started)
            days = (today, today + _DAY)
        answers = await asyncio.gather(
            *(self._feed.racecards(day, self._regions, memory=self._memory) for day in days),
            return_exceptions=True,
        )
        pages = [answer for answer in answers if isinstance(answer, CardPage)]
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        found = Collected()
        if pages:
            page = _joined(pages)
            if not failures:
                self._memory.keep([card.race.race_id for card in page.cards])
            found = await self._collector.collect(
                page,
                lease,
                asked_at=started,
                seen_at=self._clock(),
                whole_cycle=True,
                failed_pages=len(failures),
            )
            _log.info(
                "poll.finished",
                **msgspec.structs.asdict(found),
                failed_days=len(failures),
                requests=self._feed.requests - requests,
                ms=int((self._clock() - started).total_seconds() * 1000),
            )
        if found.missing:
            _log.warning("poll.short_page", missing=found.missing)
        for failure in failures:
            raise failure
        return found

    async def poll_race(self, race_id: RaceId, lease: Lease) -> Collected:
        """Look at one race."""
        started = self._clock()
        page = await self._feed.race(race_id, memory=self._memory)
        found = await self._collector.collect(page, lease, asked_at=started, seen_at=self._clock())
        _log.debug(
            "poll.race_finished",
            race_id=race_id,
            changed=found.changed,
            unchanged=found.unchanged,
            ms=int((self._clock() - started).total_seconds() * 1000),
        )
        return found

    async def note_results(self, lease: Lease) -> int:
        """Ask for today's results when a race that should be off has none yet."""
        now = self._clock()
        waiting = any(
            known.race.off_dt < now
            and known.race.race_status != RESULT
            and not known.race.is_abandoned
            and known.race.race_date == race_day(now)
            for known in self._collector.known.values()
        )
        if not waiting or not self._results_in_plan:
            return 0
        try:
            race_ids = await self._feed.races_with_result(self._regions)
        except PlanTooSmallError as error:
            self._results_in_plan = False
            _log.warning("results.not_in_plan", error=str(error))
            return 0
        return await self._collector.note_results(race_ids, lease)

    def is_over(self, known: KnownRace, now: datetime) -> bool:
        """Whether a race need not be looked at by itself any more."""
        return is_over(
            off_dt=known.race.off_dt,
            race_status=known.race.race_status,
            is_abandoned=known.race.is_abandoned,
            last_change_at=known.last_change_at,
            now=now,
        )


def _joined(pages: Sequence[CardPage]) -> CardPage:
    """Several days' pages as one."""
    cards = {card.race.race_id: card for page in pages for card in page.cards}
    return CardPage(
        cards=tuple(cards.values()),
        bookmakers={key: b for page in pages for key, b in page.bookmakers.items()},
        unreadable=tuple(piece for page in pages for piece in page.unreadable),
        missing=sum(page.missing for page in pages),
    )
