from datetime import timedelta
from typing import Any

import msgspec
import pytest

from darkhorses.domain.diff import compare
from darkhorses.domain.events import EventKind
from darkhorses.store.errors import LeaseLostError, TooManyWebhooksError
from darkhorses.store.pool import Database
from darkhorses.store.writing import outbox, webhooks
from darkhorses.store.writing.lease import Lease
from darkhorses.store.writing.market import write_market
from tests.hooks import register, rows
from tests.market import NOON, MarketWriter, card, race, runner

HOUR = timedelta(hours=1)
ADA, BEN = runner("Ada", 1), runner("Ben", 2)
RACE = race(off_dt=NOON + HOUR)


async def messages(database: Database, webhook_id: str) -> list[tuple[str, Any]]:
    found = await rows(
        database,
        "SELECT event, payload FROM webhook_outbox WHERE webhook_id = $1 ORDER BY sequence",
        webhook_id,
    )
    return [(event, msgspec.json.decode(text)) for event, text in found]


async def test_a_look_is_told_in_numbered_messages_with_the_ids_of_the_change_log(
    database: Database,
) -> None:
    webhook_id = await register(database)
    writer = await MarketWriter.leading(database)
    await writer.look(card(RACE, (ADA, {"Bet365": "9/2", "Coral": "5/1"})), seen_at=NOON)
    await writer.look(card(RACE, (ADA, {"Bet365": "4/1", "Coral": None})), seen_at=NOON + HOUR)

    told = await messages(database, webhook_id)

    assert [(event, body["type"], body["sequence"]) for event, body in told] == [
        ("race", "race", 1),
        ("price", "price", 2),
        ("price", "price", 3),
    ]
    changes = [change for _, body in told[1:] for change in body["data"]["changes"]]
    assert [
        (c["change_id"], c["bookmaker_id"], c["odds_decimal"], c["odds_fractional"])
        for c in changes
    ] == await rows(
        database,
        "SELECT change_id, bookmaker_id, odds_decimal::float, odds_fractional"
        " FROM ra_odds_changes ORDER BY change_id",
    )
    assert [body["timestamp"] for _, body in told] == [
        "2026-06-20T12:00:00Z",
        "2026-06-20T12:00:00Z",
        "2026-06-20T13:00:00Z",
    ]


async def test_a_price_says_its_exact_fraction_its_terms_and_whose_it_is(
    database: Database,
) -> None:
    webhook_id = await register(database, events=[EventKind.PRICE])
    writer = await MarketWriter.leading(database)
    await writer.look(card(RACE, (ADA, {"Bet365": "10/3"})), seen_at=NOON)
    await writer.look(card(RACE, (ADA, {"Bet365": None}), places=2), seen_at=NOON + HOUR / 2)

    (_, first), (_, second) = await messages(database, webhook_id)
    (price,), (pulled,) = first["data"]["changes"], second["data"]["changes"]

    assert price == {
        "change_id": price["change_id"],
        "race_id": "rac_1",
        "horse_id": "hrs_ada",
        "bookmaker_id": "bet365",
        "odds_decimal": 4.33,
        "odds_fractional": "10/3",
        "changed_at": "2026-06-20T12:00:00Z",
        "seen_at": "2026-06-20T12:00:00Z",
        "source": "poll",
        "ew_places": 3,
        "ew_denom": 5,
        "horse_name": "Ada",
        "course": "Hereford",
        "off_dt": "2026-06-20T13:00:00Z",
    }
    assert (pulled["odds_decimal"], pulled["odds_fractional"]) == (None, None)
    assert (pulled["changed_at"], pulled["ew_places"]) == ("2026-06-20T12:30:00Z", 2)


async def test_prices_that_were_missed_and_found_later_are_told_without_a_look(
    database: Database,
) -> None:
    webhook_id = await register(database, events=[EventKind.PRICE], filters=["course=Hereford"])
    writer = await MarketWriter.leading(database)
    await writer.look(card(RACE, (ADA, {"Bet365": "10/3"})), seen_at=NOON)

    async with database.transaction() as connection:
        told = await outbox.audience(connection)
        await connection.execute(
            "INSERT INTO ra_odds_changes (race_date, race_id, horse_id, bookmaker_id,"
            " odds_decimal, odds_fractional, changed_at, seen_at, source)"
            " VALUES ('2026-06-20', 'rac_1', 'hrs_ada', 'bet365', 4, '3/1', $1, $2, 'history')",
            NOON - HOUR,
            NOON,
        )
        assert await outbox.announce(connection, told, [], seen_at=NOON) == 1

    (_, _), (_, body) = await messages(database, webhook_id)
    (change,) = body["data"]["changes"]
    assert (change["source"], change["odds_fractional"]) == ("history", "3/1")
    assert change["changed_at"] == "2026-06-20T11:00:00Z"


