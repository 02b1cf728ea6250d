"""The gate in front of the application: keys and rate limits, before a question is looked at."""

import asyncio
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from darkhorses.api.access.credentials import NotReadableError, key_in
from darkhorses.api.access.keyring import Grant, KeyRefusedError, KeyRing
from darkhorses.api.access.limiting import RateLimits, Taken
from darkhorses.api.encoding import encode
from darkhorses.api.problems import MEDIA_TYPE, FieldError, problem_of
from darkhorses.domain.api_keys import Scope as KeyScope

KEY_ID = "darkhorses.key_id"
"""Where a request's scope says which key it came with."""

_OPEN = frozenset({"health", "version", "docs", "openapi", "openapi.json", "static"})
_SCOPES = {
    ("api", "stream"): KeyScope.STREAM,
    ("api", "ws"): KeyScope.STREAM,
    ("api", "export"): KeyScope.EXPORT,
    ("metrics",): KeyScope.METRICS,
}
_LONG = {KeyScope.STREAM, KeyScope.EXPORT}
_FIELD = "Authorization"
_POLICY_VIOLATION = 1008


class Wanted(StrEnum):
    """When a key is wanted: never, once there is one, or always."""

    OFF = "off"
    ONCE_MADE = "once made"
    REQUIRED = "required"


class _Refused(Exception):  # noqa: N818  # it carries an answer, not an error
    """The answer to a request that goes no further."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, said: str = "", retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.said = said
        self.retry_after = retry_after


class Gate:
    """An ASGI application that lets through who may ask.

    A refusal is a problem: 401 without a good key, 403 for a key that does not open this, 429 for
    too many requests, 503 while it is not known which keys there are. ``cut_off`` ends the streams
    and exports of those whose key is no longer good.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        ring: KeyRing,
        wanted: Wanted = Wanted.OFF,
        limits: RateLimits | None = None,
    ) -> None:
        self._app = app
        self._ring = ring
        self._wanted = wanted
        self._limits = limits
        self._held: dict[asyncio.Task[Any], Grant] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if self._is_off or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        needed = _needed(scope["path"])
        taken: Taken | None = None
        try:
            grant = await self._granted(scope)
            taken = await self._count(scope, grant)
            if taken is not None and not taken.allowed:
                raise _too_many(taken)
            if grant is not None and needed not in grant.key.scopes:
                raise _not_for(needed)
        except _Refused as refused:
            await _refuse(scope, receive, send, refused, taken)
            return
        if taken is not None:
            send = _with_limit(send, taken)
        if grant is None or needed not in _LONG:
            await self._app(scope, receive, send)
        else:
            await self._hold(grant, scope, receive, send)

    def cut_off(self) -> None:
        """End what those follow who would not be let in any more."""
        for task, grant in list(self._held.items()):
            if not self._ring.still_good(grant):
                task.cancel()

    @property
    def _is_off(self) -> bool:
        return self._limits is None and self._wanted is Wanted.OFF

    async def _granted(self, scope: Scope) -> Grant | None:
        if self._wanted is Wanted.OFF:
            return None
        if not self._ring.loaded:
            raise _Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "It is not known yet which keys there are; try again shortly.",
                retry_after=2,
            )
        if self._wanted is Wanted.ONCE_MADE and self._ring.is_empty:
            return None
        try:
            grant = self._grant(scope)
        except _Refused as refused:
            # Whoever tries keys is counted by address, and at last told nothing but to wait.
            taken = await self._count(scope, None)
            raise refused if taken is None or taken.allowed else _too_many(taken) from None
        scope[KEY_ID] = grant.key.key_id  # type: ignore[literal-required]  # our own entry
        return grant

    def _grant(self, scope: Scope) -> Grant:
        try:
            key = key_in(scope["headers"])
            if key is None:
                message = "send a key, as Bearer and the key"
                raise _Refused(
                    HTTPStatus.UNAUTHORIZED, "A key is needed: Authorization: Bearer KEY.",
                    said=message,
                )  # fmt: skip
            return self._ring.grant(key)
        except (NotReadableError, KeyRefusedError) as error:
            said = str(error) if isinstance(error, NotReadableError) else f"this key {error}"
            raise _Refused(HTTPStatus.UNAUTHORIZED, f"No good key: {said}.", said=said) from None

    async def _count(self, scope: Scope, grant: Grant | None) -> Taken | None:
        if self._limits is None:
            return None
        if grant is not None:
            return await self._limits.of_key(grant.key)
        client = scope["client"]
        return await self._limits.of_address(client[0] if client else "")

    async def _hold(self, grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._held[task] = grant
        try:
            await self._app(scope, receive, send)
        finally:
            if task is not None:
                self._held.pop(task, None)


def _is_open(path: str) -> bool:
    return next(iter(_parts(path)), "") in _OPEN


def _needed(path: str) -> KeyScope:
    parts = _parts(path)
    return _SCOPES.get(parts[:2]) or _SCOPES.get(parts[:1]) or KeyScope.READ


def _parts(path: str) -> tuple[str, ...]:
    """A path's parts; the router too looks over slashes that are doubled."""
    return tuple(part for part in path.split("/") if part)


def _not_for(needed: KeyScope) -> _Refused:
    message = f"this key lacks the scope {needed.value}"
    return _Refused(HTTPStatus.FORBIDDEN, f"Not for this key: {message}.", said=message)


def _too_many(taken: Taken) -> _Refused:
    return _Refused(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"No more than {taken.quota} requests a minute; try again in {taken.reset} s.",
        retry_after=taken.reset,
    )


def _with_limit(send: Send, taken: Taken) -> Send:
    async def send_with_limit(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message["headers"], *taken.headers()]
            message = {**message, "headers": headers}
        await send(message)

    return send_with_limit


async def _refuse(
    scope: Scope, receive: Receive, send: Send, refused: _Refused, taken: Taken | None
) -> None:
    if scope["type"] == ScopeType.WEBSOCKET:
        await receive()
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refused.detail})
        return
    errors = (FieldError(field=_FIELD, message=refused.said),) if refused.said else ()
    body = encode(problem_of(refused.status, refused.detail, errors))
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *(taken.headers() if taken is not None else ()),
    ]
    if refused.status is HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", _challenge(scope["path"])))
    if refused.retry_after is not None:
        headers.append((b"retry-after", str(refused.retry_after).encode()))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _challenge(path: str) -> bytes:
    """Browsers ask their user for Basic; programs are not to be shown that window."""
    if path.startswith(("/api/", "/metrics")):
        return b'Bearer realm="DarkHorses"'
    return b'Basic realm="DarkHorses: any user name, the key as password", charset="UTF-8"'
