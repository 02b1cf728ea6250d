"""Answers about a race's past that are kept: the same bytes as made anew, and never overtaken."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from darkhorses.api.encoding import Encoded
from darkhorses.api.past_answers import MOST_ANSWERS, Made, PastAnswers
from darkhorses.api.stored_races import StoredRaces
from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.gaps import PricePoint
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.repairs import AddedPrice, Occasion, RaceGaps, RepairableRace, RepairState
from darkhorses.store.gap_repairs import quote_logs_of
from darkhorses.store.pool import Database, QueuedDatabase
from darkhorses.store.race_marks import RaceMark
from darkhorses.store.writing.gap_repairs import RaceRepair, begin_repair, write_repair
from tests.api.conftest import RunningApi, served
from tests.market import NOON, MarketWriter, card, price, race, runner

OFF = NOON + timedelta(hours=3)
ADA, BOB = runner("Ada", 1), runner("Bob", 2)
RACE = RaceId("rac_1")
HISTORY = "/api/races/rac_1/history"
BOARD = "/api/races/rac_1?at=2026-06-20T12:30:00Z"
QUESTIONS = (
    HISTORY,
    f"{HISTORY}?best_only=true",
    f"{HISTORY}?resolution=1m",
    f"{HISTORY}?resolution=5m",
    f"{HISTORY}?horse_id=hrs_ada",
    f"{HISTORY}?bookmaker=coral",
    f"{HISTORY}?from=2026-06-20T12:01:00Z",
    f"{HISTORY}?to=2026-06-20T12:01:00Z",
    f"{HISTORY}?limit=1",
    BOARD,
    "/api/races/rac_1?at=2026-06-20T12:00:30Z",
)


@pytest.fixture
async def looked(api: RunningApi, writer: MarketWriter) -> None:
    """Two looks at a race; it is long over when it is asked about."""
    await writer.look(_card("10/3"), seen_at=NOON)
    await writer.look(_card("3/1"), seen_at=NOON + timedelta(minutes=1))
    api.clock.forward(hours=9)


def _card(ada: str, *, is_non_runner: bool = False, **facts: Any) -> Any:
    return card(
        race(off_dt=OFF, **facts),
        (
            runner("Ada", 1, is_non_runner=is_non_runner),
            {"Bet365": ada, "Coral": "2/1", "Betfair Exchange": "4.7"},
        ),
        (BOB, {"Bet365": "1/1"}),
    )


@pytest.mark.usefixtures("looked")
async def test_what_is_kept_is_told_as_it_would_be_made_anew(
    api: RunningApi, database: Database
) -> None:
    forms: dict[tuple[str, str], tuple[bytes, str]] = {}
    for coding in ("identity", "br"):
        for url in (*QUESTIONS, *QUESTIONS):
            answer = await api.get(url, accept_encoding=coding)
            assert answer.status_code == 200
            seen = forms.setdefault((coding, url), (answer.content, answer.headers["etag"]))
            assert (answer.content, answer.headers["etag"]) == seen
    assert len({content for content, _ in forms.values()}) == len(QUESTIONS)
    async with served(database, api.clock) as another:
        for (coding, url), told in forms.items():
            answer = await another.get(url, accept_encoding=coding)
            assert (answer.content, answer.headers["etag"]) == told
    unchanged = await api.get(HISTORY, if_none_match=forms["identity", HISTORY][1])
    assert unchanged.status_code == 304


async def _repair(database: Database, writer: MarketWriter) -> None:
    """Bring a price of Ada's into the log that no look saw."""
    of = RepairableRace(
        race_id=RACE, race_date=OFF.date(), off_dt=OFF, region="gb", race_status=None,
        is_abandoned=False, last_change_at=NOON, runners=2,
    )  # fmt: skip
    await begin_repair(database, writer.lease, of, Occasion.END, OFF)
    async with database.connection() as connection:
        newest = (await quote_logs_of(connection, of.race_date, RACE)).newest
    missed = AddedPrice(
        horse_id=ADA.horse_id,
        bookmaker_id=bookmaker_named("Bet365").bookmaker_id,
        point=PricePoint(at=NOON + timedelta(seconds=20), price=price("7/1")),
    )
    repair = RaceRepair(
        race=of, occasion=Occasion.END, state=RepairState.REPAIRED, log_newest=newest,
        gaps=RaceGaps(points=6, seen=5, unplaced=0, lag=None, added=(missed,), bookmakers=()),
        runners_asked=2, runners_not_found=0, runners_failed=0, reason=None,
    )  # fmt: skip
    assert await write_repair(database, writer.lease, repair, written_at=OFF)


async def _withdraw(_: Database, writer: MarketWriter) -> None:
    """In a look of the same instant as the last one, with the same prices."""
    await writer.look(_card("3/1", is_non_runner=True), seen_at=NOON + timedelta(minutes=1))


async def _end(_: Database, writer: MarketWriter) -> None:
    await writer.look(_card("3/1", race_status="result", going="Heavy"), seen_at=OFF)


async def _call_otherwise(database: Database, _: MarketWriter) -> None:
    await _execute(database, "UPDATE ra_bookmakers SET bookmaker_name = upper(bookmaker_name)")


async def _take_away(database: Database, _: MarketWriter) -> None:
    await _execute(database, "DELETE FROM ra_odds_changes WHERE bookmaker_id = 'coral'")


async def _execute(database: Database, sql: str) -> None:
    async with database.connection() as connection:
        await connection.execute(sql)


