"""Counting requests by route, never by address, so that there are only so many series.

Requests are served by one thread, so that counting them takes no lock and is as short as it can be.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_LIMITS = (*map(str, _BUCKETS), "+Inf")
_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"))
_LONGEST_NAME, _MOST_NAMES = 100, 256

# When a series began doubles their number and says nothing that the process's start does not.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it without types

UNMATCHED = "unmatched"
"""The route of a request for which there is none."""


class _Seconds:
    """How many took how long: the counts between the limits, and the sum."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * len(_LIMITS)
        self.total = 0.0


class RequestMeter(Collector):
    """How many requests there were of each route, and how long their answers took to begin."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[str, _Seconds] = {}
        self._sockets: dict[int, int] = {}
        registry.register(self)

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that ended; ``seconds`` until its answer began."""
        key = route, method if method in _METHODS else "other", status // 100
        self._requests[key] = self._requests.get(key, 0) + 1
        took = self._seconds.get(route)
        if took is None:
            took = self._seconds[route] = _Seconds()
        took.counts[bisect_left(_BUCKETS, seconds)] += 1
        took.total += seconds

    def count_socket(self, code: int) -> None:
        """Count a WebSocket that ended."""
        self._sockets[code] = self._sockets.get(code, 0) + 1

    def collect(self) -> Iterator[Metric]:
        """What was counted so far."""
        requests = CounterMetricFamily(
            "darkhorses_http_requests",
            "Requests that ended, by route, method and class of status.",
            labels=("route", "method", "status"),
        )
        for (route, method, hundreds), count in self._requests.items():
            requests.add_metric((route, method, f"{hundreds}xx"), count)
        yield requests
        seconds = HistogramMetricFamily(
            "darkhorses_http_request_seconds",
            "Seconds until the answer began, by route.",
            labels=("route",),
        )
        for route, took in self._seconds.items():
            buckets = list(zip(_LIMITS, accumulate(took.counts), strict=True))
            seconds.add_metric((route,), buckets, took.total)
        yield seconds
        sockets = CounterMetricFamily(
            "darkhorses_http_sockets",
            "WebSockets that ended, by the code with which we closed them; 499 when we did not.",
            labels=("code",),
        )
        for code, count in self._sockets.items():
            sockets.add_metric((str(code),), count)
        yield sockets


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
            return kind_of(value)
    return "other"


@lru_cache(maxsize=_MOST_NAMES)
def kind_of(user_agent: bytes) -> str:
    """The same of what a client calls itself; nothing is ``other``."""
    said = user_agent[:_LONGEST_NAME].lower()
    return next((kind for part, kind in _KINDS if part in said), "other")
