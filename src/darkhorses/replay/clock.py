"""The clock of a replay."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime

PACE_HEADER = b"darkhorses-pace"
"""How many seconds pass by the clock of ``Date`` in a second; 0 while it stands."""


class ReplayClock:
    """Runs from a start, so many times faster than time does, and stops at its limit.

    The limit is the next moment that is not written yet: a writer that cannot keep up slows time
    down. With no speed there is no waiting: the clock is always at its limit.
    """

    def __init__(
        self,
        start: datetime,
        *,
        speed: float | None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._speed = speed
        self._monotonic = monotonic
        self._limit = start
        self._began: float | None = None
        self._has_ended = False

    def __call__(self) -> datetime:
        """The replayed instant."""
        return self._limit if self._speed is None else min(self._free_running(), self._limit)

    def begin(self) -> None:
        """Let time pass from now on."""
        self._began = self._monotonic()

    def end(self) -> None:
        """Stand still for good."""
        self._has_ended = True

    def limit(self, moment: datetime) -> None:
        """Let time pass up to a moment."""
        self._limit = max(self._limit, moment)

    async def until(self, moment: datetime) -> None:
        """Let time pass up to a moment, and wait for it."""
        self.limit(moment)
        if self._speed is not None:
            left = (moment - self._free_running()).total_seconds() / self._speed
            await asyncio.sleep(max(left, 0.0))

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What tells a browser the time: the date by this clock, and its pace."""
        now = self()
        pace = 0.0 if self._speed is None or self._has_ended else self._speed
        return [
            (b"date", format_datetime(now, usegmt=True).encode()),
            (PACE_HEADER, f"{pace:g}".encode()),
        ]

    def _free_running(self) -> datetime:
        if self._speed is None or self._began is None:
            return self._start
        passed = self._monotonic() - self._began
        return self._start + timedelta(seconds=passed * self._speed)
