"""The board: every race that is not over, in the column of its stage, with its leading prices."""

from collections.abc import Collection, Mapping
from datetime import datetime
from urllib.parse import urlencode

import jinja2
import msgspec

from darkhorses.api.dashboard.words import HTML
from darkhorses.api.encoding import Encoded
from darkhorses.api.health_bodies import Health
from darkhorses.api.mover_bodies import Mover
from darkhorses.api.races import PHASE_NAMES, Lens
from darkhorses.domain.board import FavouriteMark, favourite_marks, favourite_ranks
from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Race
from darkhorses.domain.stages import Stage, next_stage, stage_at
from darkhorses.readmodel.market import MarketRace

LEADERS = 3
"""How many runners a card shows."""

_NO_MOVERS: Mapping[str, Mover] = {}
_RULES = {
    Stage.EARLY_MARKET: "2 hours and more to the off",
    Stage.PRE_RACE: "30 minutes to 2 hours",
    Stage.GOING_TO_POST: "5 to 30 minutes",
    Stage.AT_POST: "under 5 minutes, until over",
}


class BoardQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which races are shown, and by whose prices; names are compared without regard to case."""

    region: str | None = None
    course: str | None = None
    type: str | None = None
    bookmaker: str | None = None
    horse: str | None = None

    @property
    def chosen(self) -> dict[str, str]:
        """What is asked for, by the names that stand in an address."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value}

    @property
    def address(self) -> str:
        """The query as it stands in an address, with its question mark."""
        return f"?{urlencode(self.chosen)}" if self.chosen else ""

    def takes(self, race: MarketRace) -> bool:
        """Whether a race is asked for."""
        facts = race.race
        wanted = (
            (self.region, facts.region),
            (self.course, facts.course),
            (self.type, facts.race_type or ""),
        )
        if any(asked and asked.casefold() != said.casefold() for asked, said in wanted):
            return False
        return not self.horse or any(
            self.horse.casefold() in stored.runner.horse_name.casefold()
            for stored in race.runners.values()
            if stored.removed_at is None
        )


class Leader(msgspec.Struct, frozen=True, kw_only=True):
    """A runner on a card, with its price and, for a best price, who offers it."""

    horse_id: HorseId
    horse_name: str
    horse_number: int | None
    mark: FavouriteMark | None
    price: Price
    holders: tuple[str, ...]


class BoardCard(msgspec.Struct, frozen=True, kw_only=True):
    """A race on the board; ``next_at`` is when it enters ``next_stage``."""

    race: Race
    stage: Stage
    next_at: datetime | None
    runners: int
    non_runners: int
    leaders: tuple[Leader, ...]
    mover: Mover | None
    checked_at: datetime
    stale: bool
    late: bool

    @property
    def facts(self) -> str:
        """What kind of race it is, in a line."""
        race = self.race
        facts = (race.race_class, race.race_type, race.distance, race.going)
        return " · ".join(fact for fact in facts if fact)


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the board; the most urgent stands first."""

    key: str
    name: str
    rule: str
    cards: tuple[BoardCard, ...]


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What the filters offer: all that the races on the board have."""

    regions: tuple[str, ...]
    courses: tuple[str, ...]
    types: tuple[str, ...]
    bookmakers: tuple[Bookmaker, ...]


def board_page(
    environment: jinja2.Environment,
    lens: Lens,
    health: Health,
    query: BoardQuery,
    *,
    template: str,
    movers: Mapping[str, Mover] = _NO_MOVERS,
) -> tuple[Encoded, datetime | None]:
    """The board as a whole page or its live part, and until when it is true."""
    running = [
        race for race in lens.followed.market.races.values() if not race.is_over_at(lens.now)
    ]
    cards = [_card(lens, race, query, movers) for race in running if query.takes(race)]
    columns = [
        Column(
            key=str(stage),
            name=PHASE_NAMES[stage],
            rule=_RULES[stage],
            cards=tuple(card for card in cards if card.stage is stage),
        )
        for stage in reversed(Stage)
    ]
    html = environment.get_template(template).render(
        page="board",
        columns=columns,
        choices=_choices(lens, running),
        query=query,
        shown=len(cards),
        running=len(running),
        health=health,
        now=lens.now,
    )
    return Encoded(html.encode(), HTML), lens.true_until(running, minutes=True)


def _card(
    lens: Lens, race: MarketRace, query: BoardQuery, movers: Mapping[str, Mover]
) -> BoardCard:
    coming = next_stage(race.race.off_dt, lens.now)
    return BoardCard(
        race=race.race,
        stage=stage_at(race.race.off_dt, lens.now),
        next_at=coming.begins_at if coming is not None else None,
        runners=len(race.active_runners()),
        non_runners=sum(stored.runner.is_non_runner for stored in race.runners.values()),
        leaders=(
            _leaders(lens, race)
            if query.bookmaker is None
            else _leaders_by(race, BookmakerId(query.bookmaker))
        ),
        mover=movers.get(race.race.race_id),
        checked_at=race.stored.checked_at,
        stale=lens.is_stale(race),
        late=race.race.off_dt < lens.now,
    )


def _leaders(lens: Lens, race: MarketRace) -> tuple[Leader, ...]:
    """The first in the betting, by best bookmaker price."""
    return tuple(
        Leader(
            horse_id=HorseId(runner.horse_id),
            horse_name=runner.horse_name,
            horse_number=runner.horse_number,
            mark=runner.favorite_mark,
            price=Price(decimal=runner.best_odds_decimal, fractional=runner.best_odds_fractional),
            holders=runner.best_bookmakers,
        )
        for runner in lens.prepared.of(lens.followed.market, race).best[:LEADERS]
        if runner.best_odds_decimal is not None
    )


def _leaders_by(race: MarketRace, bookmaker_id: BookmakerId) -> tuple[Leader, ...]:
    """The first in the betting by the prices of one bookmaker or exchange."""
    prices = {
        stored.runner.horse_id: (stored.runner, quote.quote.price)
        for stored in race.active_runners()
        if (quote := race.quotes.get((stored.runner.horse_id, bookmaker_id))) is not None
        and quote.quote.price is not None
    }
    ranks = favourite_ranks({horse_id: price for horse_id, (_, price) in prices.items()})
    marks = favourite_marks(ranks)
    return tuple(
        Leader(
            horse_id=horse_id,
            horse_name=runner.horse_name,
            horse_number=runner.horse_number,
            mark=marks.get(horse_id),
            price=price,
            holders=(),
        )
        for horse_id in sorted(ranks, key=ranks.__getitem__)[:LEADERS]
        for runner, price in (prices[horse_id],)
    )


def _choices(lens: Lens, running: Collection[MarketRace]) -> Choices:
    facts = [race.race for race in running]
    quoting = {bookmaker_id for race in running for _, bookmaker_id in race.quotes}
    bookmakers = lens.followed.market.bookmakers
    return Choices(
        regions=tuple(sorted({race.region for race in facts})),
        courses=tuple(sorted({race.course for race in facts})),
        types=tuple(sorted({race.race_type for race in facts if race.race_type})),
        bookmakers=tuple(
            sorted(
                (bookmakers[one] for one in quoting if one in bookmakers),
                key=lambda bookmaker: bookmaker.bookmaker_name.casefold(),
            )
        ),
    )
