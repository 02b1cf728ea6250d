from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from darkhorses.domain.api_keys import (
    ApiKey,
    NewKey,
    Scope,
    digest_of,
    key_id_of,
    read_scopes,
)

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def kept(key: NewKey, **facts: Any) -> ApiKey:
    fields: dict[str, Any] = {
        "key_id": key.key_id,
        "name": "Ascot app",
        "scopes": frozenset({Scope.READ}),
        "digest": key.digest,
        "previous_digest": None,
        "previous_until": None,
        "requests_per_minute": None,
        "created_at": NOW,
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
    }
    return ApiKey(**(fields | facts))


def test_a_key_can_be_told_by_its_beginning_and_names_its_id() -> None:
    key = NewKey.make()

    assert key.text.startswith(f"dhk_{key.key_id}_")
    assert key_id_of(key.text) == key.key_id
    assert len(key.text) == 58


def test_no_two_keys_are_alike_and_printing_one_shows_no_secret() -> None:
    keys = [NewKey.make() for _ in range(100)]

    assert len({key.text for key in keys}) == len({key.key_id for key in keys}) == 100
    assert keys[0].text[15:] not in repr(keys[0])


@pytest.mark.parametrize(
    "text", ["", "dhk_", "dhk_short_x", "sk_0123456789_" + "a" * 43, "dhk_0123456789_" + "a" * 44]
)
def test_what_looks_otherwise_is_no_key(text: str) -> None:
    assert key_id_of(text) is None


def test_a_key_takes_itself_and_no_other() -> None:
    key, other = NewKey.make("a" * 10), NewKey.make("a" * 10)

    assert kept(key).takes(digest_of(key.text), NOW)
    assert not kept(key).takes(digest_of(other.text), NOW)
    assert not kept(key).takes(digest_of(""), NOW)


def test_the_key_before_is_good_until_its_time() -> None:
    before, present = NewKey.make("a" * 10), NewKey.make("a" * 10)
    key = kept(present, previous_digest=before.digest, previous_until=LATER)

    assert key.takes(before.digest, NOW)
    assert key.takes(present.digest, LATER)
    assert not key.takes(before.digest, LATER)


def test_a_key_is_over_at_its_expiry_and_once_revoked() -> None:
    key = NewKey.make()

    assert not kept(key, expires_at=LATER).is_over(NOW)
    assert kept(key, expires_at=LATER).is_over(LATER)
    assert kept(key, revoked_at=NOW).is_over(NOW)


def test_scopes_are_read_and_unknown_ones_named() -> None:
    assert read_scopes(" read, Export ") == {Scope.READ, Scope.EXPORT}
    with pytest.raises(ValueError, match="unknown scope admin; known are read, stream, export"):
        read_scopes("read,admin")
    with pytest.raises(ValueError, match="at least one"):
        read_scopes(" , ")
