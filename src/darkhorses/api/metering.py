"""Counting requests by route, never by address, so that there are only so many series."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"))

# When a series began doubles their number and says nothing that the process's start does not.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it without types

UNMATCHED = "unmatched"
"""The route of a request for which there is none."""


class RequestMeter:
    """How many requests there were of each route, and how long their answers took to begin."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "darkhorses_http_requests",
            "Requests that ended, by route, method and class of status.",
            ("route", "method", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "darkhorses_http_request_seconds",
            "Seconds until the answer began, by route.",
            ("route",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._sockets = Counter(
            "darkhorses_http_sockets",
            "WebSockets that ended, by the code with which we closed them; 499 when we did not.",
            ("code",),
            registry=registry,
        )
        # Finding a series by its labels takes longer than counting in it.
        self._requests_of: dict[tuple[str, str, int], Any] = {}
        self._seconds_of: dict[str, Any] = {}

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that ended; ``seconds`` until its answer began."""
        key = route, method, status // 100
        requests = self._requests_of.get(key)
        if requests is None:
            named = method if method in _METHODS else "other"
            requests = self._requests.labels(route, named, f"{status // 100}xx")
            if method in _METHODS:
                self._requests_of[key] = requests
        requests.inc()
        took = self._seconds_of.get(route)
        if took is None:
            took = self._seconds_of[route] = self._seconds.labels(route)
        took.observe(seconds)

    def count_socket(self, code: int) -> None:
        """Count a WebSocket that ended."""
        self._sockets.labels(str(code)).inc()


def route_of(scope: Mapping[str, Any]) -> str:
    """The pattern of the route that took a request."""
    route = scope.get("path_template")
    return str(route) if route else UNMATCHED


_KINDS = (
    (b"darkhorses", "darkhorses"),
    (b"prometheus", "prometheus"),
    (b"mozilla", "browser"),
    (b"curl", "curl"),
    (b"python", "python"),
)


def client_kind(scope: Mapping[str, Any]) -> str:
    """What a client calls itself, roughly: a browser, curl, …; else ``other``."""
    for name, value in scope["headers"]:
        if name == b"user-agent":
            said = value[:100].lower()
            return next((kind for part, kind in _KINDS if part in said), "other")
    return "other"
