"""Who a bookmaker is, whatever way the feed spells the name today."""

import re
from enum import StrEnum
from functools import lru_cache

import msgspec

from darkhorses.domain.identifiers import BookmakerId

_NOT_LETTERS_OR_DIGITS = re.compile(r"[^a-z0-9]+")

# Spellings that letters and digits alone do not bring together.
_ALIASES = {
    "betfairex": "betfairexchange",
    "boylesport": "boylesports",
    "betgoodwins": "betgoodwin",
    "grosvenor": "grosvenorsports",
    "grosvenorsport": "grosvenorsports",
    "hollywoodbet": "hollywoodbets",
    "livescore": "livescorebet",
    "pricedup": "pricedupbet",
    "sbk": "smarketssbk",
    "talksport": "talksportbet",
}

_LONGEST_NAME = 100

_EXCHANGES = frozenset({"betfairexchange", "smarkets", "matchbook", "betdaq"})


class BookmakerType(StrEnum):
    """How a price is made: by a bookmaker, or between bettors on an exchange."""

    FIXED = "fixed"
    EXCHANGE = "exchange"


class Bookmaker(msgspec.Struct, frozen=True, kw_only=True):
    """A bookmaker or exchange as the feed named it when first seen."""

    bookmaker_id: BookmakerId
    bookmaker_name: str
    bookmaker_type: BookmakerType


@lru_cache(maxsize=4096)  # names come out of addresses, too
def bookmaker_named(name: str) -> Bookmaker:
    """Identify a bookmaker by its name; one that nobody knows comes in under its own name.

    Raises ValueError for a name without a single letter or digit, and for one too long to be one.
    """
    key = _NOT_LETTERS_OR_DIGITS.sub("", name.lower())
    if not key:
        raise ValueError(f"bookmaker name {name!r} has no letter or digit")
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"bookmaker name {name[:60]!r} is too long, {len(name)} characters")
    key = _ALIASES.get(key, key)
    kind = BookmakerType.EXCHANGE if key in _EXCHANGES else BookmakerType.FIXED
    return Bookmaker(
        bookmaker_id=BookmakerId(key), bookmaker_name=name.strip(), bookmaker_type=kind
    )
