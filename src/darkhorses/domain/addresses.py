"""Addresses as settings give them: whether they can be taken apart, and what they look like."""

import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

_ORIGIN = re.compile(r"https?://[^/?#\s]+")
_SCHEMES = ("postgresql", "postgres")


def is_address(url: str, *, may_have_user: bool) -> bool:
    """Whether an address can be taken apart; what cannot is told by nobody else without it.

    One that may have a user is of a database, any other of a service without one.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if may_have_user:
        return parts.scheme in _SCHEMES
    return bool(parts.hostname) and "@" not in parts.netloc


def read_origin(text: str) -> None:
    """Raise ValueError for what is no origin of a page, nor ``*`` for all of them."""
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise ValueError(text)


def reads_each(parts: Iterable[str], read: Callable[[str], object]) -> bool:
    """Whether ``read`` takes every part; it raises ValueError for one that it does not take."""
    try:
        for part in parts:
            read(part)
    except ValueError:
        return False
    return True
