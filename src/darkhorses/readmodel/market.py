"""The market as an immutable value, and how news from the database makes the next one."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import TypeVar

import msgspec

from darkhorses.domain.board import has_place, saddle_cloth_order
from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.races import MarketStatus, QuoteKey, Race
from darkhorses.domain.stages import is_over
from darkhorses.store.odds import StoredQuote
from darkhorses.store.races import StoredRace, StoredRunner

Row = TypeVar("Row", StoredRunner, StoredQuote)


class MarketRace(msgspec.Struct, frozen=True, kw_only=True):
    """A race with its runners and quotes.

    ``runners`` holds removed ones too. A look that changed nothing makes a new race around the
    same ``runners`` and ``quotes`` objects: what is derived from those alone may be kept by them.
    """

    stored: StoredRace
    runners: dict[HorseId, StoredRunner]
    quotes: dict[QuoteKey, StoredQuote]

    @property
    def race(self) -> Race:
        """The facts of the race."""
        return self.stored.race

    @property
    def revision(self) -> int:
        """The revision of the last write about this race."""
        return self.stored.revision

    def active_runners(self) -> list[StoredRunner]:
        """Runners that count in the market, by saddle-cloth number, those without one last."""
        active = [
            stored
            for stored in self.runners.values()
            if has_place(stored.runner, removed=stored.removed_at is not None)
        ]
        return sorted(active, key=by_number)

    def is_over_at(self, now: datetime) -> bool:
        """Whether the market of this race has ended."""
        return is_over(
            off_dt=self.race.off_dt,
            race_status=self.race.race_status,
            is_abandoned=self.race.is_abandoned,
            last_change_at=self.stored.odds_changed_at,
            now=now,
        )

    def is_run_in(self, *, region: str | None, course: str | None) -> bool:
        """Whether it is run there; a course by name or id, without regard to case, None for any."""
        facts = self.race
        return (region is None or facts.region.casefold() == region.casefold()) and (
            course is None
            or course.casefold() in {facts.course.casefold(), facts.course_id.casefold()}
        )

    def status_of(self, quote: StoredQuote, *, over: bool) -> MarketStatus:
        """Whether this price can be taken: never without a price, a runner or a race to come."""
        stored = self.runners.get(quote.horse_id)
        can_run = stored is not None and has_place(
            stored.runner, removed=stored.removed_at is not None
        )
        if over or not can_run or quote.quote.price is None:
            return MarketStatus.SUSPENDED
        return quote.market_status


def by_number(stored: StoredRunner) -> tuple[bool, int, str]:
    """Sorting key: saddle-cloth number, then name; runners without a number come last."""
    return saddle_cloth_order(stored.runner)


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What one snapshot of the database adds to a market: rows with a newer revision."""

    races: tuple[StoredRace, ...]
    runners: tuple[StoredRunner, ...]
    quotes: tuple[StoredQuote, ...]
    bookmakers: dict[BookmakerId, Bookmaker]


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """All races from a race day on, by off time, and the bookmakers that quote them."""

    from_day: date
    revision: int = 0
    races: dict[RaceId, MarketRace] = msgspec.field(default_factory=dict)
    bookmakers: dict[BookmakerId, Bookmaker] = msgspec.field(default_factory=dict)

    def races_of(self, day: date) -> list[MarketRace]:
        """The races of a London race day, by off time."""
        return [race for race in self.races.values() if race.race.race_date == day]

    def from_day_on(self, day: date) -> "Market":
        """The market without the races before a race day; its revision is that of the rest."""
        races = {
            race_id: race for race_id, race in self.races.items() if race.race.race_date >= day
        }
        revision = max((race.revision for race in races.values()), default=0)
        return msgspec.structs.replace(self, from_day=day, races=races, revision=revision)


def updated(market: Market, news: News) -> Market:
    """The market with the news in it; races that the news does not name are taken as they are."""
    runners = _by_race(news.runners)
    quotes = _by_race(news.quotes)
    races = dict(market.races)
    for stored in news.races:
        race_id = stored.race.race_id
        races[race_id] = _updated_race(
            races.get(race_id), stored, runners.get(race_id, ()), quotes.get(race_id, ())
        )
    ordered = sorted(races.items(), key=lambda item: (item[1].race.off_dt, item[0]))
    revisions = (stored.revision for stored in news.races)
    same_bookmakers = market.bookmakers == news.bookmakers
    return msgspec.structs.replace(
        market,
        revision=max(revisions, default=market.revision),
        races=dict(ordered),
        bookmakers=market.bookmakers if same_bookmakers else news.bookmakers,
    )


def _by_race(rows: Iterable[Row]) -> dict[RaceId, list[Row]]:
    grouped: dict[RaceId, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.race_id, []).append(row)
    return grouped


def _updated_race(
    known: MarketRace | None,
    stored: StoredRace,
    runners: Iterable[StoredRunner],
    quotes: Iterable[StoredQuote],
) -> MarketRace:
    known_runners = known.runners if known is not None else {}
    known_quotes = known.quotes if known is not None else {}
    new_runners = {row.runner.horse_id: row for row in runners}
    new_quotes = {(row.horse_id, row.bookmaker_id): row for row in quotes}
    return MarketRace(
        stored=stored,
        runners={**known_runners, **new_runners} if new_runners else known_runners,
        quotes={**known_quotes, **new_quotes} if new_quotes else known_quotes,
    )
