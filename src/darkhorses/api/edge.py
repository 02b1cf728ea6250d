"""The outermost ring around the application: what is true of every request and answer.

HEAD is answered as GET without the body, every answer carries the security headers, every
request and WebSocket leaves one line in the log when it ends, and those that do not end can be cut
when the service stops.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import timedelta
from functools import lru_cache
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from darkhorses.api.encoding import EVERY_ANSWERS, HeaderPairs
from darkhorses.api.metering import RequestMeter, client_kind, route_of
from darkhorses.api.ready_answers import ReadyAnswers
from darkhorses.api.request_log import RequestLog, Served
from darkhorses.api.standing import Ready
from darkhorses.store.replica import read_as_of
from darkhorses.tracing import is_traced, span

log = structlog.get_logger()

AS_OF = b"darkhorses-as-of"
"""The header of an answer from a replica: it has everything up to this moment (UTC)."""

Headers = Iterable[tuple[bytes, bytes]]

_UNANSWERED = 499
"""What the log says of a request that went away, or was cut, before it had an answer."""

_ASKED_ALL_DAY = frozenset(("/health", "/metrics"))
_IS_HEAD = "darkhorses.is_head"


def is_head(scope: Scope) -> bool:
    """Whether a request that is answered as GET was HEAD: its body is not worth making."""
    return _IS_HEAD in scope


class Edge:
    """An ASGI application around another; ``clock_headers`` tell another time than the real one.

    ``ready`` is asked first, where nobody is asked who they are: what it finds needs no more than
    to be sent and told of.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        meter: RequestMeter,
        ready: ReadyAnswers | None = None,
        clock_headers: Callable[[], Headers] | None = None,
        request_log: RequestLog | None = None,
    ) -> None:
        self._app = app
        self._meter = meter
        self._log = request_log or RequestLog()
        self._clock_headers = clock_headers
        self._ready = ready if clock_headers is None else None
        self._requests: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        is_http = scope["type"] == ScopeType.HTTP
        if is_http and self._ready is not None and not is_traced():
            started = time.perf_counter()
            ready = self._ready.find(scope)
            if ready is not None:
                await self._send_ready(ready, send, started)
                return
        serve = self._serve if is_http else self._serve_socket
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
        self._log.flush()

    async def _send_ready(self, ready: Ready, send: Send, started: float) -> None:
        answer, served = ready
        try:
            await send(answer.start)
            await send(answer.body)
        finally:
            seconds = time.perf_counter() - started
            self._meter.count(served.route, "GET", answer.status, seconds)
            self._log.served(served, round(seconds * 1000, 2))

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
                headers = self._with_own(message["headers"])
                message = {"type": "http.response.start", "status": status, "headers": headers}
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
            milliseconds = round((ended - started) * 1000, 2)
            served = Served(
                method=method,
                path=path,
                route=route,
                status=status,
                sent=sent,
                client=client_kind(scope),
                key=_key_of(scope),
            )
            if route in _ASKED_ALL_DAY:
                log.debug("request.served", **served.fields(milliseconds))
            else:
                self._log.served(served, milliseconds)

    def _with_own(self, headers: Headers) -> Headers:
        """The headers of an answer, and those that every answer has."""
        clock = self._clock_headers() if self._clock_headers is not None else ()
        age = _age_headers()
        if clock or age or not isinstance(headers, tuple):
            return _with_headers(headers, (*EVERY_ANSWERS, *clock, *age))
        return _guarded(headers)


def _key_of(scope: Scope) -> str | None:
    """The public part of the key that a request came with, if it had one."""
    key = scope.get("darkhorses.key_id")
    return None if key is None else str(key)


def _age_headers() -> Headers:
    """How old what was read is, when it was read from a replica."""
    as_of = read_as_of.get()
    return () if as_of is None else ((AS_OF, f"{as_of:%Y-%m-%dT%H:%M:%SZ}".encode()),)


def _with_headers(headers: Headers, own: Headers) -> list[tuple[bytes, bytes]]:
    given = list(headers)
    names = {name for name, _ in given}
    return [*given, *(header for header in own if header[0] not in names)]


@lru_cache(maxsize=512)
def _guarded(headers: HeaderPairs) -> list[tuple[bytes, bytes]]:
    """The same for headers that come again with every answer of the same body."""
    return _with_headers(headers, EVERY_ANSWERS)
