"""Cursors: places in a list that clients carry from page to page without reading them.

A cursor names the filters that it was made for and ends in a digest of itself. That finds what was
cut off, changed or made up; it keeps no secret, since any place that a client could invent is one
that it could have asked for.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

import msgspec

from darkhorses.store.historical_odds import HistoricalOddsFilters, Place

_DIGEST_BYTES = 8
_PERSON = b"dh-cursor-1"
"""Another form of cursor has another name, so that older ones are refused and not misread."""


class WrongCursorError(ValueError):
    """A cursor that cannot be used; the message says why and what to do."""


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    filters: bytes
    place: Place


def cursor_at(place: Place, filters: HistoricalOddsFilters) -> str:
    """The cursor of what follows a place in the list that these filters choose."""
    content = msgspec.msgpack.encode(_Cursor(_digest_of(filters), place))
    return urlsafe_b64encode(content + _digest(content)).decode().rstrip("=")


def read_cursor(text: str, filters: HistoricalOddsFilters) -> Place:
    """The place that a cursor names; raises WrongCursorError."""
    try:
        content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        content, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        if digest != _digest(content):
            raise WrongCursorError("no cursor of this address; send a next as it was given")
        cursor = msgspec.msgpack.decode(content, type=_Cursor)
    except (ValueError, msgspec.DecodeError):
        raise WrongCursorError("no cursor of this address; send a next as it was given") from None
    if cursor.filters != _digest_of(filters):
        raise WrongCursorError(
            "made for other filters; keep the filters from page to page, or begin without a cursor"
        )
    return cursor.place


def _digest_of(filters: HistoricalOddsFilters) -> bytes:
    values = msgspec.structs.asdict(filters).items()
    plain = {name: v.lower() if isinstance(v, str) else v for name, v in values}
    return _digest(msgspec.msgpack.encode(plain))


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST_BYTES, person=_PERSON).digest()
