"""What the feed means by an answer other than 200, as one of the names in ``errors``."""

from collections.abc import Mapping
from datetime import datetime

import httpx
import msgspec

from darkhorses.domain.redaction import Redaction
from darkhorses.domain.retry_after import read_retry_after
from darkhorses.upstream.bodies import UNDECODABLE
from darkhorses.upstream.errors import (
    BadCredentialsError,
    FeedError,
    NotFoundError,
    PlanTooSmallError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from darkhorses.upstream.wire import WireError

_errors = msgspec.json.Decoder(WireError)


def refusal(
    response: httpx.Response, body: bytes, path: str, *, now: datetime, hide: Redaction
) -> FeedError:
    """The error that an answer is, with what its body says of itself."""
    detail = hide(_detail(body))
    status = response.status_code
    said = f"{path} gave {status}" + (f": {detail}" if detail else "")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        if "plan" in detail.lower():
            return PlanTooSmallError(f"the account's plan is too small: {said}")
        return BadCredentialsError(f"the feed refuses the user name and password: {said}")
    if status == httpx.codes.NOT_FOUND:
        return NotFoundError(f"the feed has no such thing: {said}")
    retry_after = read_retry_after(response.headers.get("Retry-After"), now=now)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return ThrottledError(f"the feed is asked too often: {said}", retry_after=retry_after)
    if response.is_server_error:
        return UnavailableError(f"the feed failed: {said}", retry_after=retry_after)
    return RejectedError(f"the feed rejected the request: {said}")


def _detail(body: bytes) -> str:
    """What a refusal says of itself, in one short line."""
    try:
        detail = _errors.decode(body).detail
    except UNDECODABLE:
        return ""
    if isinstance(detail, list):
        return "; ".join(_complaint(item) for item in detail if isinstance(item, dict))[:300]
    return str(detail or "")[:300]


def _complaint(item: Mapping[str, object]) -> str:
    """``query.limit too large`` of ``{loc, msg, type}``, as far as it has that form."""
    place = item.get("loc")
    parts = place if isinstance(place, list) else [place or ""]
    return f"{'.'.join(map(str, parts))} {item.get('msg') or ''}"
