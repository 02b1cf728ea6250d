"""Spoilt results and price histories: through their readers, and a past day into the database."""

# ruff: noqa: ARG002  # what a feed can be asked names more than an answer needs

import asyncio
import json
import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.gaps import RunnerHistory, find_gaps
from darkhorses.domain.identifiers import HorseId, RaceId
from darkhorses.domain.results import ResultPage
from darkhorses.simulator.source import Selection
from darkhorses.store.pool import Database
from darkhorses.upstream.errors import MalformedError
from darkhorses.upstream.histories import read_runner_history
from darkhorses.upstream.results import ResultReader
from darkhorses.worker.past_days import FilledDay, PastDays
from tests.examples import also_soaks, how_many
from tests.feeds import Feed, StagedSource
from tests.fuzz.mutations import NASTY, RESULT_PAGES, spoilt, torn
from tests.fuzz.oracle import check_results, dicts, is_said_by, said
from tests.market import StoppedClock
from tests.simulator.worlds import NOW, ordinary

REGIONS = ("gb", "ire")
DAY = NOW.date()


def read(body: bytes) -> ResultPage | None:
    """The page; None when it is none at all."""
    reader = ResultReader(regions=REGIONS)
    try:
        reader.read_page(body)
    except MalformedError:
        return None
    return reader.page()


@also_soaks
@how_many(suite=200, soak=4000)
@given(spoilt(RESULT_PAGES))
def test_a_spoilt_result_is_read_or_set_aside_and_its_prices_are_its_own(content: Any) -> None:
    page = read(json.dumps(content).encode())

    assert (page is None) == (not isinstance(content.get("results"), list))
    if page is not None:
        check_results(content, page, REGIONS)


@also_soaks
@how_many(suite=150, soak=2000)
@given(torn(RESULT_PAGES))
def test_torn_results_are_refused_or_read(body: bytes) -> None:
    read(body)


def test_a_nasty_value_in_any_place_of_a_result_costs_no_more_than_its_piece() -> None:
    (whole, *_) = RESULT_PAGES[0]["results"]
    for value in NASTY:
        races: list[Any] = []
        for field in whole:
            races.append(json.loads(json.dumps(whole)) | {"race_id": f"rac_{len(races)}"})
            races[-1][field] = value
        for field in whole["runners"][0]:
            races.append(json.loads(json.dumps(whole)) | {"race_id": f"rac_{len(races)}"})
            races[-1]["runners"][0][field] = value
        page = read(json.dumps({"results": races}).encode())
        assert page is not None
        check_results({"results": races}, page, REGIONS)


# Past days


class SpoiltDay(StagedSource):
    """A day whose pages a test gives as they are to be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.card_page = self.result_page = b""

    async def racecards(self, day: date, selection: Selection, now: datetime) -> bytes:
        return self.card_page

    async def results(self, first: date, last: date, selection: Selection, now: datetime) -> bytes:
        return self.result_page


async def _cards_of(results: Any) -> Any:
    """The cards of a page of results, as they stand after the races."""
    source, later = ordinary(), NOW + timedelta(hours=12)
    cards = [await source.racecard(race["race_id"], later) for race in results["results"]]
    return {"racecards": [json.loads(card) for card in cards if card], "total": len(cards)}


DAYS = [(asyncio.run(_cards_of(results)), results) for results in RESULT_PAGES[:4]]


@st.composite
def spoilt_days(draw: st.DrawFn) -> tuple[Any, Any]:
    """Cards and results of some races, one of the two or both spoilt."""
    cards, results = draw(st.sampled_from(DAYS))
    which = draw(st.sampled_from(["cards", "results", "both"]))
    return (
        cards if which == "results" else draw(spoilt([cards])),
        results if which == "cards" else draw(spoilt([results])),
    )


@also_soaks
def test_a_spoilt_past_day_is_written_as_far_as_it_can_be_read(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = runner.run(Database.open(database_url, max_connections=2))
        source, clock = SpoiltDay(), StoppedClock(NOW + timedelta(days=1))

        async def fill() -> list[FilledDay]:
            clock.forward(seconds=1)
            async with Feed.serving(source, clock) as feed:
                past = PastDays(feed.client, database, clock)
                filling = past.fill(DAY, REGIONS, database.transaction)
                return [day async for day in filling]

        @how_many(suite=60, soak=1500)
        @given(spoilt_days())
        def look(pages: tuple[Any, Any]) -> None:
            source.card_page, source.result_page = (json.dumps(page).encode() for page in pages)
            filled = runner.run(fill())
            assert [day.region for day in filled] == list(REGIONS)
            page = read(source.result_page)
            stored = {str(row[0]) for row in runner.run(_results_of(database))}
            if page is not None and not any(day.failed for day in filled):
                days = {result.race_id for result in page.results if result.race_date == DAY}
                assert days <= stored

        look()
        runner.run(database.close())


async def _results_of(database: Database) -> list[Any]:
    async with database.connection() as connection:
        return list(await connection.fetch("SELECT race_id FROM ra_results"))


# Price histories


async def _simulated_histories() -> list[Any]:
    source, later = ordinary(), NOW + timedelta(hours=12)
    found = []
    for page in RESULT_PAGES[:3]:
        race = page["results"][0]
        for runner in race["runners"][:2]:
            body = await source.runner_odds(race["race_id"], runner["horse_id"], later)
            if body is not None:
                found.append(_shortened(json.loads(body)))
    return found


def _shortened(history: Any) -> Any:
    history["odds"] = history["odds"][:4]
    for quote in history["odds"]:
        quote["history"] = quote["history"][:6]
    return history


HISTORIES = asyncio.run(_simulated_histories())


@also_soaks
@how_many(suite=200, soak=3000)
@given(st.sampled_from(HISTORIES).flatmap(lambda h: st.tuples(st.just(h), spoilt([h]))))
def test_a_spoilt_history_says_only_prices_that_stand_in_it(pair: tuple[Any, Any]) -> None:
    whole, content = pair
    race_id, horse_id = RaceId(whole["race_id"]), HorseId(whole["horse_id"])
    try:
        history = read_runner_history(json.dumps(content).encode(), race_id, horse_id)
    except MalformedError:
        return

    _check_history(history, dicts(content["odds"]))


def _check_history(history: RunnerHistory, quotes: Iterable[dict[str, Any]]) -> None:
    texts: dict[str, list[tuple[str, str]]] = {}
    points = 0
    for quote in quotes:
        book = re.sub("[^a-z0-9]", "", said(quote.get("bookmaker")).lower())
        for point in dicts(quote.get("history")):
            points += bool(book)
            pair = said(point.get("decimal")), said(point.get("fractional"))
            texts.setdefault(book, []).append(pair)
    read_points = 0
    for bookmaker_id, path in history.paths.items():
        read_points += len(path)
        assert [point.at for point in path] == sorted(point.at for point in path)
        for price in {point.price for point in path if point.price is not None}:
            assert any(is_said_by(price, *pair) for pair in texts[bookmaker_id])
        assert find_gaps(path, ()).unplaced == 0
    assert read_points == points or history.unreadable or _repeats(quotes)


def _repeats(quotes: Iterable[dict[str, Any]]) -> bool:
    books = [re.sub("[^a-z0-9]", "", said(quote.get("bookmaker")).lower()) for quote in quotes]
    return len(set(books)) < len(books)