@pytest.mark.usefixtures("looked")
@pytest.mark.parametrize(
    ("write", "moved"),
    [
        pytest.param(_repair, {HISTORY}, id="a repair"),
        pytest.param(_withdraw, {HISTORY, BOARD}, id="a non-runner"),
        pytest.param(_end, {BOARD}, id="a result"),
        pytest.param(_call_otherwise, {HISTORY, BOARD}, id="a bookmaker's name"),
        pytest.param(_take_away, {HISTORY, BOARD}, id="changes that are kept no longer"),
    ],
)
async def test_what_is_written_in_between_is_told_at_once(
    api: RunningApi,
    database: Database,
    writer: MarketWriter,
    write: Callable[[Database, MarketWriter], Awaitable[None]],
    moved: set[str],
) -> None:
    before = {url: (await api.get(url)).content for url in QUESTIONS}
    await write(database, writer)
    after = {url: (await api.get(url)).content for url in QUESTIONS}
    async with served(database, api.clock) as another:
        assert after == {url: (await another.get(url)).content for url in QUESTIONS}
    assert moved == {url for url in (HISTORY, BOARD) if before[url] != after[url]}


class Making:
    """Makes bodies of a size, counted, each once it may; they are of the state as they begin."""

    def __init__(self, database: Database, size: int = 10, *, race_id: RaceId = RACE) -> None:
        self.made = 0
        self._race = StoredRaces(database), race_id
        self.begun = asyncio.Event()
        self.may = asyncio.Event()
        self.may.set()
        self._size = size

    async def __call__(self) -> Made:
        self.made += 1
        stored_races, race_id = self._race
        mark = await stored_races.mark(race_id)
        self.begun.set()
        await self.may.wait()
        return Made(encoded=Encoded(b"x" * self._size, "application/json"), mark=mark)


@pytest.mark.usefixtures("looked")
async def test_those_who_ask_for_the_same_at_once_have_it_made_once(database: Database) -> None:
    answers, making = PastAnswers(StoredRaces(database)), Making(database)
    making.may.clear()
    asking = [asyncio.create_task(answers.answer(RACE, "all", making)) for _ in range(8)]
    await making.begun.wait()
    making.may.set()
    assert len({id(encoded) for encoded in await asyncio.gather(*asking)}) == 1
    await answers.answer(RACE, "all", making)
    assert making.made == 1
    await answers.answer(RACE, "one", making)
    assert making.made == 2


@pytest.mark.usefixtures("looked")
async def test_a_write_after_the_question_was_put_is_told_to_whoever_asks_later(
    database: Database, writer: MarketWriter
) -> None:
    """Who waits for a body that is being made does not get it when it asked after a write."""
    answers, making = PastAnswers(StoredRaces(database)), Making(database)
    making.may.clear()
    first = asyncio.create_task(answers.answer(RACE, "all", making))
    await making.begun.wait()
    await writer.look(_card("9/1"), seen_at=NOON + timedelta(minutes=2))
    second = asyncio.create_task(answers.answer(RACE, "all", making))
    making.may.set()
    assert await first is not await second
    assert making.made == 2


@pytest.mark.usefixtures("looked")
async def test_the_oldest_make_room_for_what_is_asked_now(database: Database) -> None:
    answers, making = PastAnswers(StoredRaces(database), most_bytes=1_000), Making(database, 300)
    for asked in range(4):
        await answers.answer(RACE, asked, making)
    assert (answers.size, making.made) == (900, 4)
    await answers.answer(RACE, 1, making)
    assert making.made == 4
    await answers.answer(RACE, 0, making)
    assert (answers.size, making.made) == (900, 5)
    (await answers.answer(RACE, 1, making)).in_coding("gzip")
    await answers.answer(RACE, "more than there is room for", Making(database, 2_000))
    assert answers.size <= 1_000
    empty = Making(database, 0)
    for asked in range(MOST_ANSWERS + 1):
        await answers.answer(RACE, f"empty {asked}", empty)
    await answers.answer(RACE, "empty 1", empty)
    assert empty.made == MOST_ANSWERS + 1
    await answers.answer(RACE, "empty 0", empty)
    assert empty.made == MOST_ANSWERS + 2


@pytest.mark.usefixtures("looked")
async def test_nothing_is_kept_of_a_race_that_is_not_stored(database: Database) -> None:
    answers = PastAnswers(StoredRaces(database))
    for race_id in (RaceId("rac_2"), RaceId("rac\0")):
        await answers.answer(race_id, "all", Making(database, race_id=race_id))
    assert answers.size == 0


class CountingRaces(StoredRaces):
    """Counts how often it is asked for a mark."""

    marks = 0

    async def mark(self, race_id: RaceId) -> RaceMark | None:
        self.marks += 1
        return await super().mark(race_id)


@pytest.mark.usefixtures("looked")
async def test_what_is_made_anew_is_marked_by_what_it_is_made_of(database: Database) -> None:
    """A race that is asked about once is read once."""
    stored = CountingRaces(database)
    answers = PastAnswers(stored)

    async def make() -> Made:
        race = await stored.changes(RACE)
        assert race is not None
        return Made(encoded=Encoded(b"{}", "application/json"), mark=race.mark)

    first = await answers.answer(RACE, "all", make)
    assert stored.marks == 0
    assert await answers.answer(RACE, "all", make) is first
    assert stored.marks == 1


@pytest.mark.usefixtures("looked")
async def test_the_next_question_is_put_before_a_body_is_made(database_url: str) -> None:
    database = await Database.open(database_url, max_connections=2)
    stored = StoredRaces(QueuedDatabase(database))
    asked: list[int] = []

    async def ask() -> None:
        assert await stored.changes(RACE) is not None
        # A body would be made here, which keeps the loop from everything else.
        asked.append(database.connections[0])

    await asyncio.gather(ask(), ask(), ask())
    assert asked == [1, 1, 0]
    await database.close()
