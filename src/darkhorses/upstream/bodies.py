"""Bodies of answers: unpacked within a limit, and decoded with one name for whatever is wrong.

httpx unpacks each piece of a body as a whole, so that a few kilobytes may become gigabytes before
anybody can count them; here no more is unpacked than may be kept.
"""

import zlib
from typing import Final

import httpx
import msgspec

from darkhorses.upstream.errors import MalformedError

LARGEST_BODY: Final = 32 * 1024 * 1024
"""More than a page of 500 races, each twice as large as any that was seen."""

UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on bytes that are not JSON, not UTF-8, nested too deeply, or misshapen."""

_GZIP = zlib.MAX_WBITS | 16
_PIECE = 4 * 1024 * 1024  # a usual day's page at once


async def read_body(response: httpx.Response, path: str) -> bytes:
    """The whole body of an answer to ``path``, unpacked.

    Raises MalformedError when it is larger than LARGEST_BODY, cannot be unpacked, or ends before
    its last packed byte; httpx's errors when it breaks off.
    """
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > LARGEST_BODY:
        raise _too_large(path)
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "gzip":
        return await _unpack(response, path)
    if encoding not in {"", "identity"}:
        raise MalformedError(f"the answer of {path} is packed in a way not asked for: {encoding}")
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > LARGEST_BODY:
            raise _too_large(path)
    return bytes(body)


async def _unpack(response: httpx.Response, path: str) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    body = bytearray()
    async for packed in response.aiter_raw():
        rest = packed
        while rest and not unpacker.eof:
            try:
                body += unpacker.decompress(rest, _PIECE)
            except zlib.error as error:
                raise MalformedError(f"the answer of {path} cannot be unpacked: {error}") from error
            if len(body) > LARGEST_BODY:
                raise _too_large(path)
            rest = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise MalformedError(f"the answer of {path} ends in the middle of what is packed")
    return bytes(body)


def _too_large(path: str) -> MalformedError:
    size = LARGEST_BODY // 1024 // 1024
    return MalformedError(f"the answer of {path} is larger than {size} MiB")
