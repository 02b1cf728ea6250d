"""The stream, followed for as long as it is wanted.

```
 connecting ──200──▶ following ──ends, breaks, or silent too long──▶ waiting ──▶ connecting
     ├── 5xx, 429, nobody there ────────────────────────────────────────▲
     └── any other refusal: raised
```

Who comes back says the id of the last event that was handed out, so that nothing is missing and
no price comes twice.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpx

from darkhorses.client.errors import (
    ClientError,
    MalformedAnswerError,
    ProblemError,
    UnreachableError,
    problem_of,
)
from darkhorses.client.events import StreamEvent, read_event
from darkhorses.client.server_events import ServerEventReader

log = logging.getLogger(__name__)

PATH = "/api/stream"
_MEDIA_TYPE = "text/event-stream"

SILENCE = 45.0
"""Seconds without a byte after which a connection counts as dead: three keep-alives missed."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds before coming back, where the server does not say; doubled by every failure."""

_LONGEST_JITTER = 0.5


class Pauses:
    """How long to wait before coming back: longer after every failure, for each client another."""

    def __init__(self) -> None:
        self.retry = FIRST_PAUSE
        self._failures = 0

    def reset(self) -> None:
        """The connection is good."""
        self._failures = 0

    def next(self, *, at_least: float | None = None) -> float:
        """Seconds; never less than the server asked for."""
        doubled = self.retry * (1 << min(self._failures, 16))
        self._failures += 1
        pause = max(self.retry, min(doubled, LONGEST_PAUSE), at_least or 0.0)
        return pause * (1 + _LONGEST_JITTER * random.random())  # noqa: S311  # no secret


class Stream:
    """Events in their order, as an asynchronous iterator; made by ``DarkHorsesClient.stream``.

    ``last_event_id`` is where the stream stands: keep it once what was handed out is done with,
    and give it to the next stream, with the same filters, after a restart. It also moves on when
    nothing comes that the filters take.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        parameters: Sequence[tuple[str, str]],
        last_event_id: str | None,
        silence: float,
        patience: float | None,
    ) -> None:
        self.last_event_id = last_event_id
        self._http = http
        self._parameters = httpx.QueryParams([*parameters])
        self._timeout = httpx.Timeout(http.timeout.connect, read=silence)
        self._patience = patience
        self._pauses = Pauses()
        self._heard_at = 0.0
        self._events = self._follow()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        try:
            return await anext(self._events)
        except (asyncio.CancelledError, ClientError):
            # Whoever asks again, as after a timeout of their own, goes on from the last id.
            self._events = self._follow()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._events.aclose()

    async def _follow(self) -> AsyncGenerator[StreamEvent, None]:
        """Events over one connection after the other."""
        self._heard_at = asyncio.get_running_loop().time()
        while True:
            cause: Exception | None = None
            at_least = None
            try:
                async with self._http.stream(
                    "GET",
                    PATH,
                    params=self._parameters,
                    headers=self._headers(),
                    timeout=self._timeout,
                ) as answer:
                    await _require_stream(answer)
                    reader = ServerEventReader()
                    async for piece in answer.aiter_bytes():
                        for received in reader.take(piece):
                            self._heard(reader)
                            event = read_event(received, reader.last_event_id)
                            if event is not None:
                                yield event
                        self._heard(reader)
            except httpx.RequestError as error:
                cause = error
            except ProblemError as error:
                if not error.is_passing:
                    raise
                cause, at_least = error, error.retry_after
            await self._pause(cause, at_least)

    def _headers(self) -> dict[str, str]:
        headers = {"accept": _MEDIA_TYPE, "accept-encoding": "identity"}
        if self.last_event_id is not None:
            headers["last-event-id"] = self.last_event_id
        return headers

    def _heard(self, reader: ServerEventReader) -> None:
        """Note what was heard: where we are, and when to come back."""
        self.last_event_id = reader.last_event_id or self.last_event_id
        if reader.retry is not None:
            self._pauses.retry = reader.retry
        if reader.last_event_id is not None:
            # Only what moves us on makes a good connection: a server that stops says retry too.
            self._pauses.reset()
        self._heard_at = asyncio.get_running_loop().time()

    async def _pause(self, cause: Exception | None, at_least: float | None) -> None:
        """Wait before the next connection; raises UnreachableError when patience is at its end."""
        reason = "it ended" if cause is None else str(cause) or type(cause).__name__
        seconds = self._pauses.next(at_least=at_least)
        waited = asyncio.get_running_loop().time() - self._heard_at
        if self._patience is not None and waited + seconds > self._patience:
            raise UnreachableError(
                f"the stream was lost {waited:.0f} s ago and does not come back: {reason}"
            ) from cause
        log.info("the stream is lost (%s); coming back in %.1f s", reason, seconds)
        await asyncio.sleep(seconds)


async def _require_stream(answer: httpx.Response) -> None:
    """Raise ProblemError or MalformedAnswerError for anything that is no stream."""
    if answer.status_code != HTTPStatus.OK:
        await answer.aread()
        raise problem_of(answer)
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _MEDIA_TYPE:
        raise MalformedAnswerError(f"expected {_MEDIA_TYPE}, and this is {media_type or 'nothing'}")
