"""Spoilt pages of racecards, through reader and collector into the database."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Self

from hypothesis import given

from darkhorses.domain.races import CardPage
from darkhorses.store.pool import Database
from darkhorses.store.writing import lease as leases
from darkhorses.upstream.errors import MalformedError
from darkhorses.upstream.reading import CardReader
from darkhorses.worker.collecting import Collector
from tests.examples import also_soaks, how_many
from tests.fuzz.mutations import CARD_PAGES, NASTY, SEEN_AT, spoilt, torn
from tests.fuzz.oracle import check_cards
from tests.market import StoppedClock

REGIONS = ("gb", "ire")


def read(body: bytes) -> CardPage | None:
    """The page; None when it is none at all, which the client would ask for again."""
    reader = CardReader(now=SEEN_AT, regions=REGIONS)
    try:
        reader.read_page(body)
    except MalformedError:
        return None
    return reader.page()


class Desk:
    """A collector and its database in an event loop of their own."""

    def __init__(self, runner: asyncio.Runner, database: Database, collector: Collector) -> None:
        self._runner = runner
        self._database = database
        self._collector = collector
        self._clock = StoppedClock(SEEN_AT)
        self._lease = runner.run(self._lead())

    @classmethod
    @contextmanager
    def at(cls, database_url: str) -> Iterator[Self]:
        with asyncio.Runner() as runner:
            database = runner.run(Database.open(database_url, max_connections=2))
            try:
                yield cls(runner, database, Collector(database, StoppedClock(SEEN_AT)))
            finally:
                runner.run(database.close())

    async def _lead(self) -> leases.Lease:
        async with self._database.transaction() as connection:
            lease = await leases.acquire(connection, "live", "fuzz", ttl=timedelta(days=1))
        assert lease is not None
        return lease

    def look(self, page: CardPage) -> None:
        """Write a page, and see in the tables that it is there."""
        self._runner.run(self._look(page))

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._runner.run(self._rows(sql, *values))

    async def _look(self, page: CardPage) -> None:
        self._clock.forward(seconds=10)
        now = self._clock()
        await self._collector.collect(page, self._lease, asked_at=now, seen_at=now)
        for card in page.cards:
            offered = {
                (horse, book): (quote.price.decimal, quote.price.fractional)
                for (horse, book), quote in card.quotes.items()
                if quote.price is not None
            }
            rows = await self._rows(
                "SELECT horse_id, bookmaker_id, odds_decimal, odds_fractional FROM ra_odds_live"
                " WHERE race_id = $1 AND odds_decimal IS NOT NULL",
                card.race.race_id,
            )
            stored = {(horse, book): tuple(price) for horse, book, *price in rows}
            assert {key: stored.get(key) for key in offered} == offered
            told = card.runners.keys() - card.runners_without_odds
            assert {key for key in stored if key[0] in told} <= offered.keys()
        for piece in page.unreadable:
            assert await self._rows(
                "SELECT 1 FROM quarantine WHERE kind = $1 AND reason = $2"
                " AND race_id IS NOT DISTINCT FROM $3",
                piece.kind,
                piece.reason,
                piece.race_id,
            ) or await self._rows("SELECT 1 FROM quarantine WHERE payload = $1", piece.payload)

    async def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self._database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *values)]


LIVE_BESIDE_LOG = """
    WITH last AS (
        SELECT DISTINCT ON (race_id, horse_id, bookmaker_id) race_id, horse_id, bookmaker_id,
            odds_decimal, odds_fractional
        FROM ra_odds_changes ORDER BY race_id, horse_id, bookmaker_id, change_id DESC
    )
    SELECT count(*) FROM ra_odds_live AS live LEFT JOIN last USING (race_id, horse_id, bookmaker_id)
    WHERE (live.odds_decimal, live.odds_fractional)
        IS DISTINCT FROM (last.odds_decimal, last.odds_fractional)
"""


@also_soaks
def test_a_spoilt_page_is_stored_or_set_aside_piece_by_piece(database_url: str) -> None:
    with Desk.at(database_url) as desk:

        @how_many(suite=250, soak=6000)
        @given(spoilt(CARD_PAGES))
        def look(content: Any) -> None:
            page = read(json.dumps(content).encode())
            races = content.get("racecards")
            assert (page is None) == (not isinstance(races, list))
            if page is not None:
                check_cards(content, page, REGIONS)
                desk.look(page)

        look()
        assert desk.rows(LIVE_BESIDE_LOG) == [(0,)]
        assert desk.rows("SELECT count(*) > 0 FROM quarantine") == [(True,)]


@also_soaks
def test_torn_bytes_are_refused_or_read_and_never_raise_anything_else(database_url: str) -> None:
    with Desk.at(database_url) as desk:

        @how_many(suite=150, soak=2000)
        @given(torn(CARD_PAGES))
        def look(body: bytes) -> None:
            page = read(body)
            if page is not None:
                desk.look(page)

        look()


def everywhere(value: Any) -> Any:
    """A page of as many copies of a race as it has fields, in each of which one is ``value``."""
    (race, *_) = CARD_PAGES[4]["racecards"]
    small = race | {
        "runners": [runner | {"odds": runner["odds"][:2]} for runner in race["runners"]]
    }
    races: list[Any] = []

    def another() -> Any:
        races.append(json.loads(json.dumps(small)) | {"race_id": f"rac_{len(races)}"})
        return races[-1]

    for field in small:
        another()[field] = value
    for field in small["runners"][0]:
        another()["runners"][0][field] = value
    for field in small["runners"][0]["odds"][0]:
        another()["runners"][0]["odds"][0][field] = value
    return {"racecards": races, "total": len(races)}


def test_a_nasty_value_in_any_place_costs_no_more_than_its_piece(database_url: str) -> None:
    with Desk.at(database_url) as desk:
        for value in NASTY:
            content = everywhere(value)
            page = read(json.dumps(content).encode())
            assert page is not None
            check_cards(content, page, REGIONS)
            desk.look(page)
        assert desk.rows(LIVE_BESIDE_LOG) == [(0,)]
