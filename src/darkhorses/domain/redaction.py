"""Texts without secrets: the last line before a text is told to anyone.

No message is meant to carry a secret. A library, a proxy or the feed may put one into an error all
the same, so what goes to logs, to a terminal and into errors that are kept passes through here.
"""

import re
from collections.abc import Iterable

HIDDEN = "[hidden]"
_SHORTEST = 6
"""A shorter secret would be found in ordinary words."""

_SHAPES = (
    # The password of an address. It may hold a slash that should have been encoded.
    (re.compile(r"(://[^\s:/@'\"]*):(?!password@)[^\s'\"]+@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"([?&](?:ssl)?password=)[^\s&'\"]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(basic|bearer)\s+[\w+/=.~-]{16,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"\bwhsec_[\w+/=-]+"), HIDDEN),
    # A key to the API; its id, which is public, says whose it is.
    (re.compile(r"\b(dhk_[a-z0-9]{10}_)[\w-]+"), rf"\1{HIDDEN}"),
)


class Redaction:
    """Hides secrets that are known, and what looks like one wherever it comes from."""

    __slots__ = ("_known",)

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= _SHORTEST}
        # The longest first: one may be a part of another.
        ordered = sorted(known, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """The text without them."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return text

    def __repr__(self) -> str:
        return "Redaction(…)"
