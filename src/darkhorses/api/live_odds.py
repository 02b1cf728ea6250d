"""From the market to pages of live odds rows."""

from collections.abc import Iterator
from datetime import date, datetime

import msgspec

from darkhorses.api.bodies import LiveOdds, LiveOddsRow
from darkhorses.api.races import Lens
from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import BookmakerId
from darkhorses.domain.london import london_clock
from darkhorses.readmodel.market import Market, MarketRace, by_number
from darkhorses.store.odds import StoredQuote
from darkhorses.store.races import StoredRunner


class LiveOddsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; ``course`` is compared without regard to case."""

    race_date: date
    course: str | None
    bookmaker_id: BookmakerId | None
    limit: int
    offset: int

    def takes(self, race: MarketRace) -> bool:
        """Whether rows of this race are asked for."""
        return race.race.race_date == self.race_date and (
            self.course is None or race.race.course.casefold() == self.course.casefold()
        )


def live_odds(lens: Lens, query: LiveOddsQuery) -> tuple[LiveOdds, datetime | None]:
    """One page of the rows that are asked for."""
    market = lens.followed.market
    rows: list[LiveOddsRow] = []
    on_page: list[MarketRace] = []
    total = 0
    for race in market.races.values():
        if not query.takes(race):
            continue
        quotes = list(_quotes_of(race, query, market))
        first = max(query.offset - total, 0)
        wanted = quotes[first : first + query.limit - len(rows)]
        total += len(quotes)
        if wanted:
            on_page.append(race)
            rows += _rows(lens, race, wanted)
    body = LiveOdds(
        success=True,
        count=len(rows),
        total=total,
        limit=query.limit,
        offset=query.offset,
        race_date=query.race_date,
        checked_at=lens.checked_at(on_page),
        stale=any(row.stale for row in rows),
        data=tuple(rows),
    )
    return body, lens.true_until(on_page, minutes=False)


_Wanted = tuple[StoredRunner, Bookmaker, StoredQuote]


def _quotes_of(race: MarketRace, query: LiveOddsQuery, market: Market) -> Iterator[_Wanted]:
    """Quotes by saddle-cloth number and bookmaker, of every runner on the card."""
    names = sorted(market.bookmakers.values(), key=lambda bookmaker: bookmaker.bookmaker_name)
    if query.bookmaker_id is not None:
        names = [bookmaker for bookmaker in names if bookmaker.bookmaker_id == query.bookmaker_id]
    for stored in sorted(race.runners.values(), key=by_number):
        if stored.removed_at is not None:
            continue
        for bookmaker in names:
            quote = race.quotes.get((stored.runner.horse_id, bookmaker.bookmaker_id))
            if quote is not None:
                yield stored, bookmaker, quote


def _rows(lens: Lens, race: MarketRace, wanted: list[_Wanted]) -> Iterator[LiveOddsRow]:
    facts = race.race
    over = race.is_over_at(lens.now)
    stale = lens.is_stale(race)
    race_time = london_clock(facts.off_dt)
    count = len(race.active_runners())
    for stored, bookmaker, row in wanted:
        runner = stored.runner
        price = row.quote.price
        yield LiveOddsRow(
            race_id=facts.race_id,
            race_date=facts.race_date,
            race_time=race_time,
            off_dt=facts.off_dt,
            course=facts.course,
            region=facts.region,
            race_name=facts.race_name,
            race_class=facts.race_class,
            race_type=facts.race_type,
            distance=facts.distance,
            going=facts.going,
            runners=count,
            horse_id=runner.horse_id,
            horse_name=runner.horse_name,
            horse_number=runner.horse_number,
            is_non_runner=runner.is_non_runner,
            jockey=runner.jockey,
            trainer=runner.trainer,
            draw=runner.draw,
            weight=runner.weight_lbs,
            age=runner.age,
            form=runner.form,
            bookmaker_id=bookmaker.bookmaker_id,
            bookmaker_name=bookmaker.bookmaker_name,
            bookmaker_type=bookmaker.bookmaker_type,
            odds_decimal=price.decimal if price is not None else None,
            odds_fractional=price.fractional if price is not None else None,
            ew_places=row.quote.ew_places,
            ew_denom=row.quote.ew_denom,
            market_status=race.status_of(row, over=over),
            in_play=row.in_play,
            odds_timestamp=row.odds_timestamp,
            fetched_at=row.fetched_at,
            updated_at=row.updated_at,
            checked_at=race.stored.checked_at,
            stale=stale,
        )