async def test_each_webhook_is_told_what_it_asked_for_with_its_own_numbers(
    database: Database,
) -> None:
    coral = await register(database, events=[EventKind.PRICE], filters=["bookmaker=Coral"])
    ascot = await register(database, filters=["course=Ascot"])
    writer = await MarketWriter.leading(database)

    await writer.look(card(RACE, (ADA, {"Bet365": "9/2", "Coral": "5/1"})), seen_at=NOON)
    at_ascot = race("rac_2", off_dt=NOON + HOUR, course="Ascot")
    await writer.look(card(at_ascot, (BEN, {"Coral": "2/1"})), seen_at=NOON)

    of_coral, of_ascot = await messages(database, coral), await messages(database, ascot)
    assert [[change["horse_id"] for change in body["data"]["changes"]] for _, body in of_coral] == [
        ["hrs_ada"],
        ["hrs_ben"],
    ]
    assert [body["sequence"] for _, body in of_coral] == [1, 2]
    assert [(event, body["sequence"]) for event, body in of_ascot] == [("race", 1), ("price", 2)]


async def test_a_look_that_finds_nothing_new_says_nothing(database: Database) -> None:
    webhook_id = await register(database)
    writer = await MarketWriter.leading(database)
    await writer.look(card(RACE, (ADA, {"Bet365": "9/2"})), seen_at=NOON)
    before = await messages(database, webhook_id)

    await writer.look(card(RACE, (ADA, {"Bet365": "9/2"})), seen_at=NOON + HOUR)

    assert await messages(database, webhook_id) == before


async def test_nothing_is_told_of_a_write_that_was_refused_and_no_number_is_used_up(
    database: Database,
) -> None:
    webhook_id = await register(database)
    writer = await MarketWriter.leading(database)
    delta = compare(None, card(RACE, (ADA, {"Bet365": "9/2"})), seen_at=NOON)

    with pytest.raises(LeaseLostError):
        await write_market(
            database, Lease(name="market", holder="before", epoch=0), [delta], seen_at=NOON
        )
    assert await messages(database, webhook_id) == []

    await writer.look(card(RACE, (ADA, {"Bet365": "9/2"})), seen_at=NOON)
    assert [body["sequence"] for _, body in await messages(database, webhook_id)] == [1, 2]


async def test_nothing_is_told_when_the_transaction_fails_after_the_messages_were_written(
    database: Database,
) -> None:
    webhook_id = await register(database)
    delta = compare(None, card(RACE, (ADA, {"Bet365": "9/2"})), seen_at=NOON)

    async def announce_and_fail() -> None:
        async with database.transaction() as connection:
            told = await outbox.audience(connection)
            assert await outbox.announce(connection, told, [delta], seen_at=NOON) == 1
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="the power went"):
        await announce_and_fail()

    assert await messages(database, webhook_id) == []
    assert await rows(database, "SELECT last_sequence FROM webhooks") == [(0,)]


async def test_a_webhook_that_is_disabled_is_told_nothing_and_one_enabled_again_is(
    database: Database,
) -> None:
    webhook_id = await register(database, events=[EventKind.PRICE])
    writer = await MarketWriter.leading(database)
    async with database.connection() as connection:
        await webhooks.disable(connection, webhook_id)
    await writer.look(card(RACE, (ADA, {"Bet365": "9/2"})), seen_at=NOON)
    assert await messages(database, webhook_id) == []

    async with database.connection() as connection:
        await webhooks.enable(connection, webhook_id)
    await writer.look(card(RACE, (ADA, {"Bet365": "4/1"})), seen_at=NOON)

    assert [body["sequence"] for _, body in await messages(database, webhook_id)] == [1]


async def test_a_webhook_that_is_removed_while_a_look_is_written_is_left_out(
    database: Database,
) -> None:
    removed, kept = await register(database), await register(database)
    delta = compare(None, card(RACE, (ADA, {})), seen_at=NOON)

    async with database.transaction() as connection:
        told = await outbox.audience(connection)
        async with database.connection() as other:
            await webhooks.remove(other, removed)
        assert await outbox.announce(connection, told, [delta], seen_at=NOON) == 1

    assert [event for event, _ in await messages(database, kept)] == ["race"]


async def test_without_webhooks_a_look_asks_for_them_once_and_does_no_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError

    for name in ("news_of_look", "messages_for", "news_of_price"):
        monkeypatch.setattr(outbox, name, never)
    writer = await MarketWriter.leading(database)

    await writer.look(card(RACE, (ADA, {"Bet365": "9/2"})), seen_at=NOON)

    assert await rows(database, "SELECT count(*) FROM ra_odds_changes") == [(1,)]


async def test_there_is_a_bound_on_the_number_of_webhooks(database: Database) -> None:
    for _ in range(webhooks.MOST_WEBHOOKS):
        await register(database)

    with pytest.raises(TooManyWebhooksError, match="remove one first"):
        await register(database)


async def test_what_is_due_is_found_by_its_index_among_what_was_delivered(
    database: Database,
) -> None:
    webhook_id = await register(database)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO webhook_outbox (message_id, webhook_id, event, sequence, payload, state,"
            " created_at, next_attempt_at)"
            " SELECT 'msg_' || n, $1, 'price', n, '{}',"
            " CASE WHEN n % 1000 = 0 THEN 'pending' ELSE 'delivered' END, $2, $2"
            " FROM generate_series(1, 20000) AS n",
            webhook_id,
            NOON,
        )
        await connection.execute("ANALYZE webhook_outbox")
        plan = await connection.fetch(
            "EXPLAIN SELECT message_no FROM webhook_outbox WHERE webhook_id = $1"
            " AND state = 'pending' AND next_attempt_at <= $2"
            " ORDER BY next_attempt_at, message_no LIMIT 4",
            webhook_id,
            NOON,
        )

    assert "webhook_outbox_due" in str(plan)
