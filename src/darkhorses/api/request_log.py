"""One line in the log for every request.

Under load most lines differ from an earlier one in their time and duration alone. ``RepeatedLines``
has structlog render such a line once, and writes those of a few milliseconds together: they are the
same lines, redaction and all, at a fraction of the cost.
"""

import asyncio
import logging
import re
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import NamedTuple

import msgspec
import structlog

from darkhorses.logs import line_of

log = structlog.get_logger()

_WAIT = timedelta(milliseconds=10)
"""How long a line may wait for others, to be written with them."""

_EVENT = "request.served"
_MOST_LINES = 1024
_LONGEST_PATH = 200


class Served(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """What is told of a request beside its time; ``key`` is the public part of its key."""

    method: str
    path: str
    route: str
    status: int
    sent: int
    client: str
    key: str | None = None

    def fields(self, milliseconds: float) -> dict[str, str | float]:
        """The fields of its line."""
        return {
            "method": self.method,
            "path": self.path,
            "route": self.route,
            "status": self.status,
            "ms": milliseconds,
            "bytes": self.sent,
            "client": self.client,
            **({} if self.key is None else {"key": self.key}),
        }


class RequestLog:
    """Writes a line at once, through structlog."""

    def served(self, request: Served, milliseconds: float) -> None:
        """Tell of a request that ended."""
        log.info(_EVENT, **request.fields(milliseconds))

    def flush(self) -> None:
        """Write what was not written yet."""


class _Line(NamedTuple):
    """A rendered line around its duration and its time, or its time and its duration."""

    parts: tuple[str, str, str]
    time_first: bool


class RepeatedLines(RequestLog):
    """Writes lines to stderr, several together; made once the logs are set up."""

    def __init__(self) -> None:
        self._is_on: bool = log.is_enabled_for(logging.INFO)
        self._lines: dict[Served, _Line] = {}
        # No request can have these in it.
        self._number = secrets.randbits(63)
        self._timestamp = secrets.token_hex(16)
        self._waiting: list[tuple[_Line, float, int]] = []

    def served(self, request: Served, milliseconds: float) -> None:
        """Tell of a request that ended."""
        if not self._is_on:
            return
        line = self._lines.get(request)
        if line is None:
            if len(request.path) > _LONGEST_PATH:
                super().served(request, milliseconds)
                return
            line = self._rendered(request)
        if not self._waiting:
            asyncio.get_running_loop().call_later(_WAIT.total_seconds(), self.flush)
        self._waiting.append((line, milliseconds, time.time_ns()))

    def flush(self) -> None:
        """Write what was not written yet."""
        waiting, self._waiting = self._waiting, []
        sys.stderr.write("".join(_written(waiting)))
        sys.stderr.flush()

    def _rendered(self, request: Served) -> _Line:
        if len(self._lines) >= _MOST_LINES:
            self._lines.clear()
        entry = {**request.fields(self._number), "event": _EVENT}
        text = line_of("info", entry, timestamp=self._timestamp)
        before, first, rest = re.split(f"({self._number}|{self._timestamp})", text, maxsplit=1)
        between, _, after = re.split(f"({self._number}|{self._timestamp})", rest, maxsplit=1)
        line = self._lines[request] = _Line((before, between, after), first == self._timestamp)
        return line


def _written(waiting: Iterable[tuple[_Line, float, int]]) -> Iterator[str]:
    """Each line with its duration, and its time as structlog writes it."""
    second, said = -1, ""
    for (parts, time_first), milliseconds, nanoseconds in waiting:
        present, microsecond = divmod(nanoseconds // 1000, 1_000_000)
        if present != second:
            second, said = present, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(present))
        before, between, after = parts
        if time_first:
            yield f"{before}{said}.{microsecond:06}Z{between}{milliseconds}{after}"
        else:
            yield f"{before}{milliseconds}{between}{said}.{microsecond:06}Z{after}"
