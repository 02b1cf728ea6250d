"""Texts without secrets: the last line before a text is told to anyone.

No message is meant to carry a secret. A library, a proxy or the feed may put one into an error all
the same, so what goes to logs, to a terminal and into errors that are kept passes through here.
"""

import base64
import re
from collections.abc import Collection, Iterable
from urllib.parse import unquote

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

_PASSWORD_BESIDE = re.compile(r"[?&](?:ssl)?password=([^&]+)")
_END_OF_HOST = re.compile("[/?#]")
_WITH_USER = re.compile(r"[^:/]+://(?P<user>[^:@/]*):?(?P<password>.*)@")


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


def hiding_all_of(secrets: Collection[str], *, username: str, password: str) -> Redaction:
    """Hides secrets, among them addresses with a password, in the forms in which they travel.

    ``username`` and ``password`` are those at the feed, which travel as one word.
    """
    # Not taken apart as an address: a password with a slash makes it none.
    found = [match for text in secrets if (match := _WITH_USER.match(text))]
    passwords = {match["password"] or match["user"] for match in found}
    users = {match["user"] for match in found if match["password"]}
    passwords |= {word for text in secrets for word in _PASSWORD_BESIDE.findall(text)}
    # What takes such an address apart ends it at the slash, and tells the rest of it.
    passwords |= {_END_OF_HOST.split(word)[0] for word in passwords}
    hidden = {*secrets, *passwords, *map(unquote, passwords)}
    hidden.add(base64.b64encode(f"{username}:{password}".encode()).decode())
    # Somebody's password is his name, as in a demo: then it is a word of every other line.
    return Redaction(hidden - users - {username})
