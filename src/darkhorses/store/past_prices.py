"""What our own change log and cards still know of races that are over."""

from collections.abc import Collection
from datetime import date, datetime

from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.domain.price_summaries import LoggedPrice
from darkhorses.store.odds import stored_price
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


async def races_in_change_log(
    connection: Connection, day: date, race_ids: Collection[RaceId]
) -> list[RaceId]:
    """Which of these races of a day the change log has anything of."""
    rows = queries.races_in_change_log(connection, race_date=day, race_ids=list(race_ids))
    return [RaceId(row["race_id"]) async for row in rows]


async def change_log_of(
    connection: Connection,
    day: date,
    race_id: RaceId,
    *,
    horse_ids: Collection[HorseId] | None = None,
) -> dict[HorseId, list[LoggedPrice]]:
    """A race's log by runner (of some, or all), in the order in which the prices took effect."""
    log: dict[HorseId, list[LoggedPrice]] = {}
    rows = queries.change_log_of_race(
        connection,
        race_date=day,
        race_id=race_id,
        horse_ids=None if horse_ids is None else list(horse_ids),
    )
    async for horse_id, bookmaker_id, decimal, fractional, effective_at in rows:
        log.setdefault(horse_id, []).append(
            LoggedPrice(
                at=effective_at,
                bookmaker_id=BookmakerId(bookmaker_id),
                price=stored_price(decimal, fractional),
            )
        )
    return log


async def last_price_of(connection: Connection, day: date, race_id: RaceId) -> datetime | None:
    """When the last price of a race was put up (UTC); None when its log has none."""
    at: datetime | None = await queries.last_price_of_race(
        connection, race_date=day, race_id=race_id
    )
    return at


async def saddle_cloth_numbers(
    connection: Connection, race_ids: Collection[RaceId]
) -> dict[RaceId, dict[HorseId, int]]:
    """The numbers that runners had when we looked, also where their card has lost them since."""
    numbers: dict[RaceId, dict[HorseId, int]] = {}
    rows = queries.saddle_cloth_numbers(connection, race_ids=list(race_ids))
    async for race_id, horse_id, number in rows:
        numbers.setdefault(race_id, {})[horse_id] = number
    return numbers
