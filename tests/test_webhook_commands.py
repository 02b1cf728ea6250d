from collections.abc import AsyncIterator

import msgspec
import pytest

from darkhorses.store.pool import Database
from darkhorses.store.writing import webhooks
from tests.commands import Operator
from tests.hooks import register, rows
from tests.receivers import Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.listening() as receiver:
        yield receiver


@pytest.fixture
def operator(database_url: str) -> Operator:
    return Operator(
        "webhooks", DATABASE_URL=database_url, DARKHORSES_WEBHOOK_PRIVATE_TARGETS="true"
    )


async def test_a_webhook_is_added_with_its_secret_told_once_and_pinged(
    operator: Operator, receiver: Receiver
) -> None:
    added = await operator.reads(
        "add", receiver.url, "--events", "result,price", "--filter", "course=Ascot",
        "--filter", "bookmaker=William Hill",
    )  # fmt: skip
    pinged = await operator.types("test", added["webhook_id"])
    listed = await operator.types("list")
    shown = await operator.types("show", added["webhook_id"])

    assert added["events"] == ["price", "result"]
    assert added["filter"] == {"courses": ["ascot"], "bookmakers": ["williamhill"]}
    assert (pinged.returncode, pinged.stdout) == (0, "accepted: answered 204\n")
    (ping,) = receiver.received
    assert ping.verified(added["secret"])["type"] == "ping"
    assert added["webhook_id"] in listed.stdout
    assert receiver.url in shown.stdout
    assert added["secret"] not in listed.stdout + shown.stdout


async def test_a_ping_that_is_not_accepted_exits_with_1_and_says_why(
    operator: Operator, receiver: Receiver, database: Database
) -> None:
    webhook_id = await register(database, receiver.url)
    receiver.answer = lambda _: 500

    result = await operator.types("test", webhook_id, "--json")

    assert result.returncode == 1
    answer = msgspec.json.decode(result.stdout)
    assert (answer["delivered"], answer["status"], answer["error"]) == (
        False,
        500,
        "answered 500",
    )


async def test_a_rotated_webhook_is_pinged_with_both_secrets(
    operator: Operator, receiver: Receiver
) -> None:
    added = await operator.reads("add", receiver.url, "--events", "all")
    rotated = await operator.reads("rotate", added["webhook_id"])
    await operator.reads("test", added["webhook_id"])

    (ping,) = receiver.received
    assert ping.verified(added["secret"]) == ping.verified(rotated["secret"])
    assert rotated["secret"] != added["secret"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("https://hook.example/", "--events", "gossip"), "'gossip' is no event"),
        (("https://hook.example/", "--events", "price", "--filter", "x=y"), "is no filter"),
        (("ftp://hook.example/", "--events", "price"), "begins with https://"),
        (("http://127.0.0.1/", "--events", "price"), "begins with https://"),
        (("https://127.0.0.1/", "--events", "price"), "not of the public internet"),
        (("https://2130706433/", "--events", "price"), "not of the public internet"),
        (("https://[::ffff:127.0.0.1]/", "--events", "price"), "not of the public internet"),
    ],
)
async def test_what_cannot_be_registered_is_a_usage_error(
    operator: Operator, database: Database, words: tuple[str, ...], said: str
) -> None:
    result = await operator.types("add", *words, DARKHORSES_WEBHOOK_PRIVATE_TARGETS="false")

    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert await rows(database, "SELECT count(*) FROM webhooks") == [(0,)]


async def test_webhooks_are_disabled_enabled_and_removed(
    operator: Operator, database: Database
) -> None:
    webhook_id = await register(database)

    await operator.types("disable", webhook_id)
    (disabled,) = await operator.reads("list")
    await operator.types("enable", webhook_id)
    (enabled,) = await operator.reads("list")
    await operator.types("remove", webhook_id)

    assert (disabled["state"], disabled["reason"]) == ("disabled", "disabled by the operator")
    assert (enabled["state"], enabled["reason"]) == ("active", None)
    assert await operator.reads("list") == []


async def test_dead_messages_are_listed_and_replayed(
    operator: Operator, database: Database
) -> None:
    webhook_id, other = await register(database), await register(database)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO webhook_outbox (message_id, webhook_id, event, sequence, payload, state,"
            " created_at, next_attempt_at, attempts, last_error, attempt_log)"
            " SELECT 'msg_' || n, $1, 'price', n, '{}', 'dead', now(), now(), 10, 'answered 500',"
            """ '[{"at": "2026-06-20T12:00:00Z", "status": 500, "error": "answered 500","""
            """ "ms": 3}]' FROM generate_series(1, 3) AS n""",
            webhook_id,
        )

    every = await operator.reads("dead", "--limit", "2")
    of_other = await operator.reads("dead", other)
    told = await operator.types("dead", webhook_id)
    replayed = await operator.reads("replay", webhook_id)

    assert [message["message_id"] for message in every] == ["msg_3", "msg_2"]
    assert every[0]["attempt_log"][0]["status"] == 500
    assert of_other == []
    assert "msg_1" in told.stdout
    assert replayed == {"replayed": 3}
    assert await rows(database, "SELECT DISTINCT state, attempts FROM webhook_outbox") == [
        ("pending", 0)
    ]


@pytest.mark.parametrize(
    "command", ["show", "rotate", "test", "enable", "disable", "remove", "dead", "replay"]
)
async def test_an_id_that_nobody_has_exits_with_1(operator: Operator, command: str) -> None:
    result = await operator.types(command, "wh_nobody")

    assert result.returncode == 1
    assert "there is no webhook 'wh_nobody'" in result.stderr


async def test_a_second_rotation_ends_the_first_secret_at_once(
    operator: Operator, database: Database, receiver: Receiver
) -> None:
    first = await operator.reads("add", receiver.url, "--events", "price")
    second = await operator.reads("rotate", first["webhook_id"])
    third = await operator.reads("rotate", first["webhook_id"])

    stored = await rows(database, "SELECT secret, previous_secret FROM webhooks")
    assert stored == [(third["secret"], second["secret"])]
    assert webhooks.BOTH_SECRETS_FOR.total_seconds() == 24 * 3600
