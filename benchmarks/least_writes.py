"""The least that must be written when every price of a day changes: one upsert and one COPY."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Self

import asyncpg

from darkhorses.domain.races import Card

_UPSERT = """
    INSERT INTO ra_odds_live (
        race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional, ew_places, ew_denom,
        market_status, odds_timestamp, fetched_at, updated_at, revision
    )
    SELECT q.*, 'OPEN', $8, $9, $9, 1
    FROM unnest($1::text[], $2::text[], $3::text[], $4::numeric[], $5::text[], $6::smallint[],
        $7::smallint[]) AS q
    ON CONFLICT (race_id, horse_id, bookmaker_id) DO UPDATE SET
        odds_decimal = excluded.odds_decimal, odds_fractional = excluded.odds_fractional,
        ew_places = excluded.ew_places, ew_denom = excluded.ew_denom,
        odds_timestamp = excluded.odds_timestamp, updated_at = excluded.updated_at
"""
_NUMBERED = """
    SELECT race_no, odds_log_bookmaker(bookmaker_id), odds_log_price(price, fraction),
        odds_log_runner(race_no, horse_id)
    FROM unnest($1::date[], $2::text[], $3::text[], $4::text[], $5::numeric[], $6::text[])
        WITH ORDINALITY AS q (day, race_id, horse_id, bookmaker_id, price, fraction, position),
        LATERAL odds_log_race(day, race_id) AS race_no
    ORDER BY position
"""
_LOGGED = (
    *("race_no", "bookmaker_no", "price_no", "runner_no"),
    *("changed_at", "seen_at", "is_repair"),
)


class LeastWrites:
    """Writes a day's rows to a database of its own, which has the product's tables."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._live: list[list[object]] = []
        self._log: list[tuple[object, ...]] = []
        self._stamp: datetime | None = None
        self._at: datetime | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        """Connect to a migrated database."""
        connection = await asyncpg.connect(url)
        try:
            yield cls(connection)
        finally:
            await connection.close()

    async def prepare(self, cards: Sequence[Card], at: datetime) -> None:
        """Lay the rows ready, numbered as the log wants them: making them is not measured."""
        rows = [
            (card.race, *key, price.decimal, price.fractional, quote.ew_places, quote.ew_denom)
            for card in cards
            for key, quote in card.quotes.items()
            if (price := quote.price) is not None
        ]
        self._live = [list(column) for column in zip(*rows, strict=True)]
        self._live[0] = [race.race_id for race, *_ in rows]
        self._stamp, self._at = cards[0].refreshed_at, at
        for day in {card.race.race_date for card in cards}:
            await self._connection.execute("SELECT ensure_odds_changes_partition($1)", day)
        days = [race.race_date for race, *_ in rows]
        numbered = await self._connection.fetch(_NUMBERED, days, *self._live[:5])
        self._log = [(*numbers, self._stamp, at, False) for numbers in numbered]

    async def write(self) -> None:
        """Write them, and commit."""
        async with self._connection.transaction():
            await self._connection.execute(_UPSERT, *self._live, self._stamp, self._at)
            await self._connection.copy_records_to_table(
                "odds_log", records=self._log, columns=_LOGGED
            )
