"""From the paths of all prices to the runners that moved."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, time, timedelta

import msgspec

from darkhorses.api.mover_bodies import Direction, Mover, MoverBook, Movers, Window
from darkhorses.api.races import Lens
from darkhorses.domain.board import best_price
from darkhorses.domain.bookmakers import Bookmaker, BookmakerType, bookmaker_named
from darkhorses.domain.identifiers import BookmakerId, RaceId
from darkhorses.domain.london import LONDON, london_clock, race_day
from darkhorses.domain.movers import BookMove, RunnerMove, runner_move
from darkhorses.domain.price_moves import LEAST_BOOKMAKERS
from darkhorses.readmodel.market import MarketRace
from darkhorses.readmodel.price_paths import PricePaths
from darkhorses.store.races import StoredRunner

KEPT_FOR = timedelta(seconds=10)
"""How long an answer may be given on while nothing is written: windows move with the clock."""

_MORNING = time(8)
_PLACES = 3
_LENGTHS = {Window.FIVE_MINUTES: timedelta(minutes=5), Window.HOUR: timedelta(hours=1)}

METHOD = (
    "Points are the mean change of 1/price, in percentage points, over the bookmakers that had a "
    "price at the beginning and have one now; exchanges are shown and not counted. A runner is "
    f"listed when at least {LEAST_BOOKMAKERS} bookmakers went the same way, and more than went "
    "the other way. Who led is who was first seen on that side of its own price; what changed "
    "between two looks at the feed changed together. Non-runners and races that are over are left "
    "out."
)


class MoversQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; ``region`` and ``course`` are compared without regard to case."""

    window: Window
    direction: Direction | None
    region: str | None
    course: str | None
    race_id: RaceId | None
    limit: int

    def takes(self, race: MarketRace) -> bool:
        """Whether moves in this race are asked for."""
        is_meant = self.race_id is None or race.race.race_id == self.race_id
        return is_meant and race.is_run_in(region=self.region, course=self.course)


def movers(lens: Lens, paths: PricePaths, query: MoversQuery) -> tuple[Movers, datetime | None]:
    """The largest moves of the races that are not over."""
    since = _since(query.window, lens.now)
    races = [
        race
        for race in lens.followed.market.races.values()
        if query.takes(race) and not race.is_over_at(lens.now)
    ]
    found = [
        (race, runner, move)
        for race in races
        for runner, move in _moves_in(lens, race, paths, since)
        if query.direction is None or _direction(move) is query.direction
    ]
    found.sort(key=lambda one: (-abs(one[2].points), one[1].runner.horse_id))
    data = tuple(_row(lens, one, since) for one in found[: query.limit])
    body = Movers(
        success=True,
        window=query.window,
        since=since,
        count=len(data),
        total=len(found),
        limit=query.limit,
        method=METHOD,
        checked_at=lens.checked_at(races),
        stale=any(lens.is_stale(race) for race in races),
        data=data,
    )
    moments = [lens.true_until(races, minutes=False), lens.now + KEPT_FOR]
    return body, min(moment for moment in moments if moment is not None)


def _since(window: Window, now: datetime) -> datetime | None:
    """When a window begins (UTC); None for the opening, which is each bookmaker's own."""
    if window is Window.OPENING:
        return None
    if window is Window.MORNING:
        today = datetime.combine(race_day(now), _MORNING, LONDON)
        begins = (
            today
            if today <= now
            else datetime.combine(race_day(now) - timedelta(days=1), _MORNING, LONDON)
        )
        return begins.astimezone(now.tzinfo)
    return now - _LENGTHS[window]


def _moves_in(
    lens: Lens, race: MarketRace, paths: PricePaths, since: datetime | None
) -> Iterator[tuple[StoredRunner, RunnerMove]]:
    of_race = paths.of(race.race.race_id)
    exchanges = {
        who
        for who, bookmaker in lens.followed.market.bookmakers.items()
        if bookmaker.bookmaker_type is BookmakerType.EXCHANGE
    }
    for stored in race.active_runners():
        of_runner = of_race.of_runner(stored.runner.horse_id)
        move = runner_move(of_runner, since=since, exchanges=exchanges)
        if move is not None:
            yield stored, move


def _direction(move: RunnerMove) -> Direction:
    return Direction.STEAMERS if move.shortened else Direction.DRIFTERS


def _row(
    lens: Lens, found: tuple[MarketRace, StoredRunner, RunnerMove], since: datetime | None
) -> Mover:
    race, stored, move = found
    facts, runner = race.race, stored.runner
    names = lens.followed.market.bookmakers
    before = best_price((book.bookmaker_id, book.before) for book in move.books)
    after = best_price((book.bookmaker_id, book.after) for book in move.books)
    if before is None or after is None:
        raise ValueError("a move without bookmakers")
    return Mover(
        race_id=facts.race_id,
        race_date=facts.race_date,
        race_time=london_clock(facts.off_dt),
        off_dt=facts.off_dt,
        course=facts.course,
        region=facts.region,
        race_name=facts.race_name,
        horse_id=runner.horse_id,
        horse_name=runner.horse_name,
        horse_number=runner.horse_number,
        direction=_direction(move),
        points=round(move.points, _PLACES),
        chance_before=round(move.chance_before, _PLACES),
        chance_after=round(move.chance_after, _PLACES),
        best_before=before.price.decimal,
        best_after=after.price.decimal,
        began_at=move.began_at,
        moved=len(move.books) - len(move.laggards),
        led=_names(names, move.leaders),
        not_followed=_names(names, move.laggards),
        withdrawn=_withdrawn(race, since),
        bookmakers=_books(names, move.books),
        exchanges=_books(names, move.exchanges),
        checked_at=race.stored.checked_at,
        stale=lens.is_stale(race),
    )


def _withdrawn(race: MarketRace, since: datetime | None) -> int:
    return sum(
        stored.non_runner_at is not None and (since is None or stored.non_runner_at > since)
        for stored in race.runners.values()
    )


def _books(
    names: Mapping[BookmakerId, Bookmaker], moves: Iterable[BookMove]
) -> tuple[MoverBook, ...]:
    ordered = sorted(moves, key=lambda move: (-abs(move.points), move.bookmaker_id))
    return tuple(
        MoverBook(
            bookmaker_id=move.bookmaker_id,
            bookmaker_name=_name(names, move.bookmaker_id),
            odds_before=move.before.decimal,
            odds_after=move.after.decimal,
            points=round(move.points, _PLACES),
            began_at=move.began_at,
        )
        for move in ordered
    )


def _names(names: Mapping[BookmakerId, Bookmaker], ids: Iterable[BookmakerId]) -> tuple[str, ...]:
    return tuple(_name(names, bookmaker_id) for bookmaker_id in ids)


def _name(names: Mapping[BookmakerId, Bookmaker], bookmaker_id: BookmakerId) -> str:
    return (names.get(bookmaker_id) or bookmaker_named(bookmaker_id)).bookmaker_name
