"""What is stored of races, as the worker compares it with the next look at the feed."""

from collections.abc import Collection

from darkhorses.domain.diff import KnownRace
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Quote, QuoteKey, Race, Runner
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


async def known_races(
    connection: Connection, race_ids: Collection[RaceId]
) -> dict[RaceId, KnownRace]:
    """Load what is stored of some races; those that are not stored are not in the answer.

    The connection is to be in a REPEATABLE READ transaction, or nobody else may be writing.
    """
    asked = list(race_ids)
    runners: dict[RaceId, dict[HorseId, Runner]] = {}
    async for row in queries.runners_known(connection, race_ids=asked):
        fields = dict(row)
        race_id = fields.pop("race_id")
        runners.setdefault(race_id, {})[fields["horse_id"]] = Runner(**fields)
    quotes: dict[RaceId, dict[QuoteKey, Quote]] = {}
    async for (
        race_id,
        horse_id,
        bookmaker_id,
        decimal,
        fractional,
        places,
        denominator,
    ) in queries.quotes_known(connection, race_ids=asked):
        price = None if decimal is None else Price(decimal=decimal, fractional=fractional)
        key = HorseId(horse_id), BookmakerId(bookmaker_id)
        quotes.setdefault(race_id, {})[key] = Quote(
            price=price, ew_places=places, ew_denom=denominator
        )
    known = {}
    async for row in queries.races_known(connection, race_ids=asked):
        fields = dict(row)
        last_change_at = fields.pop("odds_changed_at")
        refreshed_at = fields.pop("odds_refreshed_at")
        checked_at = fields.pop("checked_at")
        logged_until = fields.pop("logged_until")
        race = Race(**fields)
        known[race.race_id] = KnownRace(
            race=race,
            runners=runners.get(race.race_id, {}),
            quotes=quotes.get(race.race_id, {}),
            last_change_at=last_change_at,
            refreshed_at=refreshed_at,
            checked_at=checked_at,
            logged_until=logged_until,
        )
    return known
