"""How races ended, written as the nightly job writes it."""

from collections.abc import Mapping
from datetime import datetime

from darkhorses.domain.history import PastRace, historical_rows
from darkhorses.domain.identifiers import HorseId
from darkhorses.domain.race_days import Completeness, RaceDay
from darkhorses.domain.races import Card
from darkhorses.domain.results import RaceResult, ResultRunner
from darkhorses.store.pool import Database
from darkhorses.store.writing.history import PastDay, write_past_day


def result(of: Card, positions: Mapping[str, str]) -> RaceResult:
    """The result of a card's race: by horse's name its position or code; others did not run."""
    ids = {runner.horse_name: runner.horse_id for runner in of.runners.values()}
    race = of.race
    return RaceResult(
        race_id=race.race_id,
        race_date=race.race_date,
        off_dt=race.off_dt,
        region=race.region,
        course_id=race.course_id,
        course=race.course,
        race_name=race.race_name,
        runners={
            ids[name]: ResultRunner(
                horse_id=HorseId(ids[name]),
                horse_name=name,
                position=position,
                position_no=int(position) if position.isdigit() else None,
            )
            for name, position in positions.items()
        },
    )


async def write_result(
    database: Database,
    of: Card,
    positions: Mapping[str, str] | None,
    *,
    read_at: datetime,
    stands: bool = False,
) -> None:
    """Write how a card's race ended; None: it was void and has no result."""
    found = None if positions is None else result(of, positions)
    past = PastRace(card=of, result=found, void=found is None)
    completeness = Completeness.COMPLETE if stands else Completeness.PROVISIONAL
    await write_past_day(
        database.transaction,
        PastDay(
            ledger=RaceDay(
                race_date=of.race.race_date,
                region=of.race.region.lower(),
                cards=Completeness.COMPLETE,
                results=completeness,
                checked_at=read_at,
            ),
            rows=historical_rows(past),
            results=[] if found is None else [found],
            provisional=not stands,
        ),
    )
