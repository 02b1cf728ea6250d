from datetime import UTC, datetime, timedelta

import pytest

from darkhorses.keys import read_expiry
from darkhorses.store.pool import Database
from tests.commands import Operator

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)


@pytest.fixture
def operator(database_url: str) -> Operator:
    return Operator("keys", DATABASE_URL=database_url)


async def test_a_key_is_shown_once_and_only_a_digest_is_kept(
    operator: Operator, database: Database
) -> None:
    created = await operator.reads(
        "create", "--name", "Ascot app", "--scopes", "read,export", "--expires", "90d"
    )
    listed = await operator.types("list")
    async with database.connection() as connection:
        stored = str(
            await connection.fetch("SELECT k::text, encode(digest, 'escape') FROM api_keys AS k")
        )

    secret = created["key"].rpartition(f"{created['key_id']}_")[2]
    assert created["key"].startswith("dhk_")
    assert created["scopes"] == ["export", "read"]
    assert secret not in listed.stdout + stored
    assert f"{created['key_id']}  good      export,read" in listed.stdout
    assert "Ascot app" in listed.stdout


async def test_a_key_is_replaced_with_a_time_in_which_both_are_good(operator: Operator) -> None:
    created = await operator.reads("create", "--name", "app")
    rotated = await operator.reads("rotate", created["key_id"], "--grace", "2h")
    (listed,) = await operator.reads("list")

    assert rotated["key"] != created["key"]
    assert rotated["key"].startswith(f"dhk_{created['key_id']}_")
    assert listed["previous_valid_until"] == rotated["previous_valid_until"]


async def test_a_revoked_key_is_listed_and_cannot_be_replaced(operator: Operator) -> None:
    created = await operator.reads("create", "--name", "app")
    revoked = await operator.types("revoke", created["key_id"])
    (listed,) = await operator.reads("list")
    rotated = await operator.types("rotate", created["key_id"])

    assert (revoked.returncode, listed["state"]) == (0, "revoked")
    assert rotated.returncode == 1
    assert "that is not revoked" in rotated.stderr


async def test_a_key_that_is_not_there_cannot_be_revoked(operator: Operator) -> None:
    result = await operator.types("revoke", "nobody")

    assert (result.returncode, result.stdout) == (1, "")
    assert "there is no key 'nobody'" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scopes", "admin"), "unknown scope admin"),
        (("--expires", "soon"), "expected never, a period such as 90d"),
        (("--expires", "2020-01-01"), "'2020-01-01' is not ahead"),
        (("--rate", "0"), "--rate"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    operator: Operator, words: tuple[str, ...], said: str
) -> None:
    result = await operator.types("create", "--name", "app", *words)

    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("never", None),
        ("90d", NOW + timedelta(days=90)),
        ("30m", NOW + timedelta(minutes=30)),
        ("2026-07-01", datetime(2026, 6, 30, 23, tzinfo=UTC)),
        ("2027-01-01", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_expiry_is_a_period_or_the_beginning_of_a_day_in_london(
    text: str, expected: datetime | None
) -> None:
    assert read_expiry(text, NOW) == expected
