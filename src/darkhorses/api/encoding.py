"""Bodies as bytes: encoded and compressed once, with the strong tags that tell them apart."""

import gzip
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import brotli
import msgspec
from litestar import Request, Response
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED

_encoder = msgspec.json.Encoder(decimal_format="number")
_LEAST_TO_COMPRESS = 860
_BROTLI_QUALITY = 4
_GZIP_LEVEL = 5

REVALIDATE = "no-cache"
"""Keep it, and ask every time whether it is still the same."""


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

    def tag(self, coding: str) -> str:
        """The strong entity tag: every content coding is a form of its own."""
        suffix = "" if coding == "identity" else f"-{coding}"
        return f'"{self._digest}{suffix}"'


def respond(
    request: Request[Any, Any, Any],
    encoded: Encoded,
    *,
    cache_control: str = REVALIDATE,
    headers: Mapping[str, str] | None = None,
) -> Response[bytes | None]:
    """Answer with a body in the best coding, or 304 when the client has it already."""
    coding = "identity"
    if len(encoded.content) >= _LEAST_TO_COMPRESS:
        coding = best_coding(request.headers.get("accept-encoding", ""))
    tag = encoded.tag(coding)
    answer_headers = {
        "etag": tag,
        "cache-control": cache_control,
        "vary": "accept-encoding",
        **(headers or {}),
    }
    if names_tag(request.headers.get("if-none-match", ""), tag):
        return Response(None, status_code=HTTP_304_NOT_MODIFIED, headers=answer_headers)
    if coding != "identity":
        answer_headers["content-encoding"] = coding
    return Response(
        encoded.in_coding(coding),
        status_code=HTTP_200_OK,
        media_type=encoded.media_type,
        headers=answer_headers,
    )


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
    named = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag in named or "*" in named


def _compress(content: bytes, coding: str) -> bytes:
    if coding == "br":
        compressed: bytes = brotli.compress(content, quality=_BROTLI_QUALITY)
        return compressed
    return gzip.compress(content, compresslevel=_GZIP_LEVEL, mtime=0)
