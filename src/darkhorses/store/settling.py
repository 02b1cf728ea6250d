"""What there is to settle a bet by: the race and how it ended, its runners, terms and prices."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import msgspec

from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.price_summaries import LoggedPrice
from darkhorses.domain.settlement import EachWayTerms
from darkhorses.store.past_prices import change_log_of, last_price_of
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


class SettlingRace(msgspec.Struct, frozen=True, kw_only=True):
    """A race; ``ran`` horses, None without a result, which was last written at ``result_at``.

    ``amended_at`` is when a runner's place was last corrected. All times are UTC.
    """

    race_date: date
    off_dt: datetime
    race_name: str
    is_abandoned: bool
    ran: int | None
    is_provisional: bool
    result_at: datetime | None
    amended_at: datetime | None


class SettlingRunner(msgspec.Struct, frozen=True, kw_only=True):
    """A runner; ``has_ended`` says that its place in the result, if any, is known.

    ``is_void``: bets on it were given back, as those on a non-runner or of a void race.
    ``tied`` counts the horses at its place, itself included.
    """

    horse_id: HorseId
    horse_name: str
    is_non_runner: bool
    is_reserve: bool
    non_runner_at: datetime | None
    is_on_card: bool
    has_ended: bool
    position_no: int | None
    finishing_position: str | None
    tied: int
    is_void: bool


class SettlingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. ``log`` is of the horse that was bet on and of the non-runners.

    ``terms`` are the bookmaker's latest known; ``last_price_at`` is when anyone last put up a
    price on the race.
    """

    race: SettlingRace
    runners: Mapping[HorseId, SettlingRunner]
    terms: EachWayTerms | None
    log: Mapping[HorseId, Sequence[LoggedPrice]]
    last_price_at: datetime | None


async def settling_facts(
    connection: Connection, race_id: RaceId, horse_id: HorseId, bookmaker_id: BookmakerId
) -> SettlingFacts | None:
    """Everything about a bet on a horse; None when the race is not known. For use in a snapshot."""
    row = await queries.settling_race(connection, race_id=race_id)
    if row is None:
        return None
    race = SettlingRace(**row)
    runners = {
        runner.horse_id: runner
        async for record in queries.settling_runners(connection, race_id=race_id)
        for runner in (SettlingRunner(**record),)
    }
    terms = await queries.settling_terms(
        connection, race_id=race_id, horse_id=horse_id, bookmaker_id=bookmaker_id
    )
    absent = {other for other, runner in runners.items() if runner.is_non_runner}
    return SettlingFacts(
        race=race,
        runners=runners,
        terms=None if terms is None else EachWayTerms(**terms),
        log=await change_log_of(connection, race.race_date, race_id, horse_ids=absent | {horse_id}),
        last_price_at=await last_price_of(connection, race.race_date, race_id),
    )
