"""One line in the log for every request.

Under load most lines differ from an earlier one in their time and duration alone. ``RepeatedLines``
has structlog render such a line once, and writes those of a few milliseconds together: they are the
same lines, redaction and all, at a fraction of the cost.
"""

import asyncio
import logging
import secrets
import sys
import time
from datetime import timedelta
from typing import NamedTuple

import structlog

from darkhorses.logs import line_of

log = structlog.get_logger()

_WAIT = timedelta(milliseconds=10)
"""How long a line may wait for others, to be written with them."""

_EVENT = "request.served"
_MOST_TEMPLATES = 1024
_LONGEST_PATH = 200


class Served(NamedTuple):
    """What is told of a request beside its time; ``key`` is the public part of its key."""

    method: str
    path: str
    route: str
    status: int
    sent: int
    client: str
    key: str | None

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


class RepeatedLines(RequestLog):
    """Writes lines to stderr, several together; made once the logs are set up."""

    def __init__(self) -> None:
        self._is_on: bool = log.is_enabled_for(logging.INFO)
        self._templates: dict[Served, str] = {}
        # No request can have these in it.
        self._number = secrets.randbits(63)
        self._timestamp = secrets.token_hex(16)
        self._waiting: list[str] = []
        self._second = 0
        self._said = ""

    def served(self, request: Served, milliseconds: float) -> None:
        """Tell of a request that ended."""
        if not self._is_on:
            return
        template = self._templates.get(request)
        if template is None:
            if len(request.path) > _LONGEST_PATH:
                super().served(request, milliseconds)
                return
            template = self._template(request)
        if not self._waiting:
            asyncio.get_running_loop().call_later(_WAIT.total_seconds(), self.flush)
        self._waiting.append(template % {"ms": milliseconds, "at": self._now()})

    def flush(self) -> None:
        """Write what was not written yet."""
        sys.stderr.write("".join(self._waiting))
        sys.stderr.flush()
        self._waiting.clear()

    def _template(self, request: Served) -> str:
        if len(self._templates) >= _MOST_TEMPLATES:
            self._templates.clear()
        entry = {**request.fields(self._number), "event": _EVENT}
        line = line_of("info", entry, timestamp=self._timestamp).replace("%", "%%")
        template = line.replace(str(self._number), "%(ms)s").replace(self._timestamp, "%(at)s")
        self._templates[request] = template
        return template

    def _now(self) -> str:
        """The present instant as structlog's lines have it."""
        second, microsecond = divmod(time.time_ns() // 1000, 1_000_000)
        if second != self._second:
            self._second = second
            self._said = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._said}.{microsecond:06}Z"
