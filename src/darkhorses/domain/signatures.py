"""Signatures by Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256, ``v1``."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime

_PREFIX = "whsec_"
_LENGTH = 32
_SHORTEST, _LONGEST = 24, 64


class SigningSecret:
    """A secret that a webhook and its receiver share; printing it shows nothing."""

    __slots__ = ("_key", "_text")

    def __init__(self, text: str) -> None:
        """Read ``whsec_`` and base64 of 24 to 64 bytes; raises ValueError."""
        try:
            key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            key = b""
        if not text.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
            raise ValueError("a webhook's secret is whsec_ and base64 of 24 to 64 bytes")
        self._text = text
        self._key = key

    @classmethod
    def new(cls) -> "SigningSecret":
        """Make one of 32 random bytes."""
        return cls(_PREFIX + base64.b64encode(secrets.token_bytes(_LENGTH)).decode())

    def reveal(self) -> str:
        """Give its text: for the database, and once for whoever asked for it."""
        return self._text

    def sign(self, to_sign: bytes) -> str:
        """Sign: ``v1,`` and base64."""
        digest = hmac.new(self._key, to_sign, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(digest).decode()}"

    def __repr__(self) -> str:
        return "SigningSecret(…)"


def signed_headers(
    message_id: str, body: bytes, *, signing: Iterable[SigningSecret], at: datetime
) -> dict[str, str]:
    """The three headers of an attempt at ``at``; a signature for each secret that is valid."""
    timestamp = str(int(at.timestamp()))
    to_sign = b".".join((message_id.encode(), timestamp.encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(secret.sign(to_sign) for secret in signing),
    }
