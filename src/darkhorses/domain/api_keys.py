"""Keys to the API: what one looks like, what it opens, and how it is told from others."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

_PREFIX = "dhk_"
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID_LENGTH = 10
_SECRET_BYTES = 32
_FORM = re.compile(rf"{_PREFIX}([a-z0-9]{{{_ID_LENGTH}}})_([A-Za-z0-9_-]{{43}})")
_NOBODY = hashlib.sha256(b"").digest()


class Scope(StrEnum):
    """What a key opens: answers and pages, streams, files of whole tables, and ``/metrics``."""

    READ = "read"
    STREAM = "stream"
    EXPORT = "export"
    METRICS = "metrics"


USUAL_SCOPES = frozenset({Scope.READ, Scope.STREAM})
"""What a key opens when nothing else was asked for."""


class NewKey(msgspec.Struct, frozen=True):
    """A key that was just made: its id, and the whole of it, to be shown once."""

    key_id: str
    text: str

    @classmethod
    def make(cls, key_id: str | None = None) -> "NewKey":
        """Make one from 32 random bytes, or another for the same id."""
        key_id = key_id or "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
        return cls(key_id, f"{_PREFIX}{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}")

    @property
    def digest(self) -> bytes:
        """What is kept of it."""
        return digest_of(self.text)

    def __repr__(self) -> str:
        return f"NewKey({_PREFIX}{self.key_id}_…)"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is kept (times UTC): ``previous_digest`` is good until ``previous_until``.

    ``requests_per_minute`` None: as many as the settings say.
    """

    key_id: str
    name: str
    scopes: frozenset[Scope]
    digest: bytes
    previous_digest: bytes | None
    previous_until: datetime | None
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_over(self, now: datetime) -> bool:
        """Whether it was revoked or has expired."""
        return self.revoked_at is not None or (
            self.expires_at is not None and self.expires_at <= now
        )

    def takes(self, digest: bytes, now: datetime) -> bool:
        """Whether this is a digest of the key, or of the one before while that is good."""
        is_present = hmac.compare_digest(digest, self.digest)
        is_previous = hmac.compare_digest(digest, self.previous_digest or _NOBODY)
        in_time = self.previous_until is not None and now < self.previous_until
        return is_present or (is_previous and in_time)


def key_id_of(text: str) -> str | None:
    """The id of what looks like a key; None for anything else."""
    match = _FORM.fullmatch(text)
    return match[1] if match else None


def digest_of(text: str) -> bytes:
    """What is kept of a key: 32 bytes."""
    return hashlib.sha256(text.encode()).digest()


def read_scopes(text: str) -> frozenset[Scope]:
    """Read scopes with commas between; raises ValueError that names what is not known."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if not names:
        raise ValueError(f"name at least one scope of {_listed(Scope)}")
    unknown = [name for name in names if name not in set(Scope)]
    if unknown:
        raise ValueError(f"unknown scope {_listed(unknown)}; known are {_listed(Scope)}")
    return frozenset(Scope(name) for name in names)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
