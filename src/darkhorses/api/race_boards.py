"""From a race's board, of now or of a moment of the past, to the body about it."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from darkhorses.api.race_bodies import (
    BestBookSummary,
    BoardCompleteness,
    BoardRow,
    BookColumn,
    EachWay,
    ExchangeColumn,
    FairChances,
    PriceCell,
    RacePage,
)
from darkhorses.api.races import Lens, minutes_until, race_facts
from darkhorses.api.stored_races import PastBoard
from darkhorses.domain.fair_odds import FairChance
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.market_at import NOT_REBUILT
from darkhorses.domain.race_board import BoardQuote, BoardRunner, Book, RaceBoard
from darkhorses.domain.race_figures import Figures, figures_of
from darkhorses.domain.settlement import each_way_terms, is_handicap
from darkhorses.domain.stages import is_over, stage_at
from darkhorses.readmodel.boards import board_of
from darkhorses.readmodel.market import MarketRace

_PLACES = 6
_SECOND = timedelta(seconds=1)


def race_page(lens: Lens, race: MarketRace) -> tuple[RacePage, datetime | None]:
    """A race as it stands now, and until when that is true if nothing is written."""
    board = board_of(race, lens.followed.market.bookmakers, as_of=lens.now)
    page = _page(
        board, at=None, over=race.is_over_at(lens.now), stale=lens.is_stale(race), as_now=()
    )
    return page, lens.true_until([race], minutes=True)


def past_race_page(past: PastBoard, at: datetime) -> RacePage:
    """A race as it stood at a moment; whether it was over by then, by its off and changes alone."""
    over = is_over(
        off_dt=past.board.race.off_dt,
        race_status=None,
        is_abandoned=False,
        last_change_at=past.board.last_change_at,
        now=at,
    )
    return _page(
        past.board,
        at=at,
        over=over,
        stale=None,
        as_now=NOT_REBUILT,
        prices_known_from=past.known_from,
        before_first_price=past.known_from is None or at < past.known_from,
    )


def completeness_of(board: RaceBoard, books: tuple[Book, ...]) -> BoardCompleteness:
    """How many of the prices that there could be there are."""
    of_bookmakers = [book for book in books if not book.is_exchange]
    active = board.active()
    priced = sum(len(book.prices) for book in of_bookmakers)
    possible = len(of_bookmakers) * len(active)
    with_price = {horse_id for book in of_bookmakers for horse_id in book.prices}
    return BoardCompleteness(
        bookmakers=len(of_bookmakers),
        complete_bookmakers=sum(book.is_whole for book in of_bookmakers),
        priced=priced,
        possible=possible,
        share=_share(priced / possible) if possible else None,
        unpriced_runners=tuple(horse_id for horse_id in active if horse_id not in with_price),
    )


def _page(
    board: RaceBoard,
    *,
    at: datetime | None,
    over: bool,
    stale: bool | None,
    as_now: tuple[str, ...],
    prices_known_from: datetime | None = None,
    before_first_price: bool = False,
) -> RacePage:
    figures = figures_of(board)
    race = board.race
    active = len(board.active())
    handicap = is_handicap(race.race_name)
    last_changed = _last_changes(board)
    terms = each_way_terms(active, handicap=handicap)
    return RacePage(
        **race_facts(race),
        success=True,
        at=at,
        as_of=board.as_of,
        course_id=race.course_id,
        pattern=race.pattern,
        distance_f=race.distance_f,
        surface=race.surface,
        age_band=race.age_band,
        rating_band=race.rating_band,
        is_handicap=handicap,
        is_over=over,
        stage=stage_at(race.off_dt, board.as_of),
        minutes_until=minutes_until(race.off_dt, board.as_of),
        runners=active,
        non_runners=sum(one.runner.is_non_runner for one in board.runners.values()),
        last_updated=board.last_change_at,
        checked_at=board.checked_at,
        stale=stale,
        feed_refreshed_at=board.refreshed_at,
        feed_lag_seconds=_seconds(board.refreshed_at, board.checked_at),
        prices_known_from=prices_known_from,
        before_first_price=before_first_price,
        as_now=as_now,
        standard_each_way=(
            EachWay(places=terms.places, denominator=terms.denominator, runners=active)
            if terms is not None
            else None
        ),
        completeness=completeness_of(board, figures.books),
        best_book=_best_book(figures, stale=stale),
        fair_books=figures.consensus.books if figures.consensus is not None else 0,
        bookmakers=tuple(_column(figures, book, last_changed) for book in figures.bookmakers),
        exchanges=tuple(_exchange(book, last_changed) for book in figures.exchanges),
        runners_data=tuple(_row(figures, runner) for runner in board.on_card()),
    )


def _best_book(figures: Figures, *, stale: bool | None) -> BestBookSummary:
    total = figures.best.total
    changed = [
        figures.board.quotes[horse_id, bookmaker_id].changed_at
        for horse_id, best in figures.best.best.items()
        for bookmaker_id in best.bookmakers
    ]
    return BestBookSummary(
        percentage=round(100 * total, _PLACES - 2) if total is not None else None,
        unpriced_runners=figures.best.unpriced,
        stale=stale,
        checked_at=figures.board.checked_at,
        oldest_changed_at=min(changed, default=None),
    )


def _column(
    figures: Figures, book: Book, last_changed: Mapping[BookmakerId, datetime]
) -> BookColumn:
    who = book.bookmaker.bookmaker_id
    overround = book.overround
    quotes = [figures.board.quotes[horse_id, who].quote for horse_id in book.prices]
    terms = Counter((quote.ew_places, quote.ew_denom) for quote in quotes)
    return BookColumn(
        bookmaker_id=who,
        bookmaker_name=book.bookmaker.bookmaker_name,
        priced=len(book.prices),
        unpriced_runners=book.unpriced,
        overround=_share(overround) if overround is not None else None,
        no_overround=_no_overround(book),
        best_on=sum(who in best.bookmakers for best in figures.best.best.values()),
        each_way=tuple(
            EachWay(places=places, denominator=denominator, runners=runners)
            for (places, denominator), runners in terms.most_common()
            if places is not None and denominator is not None
        ),
        last_changed_at=last_changed[who],
    )


def _no_overround(book: Book) -> str | None:
    if book.is_whole:
        return None
    if not book.unpriced:
        return "no runner is in the market"
    runners = len(book.prices) + len(book.unpriced)
    return f"no price on {len(book.unpriced)} of {runners} runners"


def _exchange(book: Book, last_changed: Mapping[BookmakerId, datetime]) -> ExchangeColumn:
    return ExchangeColumn(
        bookmaker_id=book.bookmaker.bookmaker_id,
        bookmaker_name=book.bookmaker.bookmaker_name,
        priced=len(book.prices),
        last_changed_at=last_changed[book.bookmaker.bookmaker_id],
    )


def _last_changes(board: RaceBoard) -> dict[BookmakerId, datetime]:
    """When each book last changed."""
    last: dict[BookmakerId, datetime] = {}
    for (_, who), stored in board.quotes.items():
        if who not in last or stored.changed_at > last[who]:
            last[who] = stored.changed_at
    return last


def _row(figures: Figures, known: BoardRunner) -> BoardRow:
    runner = known.runner
    return BoardRow(
        horse_id=runner.horse_id,
        horse_name=runner.horse_name,
        horse_number=runner.horse_number,
        draw=runner.draw,
        jockey=runner.jockey,
        jockey_claim=runner.jockey_claim_lbs,
        trainer=runner.trainer,
        age=runner.age,
        weight=runner.weight_lbs,
        headgear=runner.headgear,
        form=runner.form,
        official_rating=runner.official_rating,
        silk_url=runner.silk_url,
        in_market=known.in_market,
        is_non_runner=runner.is_non_runner,
        non_runner_at=known.non_runner_at,
        is_reserve=runner.is_reserve,
        **_standing(figures, runner.horse_id),
        prices=_cells(figures, runner.horse_id, figures.bookmakers),
        exchange_prices=_cells(figures, runner.horse_id, figures.exchanges),
    )


def _standing(figures: Figures, horse_id: HorseId) -> dict[str, Any]:
    """The fields of a row that say how its runner stands among the others."""
    best = figures.best.best.get(horse_id)
    rank = figures.ranks.get(horse_id)
    names = {book.bookmaker.bookmaker_id: book.bookmaker.bookmaker_name for book in figures.books}
    fair = figures.consensus.chances.get(horse_id) if figures.consensus is not None else None
    return {
        "best_odds_decimal": best.price.decimal if best is not None else None,
        "best_odds_fractional": best.price.fractional if best is not None else None,
        "best_bookmakers": tuple(names[who] for who in best.bookmakers) if best else (),
        "is_favorite": rank == 1,
        "favorite_rank": rank,
        "favorite_mark": figures.marks.get(horse_id),
        "fair": _fair(fair) if fair is not None else None,
    }


def _fair(chance: FairChance) -> FairChances:
    return FairChances(
        proportional=_share(chance.proportional),
        power=_share(chance.power),
        shin=_share(chance.shin),
    )


def _cells(figures: Figures, horse_id: HorseId, books: list[Book]) -> tuple[PriceCell, ...]:
    best = figures.best.best.get(horse_id)
    holders = best.bookmakers if best is not None else ()
    return tuple(
        _cell(figures.board, who, stored, is_best=who in holders)
        for book in books
        if (stored := figures.board.quotes.get((horse_id, who := book.bookmaker.bookmaker_id)))
    )


def _cell(board: RaceBoard, who: BookmakerId, stored: BoardQuote, *, is_best: bool) -> PriceCell:
    price = stored.quote.price
    checked_at = board.checked_at
    return PriceCell(
        bookmaker_id=who,
        odds_decimal=price.decimal if price is not None else None,
        odds_fractional=price.fractional if price is not None else None,
        ew_places=stored.quote.ew_places,
        ew_denom=stored.quote.ew_denom,
        is_best=is_best,
        changed_at=stored.changed_at,
        changed_seconds_ago=(board.as_of - stored.changed_at) // _SECOND,
        fetched_at=stored.fetched_at,
        checked_at=checked_at,
        checked_seconds_ago=_seconds(checked_at, board.as_of),
    )


def _seconds(since: datetime | None, until: datetime | None) -> int | None:
    return (until - since) // _SECOND if since is not None and until is not None else None


def _share(value: float) -> float:
    return round(value, _PLACES)
