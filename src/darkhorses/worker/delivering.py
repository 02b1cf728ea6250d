"""Delivering the outbox: claim what is due, send it, note how it ended.

The database is asked in short statements, never while a message is on its way. Each webhook has a
few messages on their way at a time and no part in what others have, so that one that hangs makes
nobody wait: not the others, and not the live odds, which share nothing with it but the loop.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import structlog

from darkhorses.domain.webhook_events import ToldStatus
from darkhorses.domain.webhooks import LONGEST_WAIT, next_attempt_at
from darkhorses.store.errors import StoreError
from darkhorses.store.pool import Database
from darkhorses.store.worker_figures import WorkerFigures, add
from darkhorses.store.writing import outbox
from darkhorses.store.writing.lease import Lease, writing_transaction
from darkhorses.store.writing.outbox import Claimed, Outcome
from darkhorses.webhooks.errors import NotDeliveredError, WebhookError
from darkhorses.webhooks.sending import TIMEOUT, Sender
from darkhorses.worker.jobs import JobBoundary

_log = structlog.get_logger("darkhorses.worker")

WEBHOOKS = "webhooks"

AT_ONCE = 4
"""Messages of a webhook that are on their way at a time."""

_CLAIMED_FOR = 4 * TIMEOUT
_EVERY = 2.0
_BETWEEN_TURNS = 0.05
_PRUNE_EVERY = timedelta(hours=1)
_FINISH = 2.0
_LONGEST_ERROR = 300

Clock = Callable[[], datetime]
"""Gives the present instant, in UTC."""


class Deliveries:
    """Delivers while its worker leads; ``news`` says that there may be something to do."""

    def __init__(
        self,
        database: Database,
        sender: Sender,
        clock: Clock,
        *,
        boundary: JobBoundary,
        news: asyncio.Event,
        status: Callable[[], Awaitable[ToldStatus | None]],
        figures: WorkerFigures | None = None,
    ) -> None:
        self._database = database
        self._sender = sender
        self._clock = clock
        self._boundary = boundary
        self._news = news
        self._status = status
        self._figures = figures if figures is not None else WorkerFigures()
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._busy: Counter[str] = Counter()
        self._paused: dict[str, datetime] = {}
        self._outcomes: list[Outcome] = []
        self._took_over = False
        self._told: ToldStatus | None = None
        self._pruned_at: datetime | None = None

    async def run(self, lease: Lease) -> None:
        """Deliver until cancelled; what is on its way then has a moment to arrive."""
        self._took_over = False
        self._told = None
        try:
            while True:
                self._news.clear()
                await self._boundary.run(
                    WEBHOOKS,
                    partial(self.turn, lease),
                    reason="when there is something to tell",
                    record_failure=False,
                )
                await asyncio.sleep(_BETWEEN_TURNS)
                # Not wait_for: before Python 3.12 it swallows a cancellation that comes with news.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_EVERY):
                        await self._news.wait()
        finally:
            await self._finish()

    async def turn(self, lease: Lease) -> None:
        """Note what has ended and begin what is due; raises StoreErrors."""
        await self._record()
        await self._tell_status(lease)
        now = self._clock()
        async with self._database.connection() as connection:
            if not self._took_over:
                await outbox.release_claims(connection)
                self._took_over = True
            if self._pruned_at is None or now >= self._pruned_at + _PRUNE_EVERY:
                self._pruned_at = now if await outbox.prune(connection, now) else None
            claimed = await outbox.claim(
                connection,
                busy=self._taken(now),
                at_once=AT_ONCE,
                now=now,
                until=now + _CLAIMED_FOR,
            )
        for message in claimed:
            self._busy[message.webhook_id] += 1
            task = asyncio.create_task(self._deliver(message))
            self._on_their_way.add(task)
            task.add_done_callback(self._on_their_way.discard)

    async def settled(self) -> None:
        """Return when nothing is on its way; how it ended is noted in the next turn."""
        if self._on_their_way:
            await asyncio.wait(self._on_their_way)

    def _taken(self, now: datetime) -> Mapping[str, int]:
        """How many of its places each webhook has taken; one that asked for peace has no place."""
        self._paused = {name: until for name, until in self._paused.items() if until > now}
        taken = {name: count for name, count in self._busy.items() if count}
        return taken | dict.fromkeys(self._paused, AT_ONCE)

    async def _deliver(self, message: Claimed) -> None:
        attempted_at = self._clock()
        started = time.monotonic()
        status: int | None = None
        failure: WebhookError | None = None
        try:
            answer = await self._sender.send(
                message.target.url,
                message.message_id,
                message.payload,
                signing=message.target.signing,
            )
            status = answer.status
        except NotDeliveredError as error:
            status, failure = error.status, error
        except WebhookError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  # an attempt's boundary: it is noted as failed
            failure = WebhookError(f"{type(error).__name__}: {error}")
            _log.error("webhooks.attempt_broke", webhook_id=message.webhook_id, exc_info=error)
        finally:
            self._busy[message.webhook_id] -= 1
        outcome = Outcome(
            message_no=message.message_no,
            webhook_id=message.webhook_id,
            claimed_until=message.claimed_until,
            delivered=failure is None,
            status=status,
            error=None if failure is None else str(failure)[:_LONGEST_ERROR],
            attempted_at=attempted_at,
            retry_at=None if failure is None else self._retry_at(message, failure),
            ms=int((time.monotonic() - started) * 1000),
        )
        _log_outcome(message, outcome)
        add(self._figures.deliveries, "delivered" if outcome.delivered else "failed")
        self._outcomes.append(outcome)
        self._news.set()

    def _retry_at(self, message: Claimed, failure: WebhookError) -> datetime | None:
        """When to try again; a receiver that asks for peace is left in it with all messages."""
        now = self._clock()
        retry_after = failure.retry_after if isinstance(failure, NotDeliveredError) else None
        if retry_after is not None:
            self._paused[message.webhook_id] = now + min(retry_after, LONGEST_WAIT)
        return next_attempt_at(attempts=message.attempts + 1, now=now, retry_after=retry_after)

    async def _record(self) -> None:
        outcomes = list(self._outcomes)
        if not outcomes:
            return
        async with self._database.connection() as connection:
            stopped = await outbox.record(connection, outcomes)
        del self._outcomes[: len(outcomes)]
        for webhook in stopped:
            _log.warning(
                "webhooks.stopped",
                webhook_id=webhook.webhook_id,
                state=webhook.state.value,
                reason=webhook.reason,
            )

    async def _tell_status(self, lease: Lease) -> None:
        event = await self._status()
        if event is None or (self._told is not None and event.status == self._told.status):
            return
        async with writing_transaction(self._database, lease) as connection:
            await outbox.announce_status(connection, event)
        self._told = event

    async def _finish(self) -> None:
        """Let what is on its way arrive, within limits; what does not is sent by who leads next."""
        if self._on_their_way:
            await asyncio.wait(self._on_their_way, timeout=_FINISH)
        for task in self._on_their_way:
            task.cancel()
        await asyncio.gather(*self._on_their_way, return_exceptions=True)
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_FINISH):
                await self._record()


def _log_outcome(message: Claimed, outcome: Outcome) -> None:
    fields = {
        "webhook_id": message.webhook_id,
        "message_id": message.message_id,
        "attempt": message.attempts + 1,
        "status": outcome.status,
        "ms": outcome.ms,
    }
    if outcome.delivered:
        _log.debug("webhooks.delivered", **fields)
    else:
        _log.info("webhooks.failed", error=outcome.error, **fields)
