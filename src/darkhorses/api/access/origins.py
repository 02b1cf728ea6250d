"""Which pages of others may ask from a browser: none unless the settings name their origins."""

from collections.abc import Collection

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

ANY = "*"
_ASKED_FOR = b"authorization, x-api-key, if-none-match, last-event-id"
_SHOWN = b"etag, link, retry-after, ratelimit, ratelimit-policy, content-disposition"
_POLICY_VIOLATION = 1008


class Origins:
    """An ASGI application that answers browsers' questions of CORS for another.

    A WebSocket knows no CORS, so one that a page of somebody else opens is refused here.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str] = ()) -> None:
        self._app = app
        self._allowed = frozenset(origin.lower().rstrip("/") for origin in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        origin = _header(scope, b"origin")
        if origin is None:
            await self._app(scope, receive, send)
        elif scope["type"] == ScopeType.WEBSOCKET:
            if self._is_allowed(origin) or _is_own(scope, origin):
                await self._app(scope, receive, send)
            else:
                await receive()
                reason = "this origin may not open it"
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason})
        elif not self._is_allowed(origin):
            await self._app(scope, receive, _varying(send) if self._allowed else send)
        elif _is_preflight(scope):
            await self._answer_preflight(origin, send)
        else:
            await self._app(scope, receive, _allowing(send, self._named(origin)))

    def _is_allowed(self, origin: str) -> bool:
        return ANY in self._allowed or origin.lower() in self._allowed

    def _named(self, origin: str) -> bytes:
        return ANY.encode() if ANY in self._allowed else origin.encode("latin-1")

    async def _answer_preflight(self, origin: str, send: Send) -> None:
        headers = [
            (b"access-control-allow-origin", self._named(origin)),
            (b"access-control-allow-methods", b"GET, HEAD"),
            (b"access-control-allow-headers", _ASKED_FOR),
            (b"access-control-max-age", b"600"),
            (b"vary", b"origin"),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _allowing(send: Send, origin: bytes) -> Send:
    added = [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _SHOWN),
        (b"vary", b"origin"),
    ]
    return _adding(send, added)


def _varying(send: Send) -> Send:
    return _adding(send, [(b"vary", b"origin")])


def _adding(send: Send, added: list[tuple[bytes, bytes]]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return send_with_headers


def _is_preflight(scope: Scope) -> bool:
    return (
        scope["type"] == ScopeType.HTTP
        and scope["method"] == "OPTIONS"
        and _header(scope, b"access-control-request-method") is not None
    )


def _is_own(scope: Scope, origin: str) -> bool:
    host = _header(scope, b"host")
    return host is not None and origin.lower().partition("://")[2] == host.lower()


def _header(scope: Scope, wanted: bytes) -> str | None:
    for name, value in scope["headers"]:
        if name == wanted:
            return value.decode("latin-1")
    return None
