"""From the market to the list of a day's races."""

from datetime import date, datetime

import msgspec

from darkhorses.api.bodies import RunnerPrices
from darkhorses.api.race_boards import completeness_of
from darkhorses.api.race_bodies import Favourite, ListedRace, RaceList
from darkhorses.api.races import Lens, summary_fields
from darkhorses.domain.race_board import books_of
from darkhorses.domain.stages import Stage, stage_at
from darkhorses.readmodel.boards import board_of
from darkhorses.readmodel.market import MarketRace

_SHORTEST = 3


class RaceListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which races: ``region`` and ``course`` (name or id) are compared without regard to case."""

    day: date
    region: str | None = None
    course: str | None = None
    stage: Stage | None = None

    def takes(self, race: MarketRace, now: datetime) -> bool:
        """Whether a race is asked for; one that is over is in no stage any more."""
        facts = race.race
        return (
            facts.race_date == self.day
            and race.is_run_in(region=self.region, course=self.course)
            and (
                self.stage is None
                or (not race.is_over_at(now) and stage_at(facts.off_dt, now) is self.stage)
            )
        )


def race_list(lens: Lens, query: RaceListQuery) -> tuple[RaceList, datetime | None]:
    """The races that are asked for, and until when the list is true if nothing is written."""
    of_day = lens.followed.market.races_of(query.day)
    wanted = [race for race in of_day if query.takes(race, lens.now)]
    races = tuple(_listed(lens, race) for race in wanted)
    body = RaceList(
        success=True,
        date=query.day,
        count=len(races),
        checked_at=lens.checked_at(wanted),
        stale=any(race.stale for race in races),
        data=races,
    )
    # Those left out may come into the stage that is asked for.
    return body, lens.true_until(of_day, minutes=True)


def _listed(lens: Lens, race: MarketRace) -> ListedRace:
    market = lens.followed.market
    board = board_of(race, market.bookmakers, as_of=lens.now)
    prepared = lens.prepared.of(market, race).best
    return ListedRace(
        **summary_fields(lens, race),
        course_id=race.race.course_id,
        non_runners=sum(one.runner.is_non_runner for one in board.runners.values()),
        favourites=tuple(found for runner in prepared if (found := _favourite(runner))),
        shortest=prepared[:_SHORTEST],
        completeness=completeness_of(board, books_of(board)),
    )


def _favourite(runner: RunnerPrices) -> Favourite | None:
    if runner.favorite_mark is None or runner.best_odds_decimal is None:
        return None
    return Favourite(
        horse_id=runner.horse_id,
        horse_name=runner.horse_name,
        mark=runner.favorite_mark,
        odds_decimal=runner.best_odds_decimal,
        odds_fractional=runner.best_odds_fractional,
    )
