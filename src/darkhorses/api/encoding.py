"""Bodies as bytes: encoded and compressed once, with the strong tags that tell them apart."""

import gzip
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import brotli
import msgspec
from litestar import Request, Response
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent

_encoder = msgspec.json.Encoder(decimal_format="number")
_LEAST_TO_COMPRESS = 860
_BROTLI_QUALITY = 4
_GZIP_LEVEL = 5

REVALIDATE = "no-cache"
"""Keep it, and ask every time whether it is still the same."""


HeaderPairs = tuple[tuple[bytes, bytes], ...]

_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
EVERY_ANSWERS: HeaderPairs = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"server", b"darkhorses"),
)
"""The headers that every answer has, whatever it is."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer in the form that one client asks for: its two messages, ready to be sent."""

    status: int
    start: HTTPResponseStartEvent
    body: HTTPResponseBodyEvent
    size: int


def encode(body: Any) -> bytes:
    """A body as JSON; prices are numbers, digit by digit as they are stored."""
    return _encoder.encode(body)


class Encoded:
    """A body's bytes, its entity tag, and its compressed forms once they were asked for."""

    def __init__(self, content: bytes, media_type: str) -> None:
        self.content = content
        self.media_type = media_type
        self._digest = blake2b(content, digest_size=12).hexdigest()
        self._compressed: dict[str, bytes] = {}

    @classmethod
    def json(cls, body: Any) -> "Encoded":
        """Encode a body as JSON."""
        return cls(encode(body), "application/json")

    @property
    def size(self) -> int:
        """Bytes held, with the compressed forms."""
        return len(self.content) + sum(len(form) for form in self._compressed.values())

    def in_coding(self, coding: str) -> bytes:
        """The bytes in a content coding: ``br``, ``gzip`` or ``identity``."""
        if coding == "identity":
            return self.content
        if coding not in self._compressed:
            self._compressed[coding] = _compress(self.content, coding)
        return self._compressed[coding]

    def coding_for(self, accept_encoding: str) -> str:
        """The coding in which a client is best given this body; small ones are not compressed."""
        if len(self.content) < _LEAST_TO_COMPRESS:
            return "identity"
        return best_coding(accept_encoding)

    def tag(self, coding: str) -> str:
        """The strong entity tag: every content coding is a form of its own."""
        suffix = "" if coding == "identity" else f"-{coding}"
        return f'"{self._digest}{suffix}"'

    def headers(self, coding: str, *, unchanged: bool, cache_control: str) -> dict[str, str]:
        """The headers of this body in a coding, or of a 304 that says it is ``unchanged``."""
        headers = {
            "etag": self.tag(coding),
            "cache-control": cache_control,
            "vary": "accept-encoding",
        }
        if coding != "identity" and not unchanged:
            headers["content-encoding"] = coding
        return headers

    def answer(self, accept_encoding: str, if_none_match: str) -> Answer:
        """What ``respond`` gives to a client that sent these headers, with every answer's own."""
        coding = self.coding_for(accept_encoding)
        unchanged = names_tag(if_none_match, self.tag(coding))
        body = b"" if unchanged else self.in_coding(coding)
        headers = self.headers(coding, unchanged=unchanged, cache_control=REVALIDATE)
        if not unchanged:
            charset = "; charset=utf-8" if self.media_type.startswith("text/") else ""
            headers["content-type"] = self.media_type + charset
            headers["content-length"] = str(len(body))
        status = HTTP_304_NOT_MODIFIED if unchanged else HTTP_200_OK
        pairs = ((name.encode(), value.encode()) for name, value in headers.items())
        return Answer(
            status=status,
            start={
                "type": "http.response.start",
                "status": status,
                "headers": (*pairs, *EVERY_ANSWERS),
            },
            body={"type": "http.response.body", "body": body, "more_body": False},
            size=len(body),
        )


def respond(
    request: Request[Any, Any, Any],
    encoded: Encoded,
    *,
    cache_control: str = REVALIDATE,
    headers: Mapping[str, str] | None = None,
) -> Response[bytes | None]:
    """Answer with a body in the best coding, or 304 when the client has it already."""
    coding = encoded.coding_for(request.headers.get("accept-encoding", ""))
    unchanged = names_tag(request.headers.get("if-none-match", ""), encoded.tag(coding))
    answer_headers = {
        **encoded.headers(coding, unchanged=unchanged, cache_control=cache_control),
        **(headers or {}),
    }
    if unchanged:
        return Response(None, status_code=HTTP_304_NOT_MODIFIED, headers=answer_headers)
    return Response(
        encoded.in_coding(coding),
        status_code=HTTP_200_OK,
        media_type=encoded.media_type,
        headers=answer_headers,
    )


@lru_cache(maxsize=256)
def best_coding(accept_encoding: str) -> str:
    """The best coding that a client accepts: ``br`` before ``gzip`` before ``identity``."""
    accepted = set()
    for part in accept_encoding.lower().split(","):
        name, _, parameters = part.partition(";")
        weight = parameters.replace(" ", "").removeprefix("q=")
        if weight.strip("0.") or not parameters.strip():
            accepted.add(name.strip())
    return next((coding for coding in ("br", "gzip") if coding in accepted), "identity")


def names_tag(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match names this tag; ``W/`` marks that proxies add are looked over."""
    if if_none_match == tag:
        return True
    named = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag in named or "*" in named


def _compress(content: bytes, coding: str) -> bytes:
    if coding == "br":
        compressed: bytes = brotli.compress(content, quality=_BROTLI_QUALITY)
        return compressed
    return gzip.compress(content, compresslevel=_GZIP_LEVEL, mtime=0)
