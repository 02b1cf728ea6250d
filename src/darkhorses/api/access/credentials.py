"""The key in a request's headers; nowhere else is one looked for."""

import base64
import binascii
from collections.abc import Iterable


class NotReadableError(Exception):
    """A header that should carry a key cannot be read; the message says what it should be."""


def key_in(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The key that ``Authorization`` or ``X-API-Key`` carries; None when there is none.

    ``Bearer KEY``, or ``Basic`` with the key as the password, which is what browsers ask for.
    Raises NotReadableError.
    """
    found = {name: value for name, value in headers if name in {b"authorization", b"x-api-key"}}
    if (key := found.get(b"x-api-key")) is not None:
        return key.decode("latin-1").strip()
    if (authorization := found.get(b"authorization")) is None:
        return None
    scheme, _, rest = authorization.decode("latin-1").strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip()
        case "basic":
            return _password(rest.strip())
        case _:
            raise NotReadableError("expected Bearer and a key")


def _password(encoded: str) -> str:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise NotReadableError("expected the base64 of a user name and a key") from None
    user, _, password = text.partition(":")
    return password or user
