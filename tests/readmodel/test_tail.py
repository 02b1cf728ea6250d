"""The tail by itself, and how the change log beneath it is read."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from darkhorses.domain.identifiers import BookmakerId, RaceId
from darkhorses.domain.positions import Position, read_position
from darkhorses.domain.stages import Stage
from darkhorses.readmodel.loading import refreshed
from darkhorses.readmodel.market import Market
from darkhorses.readmodel.tail import Batch, Tail
from darkhorses.store.changes import LAST_CHANGE, LoggedChange, changes_after
from darkhorses.store.pool import Connection, Database
from darkhorses.store.queries import queries
from darkhorses.store.writing.change_log import NewEntry, append_changes
from darkhorses.store.writing.lease import take_turn, writing_transaction
from tests.market import NOON, MarketWriter, card, price, race, runner
from tests.plans import scans_done_of_log, scans_of_log

ADA = runner("Ada", 1)


def changes(first: int, last: int) -> list[LoggedChange]:
    return [
        LoggedChange(
            change_id=change_id,
            race_id=RaceId("rac_1"),
            horse_id=ADA.horse_id,
            bookmaker_id=BookmakerId("bet365"),
            price=None,
            effective_at=NOON,
            seen_at=NOON,
            source="poll",
            course=None,
            region=None,
            off_dt=None,
        )
        for change_id in range(first, last + 1)
    ]


def tail(most_events: int = 100) -> Tail:
    begun = Tail(NOON.date(), most_events=most_events)
    begun.begin(Market(from_day=NOON.date()), change_id=10, now=NOON)
    return begun


def beyond(of: Tail, position: Position) -> list[int] | None:
    """The change ids that someone at a position is told."""
    number = of.number_for(position)
    if number is None:
        return None
    return [
        event.position.change_id
        for batch in of.batches_from(number)
        for event in batch.events_beyond(position)
    ]


def test_someone_is_told_what_comes_after_a_position() -> None:
    of = tail()
    of.add_changes(changes(11, 13))
    of.add_changes(changes(14, 15))
    assert beyond(of, Position(change_id=10)) == [11, 12, 13, 14, 15]
    assert beyond(of, Position(change_id=12)) == [13, 14, 15]
    assert beyond(of, Position(change_id=13)) == [14, 15]
    assert beyond(of, Position(change_id=15)) == []
    assert beyond(of, Position(change_id=9)) is None


def test_the_oldest_batches_go_when_there_are_too_many_events() -> None:
    of = tail(most_events=5)
    of.add_changes(changes(11, 13))
    of.add_changes(changes(14, 16))
    assert (of.start.change_id, of.first_number, of.next_number) == (13, 1, 2)
    assert beyond(of, Position(change_id=12)) is None
    assert beyond(of, Position(change_id=13)) == [14, 15, 16]
    # One batch above the limit stays: it is the only one there is.
    of.add_changes(changes(17, 30))
    assert beyond(of, Position(change_id=16)) == list(range(17, 31))


def test_what_is_old_is_packed_and_told_the_same() -> None:
    of = Tail(NOON.date(), most_unpacked_bytes=1)
    of.begin(Market(from_day=NOON.date()), change_id=10, now=NOON)
    of.add_changes(changes(11, 13))
    (first,) = of.batches_from(0)
    first.renderings["sse"] = (b"", 3)
    told = first.events
    of.add_changes(changes(14, 15))
    assert (first.is_packed, first.renderings) == (True, {})
    assert first.events == told
    assert beyond(of, Position(change_id=11)) == [12, 13, 14, 15]
    # The one that was read last is ready to be read by others; the news before it is not any more.
    assert [batch.is_packed for batch in of._batches] == [True, False]
    next(iter(of.batches_from(0)))
    assert [batch.is_packed for batch in of._batches] == [False, True]


async def test_packed_news_of_races_keep_all_that_subscriptions_choose_by(
    database: Database,
) -> None:
    writer = await MarketWriter.leading(database)
    of = Tail(NOON.date(), most_unpacked_bytes=1)
    of.begin(Market(from_day=NOON.date()), change_id=0, now=NOON)
    await writer.look(
        card(race("rac_1", off_dt=NOON + timedelta(minutes=31)), (ADA, {"Bet365": "4/1"})),
        seen_at=NOON,
    )
    market = await refreshed(database, Market(from_day=NOON.date()), of, NOON)
    batches = list(of.batches_from(0))
    events = [batch.events for batch in batches]
    of.set_market(market, NOON + timedelta(minutes=2))
    (moved,) = [event for batch in of.batches_from(0) for event in batch.events if event.full]
    of.add_changes(changes(20, 21))
    of.add_changes(changes(22, 23))
    assert all(batch.is_packed for batch in batches)
    assert [batch.events for batch in batches] == events
    assert moved.stage_before is Stage.PRE_RACE
    assert moved in [event for batch in of.batches_from(0) for event in batch.events]


def test_a_position_of_another_process_never_gets_a_race_from_before_its_prices() -> None:
    of = tail()
    of.add_changes(changes(11, 12))
    later = Position(change_id=12, revision=3)
    of._append((), later)
    of.add_changes(changes(13, 14))
    # There, revision 3 was told together with change 14: here its race would be older than that.
    assert of.number_for(Position(change_id=14, revision=2)) is None
    assert beyond(of, Position(change_id=14, revision=3)) == []
    assert beyond(of, Position(change_id=11, revision=2)) == [12, 13, 14]


def test_what_time_brought_is_told_again_to_who_stands_there() -> None:
    here = Position(change_id=5, revision=2)
    of_time = Batch((), start=here, end=here)
    assert of_time.is_beyond(here)
    assert not of_time.is_beyond(Position(change_id=6, revision=2))


@pytest.mark.parametrize("text", ["", "1", "1-", "-1-2", "1-2-3", "1-2 ", "٣-٤", "1" * 19 + "-1"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no position"):
        read_position(text)


def test_a_position_is_read_as_it_is_written() -> None:
    assert read_position(str(Position(change_id=12, revision=3))) == Position(
        change_id=12, revision=3
    )


async def test_the_log_is_paged_in_the_order_of_commits_over_all_months(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    for number, days in enumerate((40, 0, 70, 0)):
        of = race(f"rac_{number}", off_dt=NOON + timedelta(days=days, hours=1))
        await writer.look(card(of, (ADA, {"Bet365": "4/1", "Coral": None})), seen_at=NOON)
    async with database.connection() as connection:
        first = await changes_after(connection, 0, until=LAST_CHANGE, most=3)
        rest = await changes_after(connection, first[-1].change_id, until=LAST_CHANGE, most=3)
        until = await changes_after(connection, 0, until=2, most=3)
    assert [change.race_id for change in first + rest] == ["rac_0", "rac_1", "rac_2", "rac_3"]
    assert [change.price for change in first] == [price("4/1")] * 3
    assert {change.course for change in first} == {"Hereford"}
    assert until == first[:2]


async def test_nothing_is_missed_or_told_twice_at_the_turn_of_a_month(database: Database) -> None:
    writer = await MarketWriter.leading(database)
    midnight = datetime(2026, 7, 1, tzinfo=UTC)
    coral = BookmakerId("coral")
    evening, afternoon = midnight - timedelta(hours=1), midnight + timedelta(hours=14)
    market, tail = Market(from_day=date(2026, 6, 29)), Tail(date(2026, 6, 29))
    market = await refreshed(database, market, tail, midnight - timedelta(hours=2))
    for step in range(12):
        now = midnight + timedelta(minutes=10 * (step - 6))
        looks = [
            card(race(f"rac_{off:%m}", off_dt=off), (ADA, {"Bet365": f"{step + 2}/1"}))
            for off in (afternoon, evening)
        ]
        await writer.look(*(looks if step % 4 == 1 else looks[step % 2 :][:1]), seen_at=now)
        if step % 3 == 0:
            # A repair: it touches no race that is followed, and its month is over.
            async with writing_transaction(database, writer.lease) as connection:
                await take_turn(connection)
                missed = NewEntry(
                    date(2026, 5, 31), RaceId("rac_05"), ADA.horse_id, coral, price("4/1"), None
                )
                await append_changes(connection, [missed], seen_at=now, is_repair=True)
        if step % 2:
            market = await refreshed(database, market, tail, now)
    told = [
        event.position.change_id
        for batch in tail.batches_from(0)
        for event in batch.events
        if event.kind == "price"
    ]
    async with database.connection() as connection:
        log = await connection.fetch("SELECT change_id FROM ra_odds_changes ORDER BY change_id")
    assert len(log) == 19
    assert told == [change_id for (change_id,) in log]


async def test_a_page_of_the_log_is_found_by_its_index(database: Database) -> None:
    async with database.connection() as connection:
        # Three months of changes: planning is about tables with something in them.
        await connection.execute(
            "SELECT ensure_odds_changes_partition(day::date) FROM generate_series"
            "('2026-05-01'::date, '2026-07-01', interval '1 month') AS day"
        )
        await connection.execute(
            "INSERT INTO ra_odds_changes (race_date, race_id, horse_id, bookmaker_id, seen_at, "
            "source) SELECT '2026-05-01'::date + number % 90, 'r', 'h', 'b', now(), 'poll' "
            "FROM generate_series(1, 30000) AS number"
        )
        await connection.execute("ANALYZE")
        plan = await plan_of(connection, queries.newest_marks.sql, NOON.date())
        assert scans_of_log(plan) == {}
        async with scans_done_of_log(connection) as done:
            assert await changes_after(connection, 29_000, until=LAST_CHANGE, most=500)
    assert done
    assert set(done.values()) == {"Index Scan"}


async def plan_of(connection: Connection, sql: str, *values: object) -> Any:
    return json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *values))
