"""The outermost ring around the application: what is true of every request and answer.

HEAD is answered as GET without the body, every answer carries the security headers, every
request and WebSocket leaves one line in the log when it ends, and those that do not end can be cut
when the service stops.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

from darkhorses.api.metering import RequestMeter, client_kind, route_of
from darkhorses.store.replica import read_as_of
from darkhorses.tracing import span

log = structlog.get_logger()

_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"server", b"darkhorses"),
)
AS_OF = b"darkhorses-as-of"
"""The header of an answer from a replica: it has everything up to this moment (UTC)."""

Headers = Sequence[tuple[bytes, bytes]]

_UNANSWERED = 499
"""What the log says of a request that went away, or was cut, before it had an answer."""

_ASKED_ALL_DAY = frozenset(("/health", "/metrics"))
_IS_HEAD = "darkhorses.is_head"


def is_head(scope: Scope) -> bool:
    """Whether a request that is answered as GET was HEAD: its body is not worth making."""
    return _IS_HEAD in scope


class Edge:
    """An ASGI application around another; ``clock_headers`` tell another time than the real one."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        meter: RequestMeter,
        clock_headers: Callable[[], Headers] | None = None,
    ) -> None:
        self._app = app
        self._meter = meter
        self._clock_headers = clock_headers
        self._requests: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        serve = self._serve if scope["type"] == ScopeType.HTTP else self._serve_socket
        task = asyncio.current_task()
        if task is not None:
            self._requests.add(task)
        try:
            await serve(scope, receive, send)
        finally:
            if task is not None:
                self._requests.discard(task)

    async def finish(self, within: timedelta) -> None:
        """Wait for the requests in hand, and cancel those that take longer."""
        if self._requests:
            _, late = await asyncio.wait(self._requests, timeout=within.total_seconds())
            for task in late:
                task.cancel()

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        code = _UNANSWERED

        async def send_outwards(message: Message) -> None:
            nonlocal code
            if message["type"] == "websocket.close":
                code = message["code"]
            await send(message)

        try:
            await self._app(scope, receive, send_outwards)
        finally:
            self._meter.count_socket(code)
            milliseconds = round((time.perf_counter() - started) * 1000, 2)
            log.info("socket.served", path=scope["path"], code=code, ms=milliseconds)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        began: float | None = None
        sent = 0
        status = _UNANSWERED
        read_as_of.set(None)
        is_head = scope["method"] == "HEAD"  # type: ignore[typeddict-item]  # http scopes have one
        if is_head:
            scope = {**scope, "method": "GET", _IS_HEAD: True}  # type: ignore[assignment]  # a scope is a dict to ASGI

        async def send_outwards(message: Message) -> None:
            nonlocal status, began, sent
            if message["type"] == "http.response.start":
                began = time.perf_counter()
                status = message["status"]
                clock = self._clock_headers() if self._clock_headers is not None else ()
                message = _with_headers(message, (*_HEADERS, *clock, *_age_headers()))
            elif message["type"] == "http.response.body":
                if is_head:
                    message = {**message, "body": b""}
                sent += len(message["body"])
            await send(message)

        path = scope["path"]
        try:
            # A platform asks for health and metrics all day long: they are not traced.
            with span("request") if path not in _ASKED_ALL_DAY else nullcontext() as traced:
                try:
                    await self._app(scope, receive, send_outwards)
                finally:
                    if traced is not None:
                        traced.update_name(f"{scope['method']} {route_of(scope)}")  # type: ignore[typeddict-item]
                        traced.set_attribute("http.response.status_code", status)
        finally:
            ended = time.perf_counter()
            method = "HEAD" if is_head else scope["method"]  # type: ignore[typeddict-item]
            route = route_of(scope)
            self._meter.count(route, method, status, (began or ended) - started)
            # A platform asks for these all day long.
            say = log.debug if route in _ASKED_ALL_DAY else log.info
            say(
                "request.served",
                method=method,
                path=path,
                route=route,
                status=status,
                ms=round((ended - started) * 1000, 2),
                bytes=sent,
                client=client_kind(scope),
                **_key_of(scope),
            )


def _key_of(scope: Scope) -> dict[str, str]:
    """The public part of the key that a request came with, if it had one."""
    key = scope.get("darkhorses.key_id")
    return {} if key is None else {"key": str(key)}


def _age_headers() -> Headers:
    """How old what was read is, when it was read from a replica."""
    as_of = read_as_of.get()
    return () if as_of is None else ((AS_OF, f"{as_of:%Y-%m-%dT%H:%M:%SZ}".encode()),)


def _with_headers(message: HTTPResponseStartEvent, headers: Headers) -> HTTPResponseStartEvent:
    given = {name for name, _ in message["headers"]}
    added = [header for header in headers if header[0] not in given]
    return {**message, "headers": [*message["headers"], *added]}
