"""``darkhorses webhooks``: registering webhooks, looking after them, and trying one out."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from uuid import uuid4

import msgspec

from darkhorses.database import open_connection
from darkhorses.domain.events import EventKind
from darkhorses.domain.signatures import SigningSecret
from darkhorses.domain.webhooks import Filter, payload
from darkhorses.settings import Settings
from darkhorses.store import webhooks as reading
from darkhorses.store.pool import Connection
from darkhorses.store.webhooks import OutboxMessage, Webhook
from darkhorses.store.writing import webhooks as writing
from darkhorses.webhooks.errors import NotDeliveredError, WebhookError
from darkhorses.webhooks.sending import Sender
from darkhorses.worker.app import clock

_FAILING_SHOWN = 10

PING = "ping"


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that was registered, with its secret: this is the only time that it is told."""

    webhook_id: str
    url: str
    events: tuple[EventKind, ...]
    filter: Filter
    secret: str


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """A new secret; the one before is signed with until ``previous_valid_until`` (UTC)."""

    webhook_id: str
    secret: str
    previous_valid_until: datetime


class Pinged(msgspec.Struct, frozen=True, kw_only=True):
    """How a ping was answered; ``error`` None when it was accepted."""

    webhook_id: str
    message_id: str
    delivered: bool
    status: int | None
    error: str | None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, and its messages that failed and are to be tried again."""

    webhook: Webhook
    failing: list[OutboxMessage]


async def add(
    settings: Settings, url: str, events: tuple[EventKind, ...], chosen: Filter
) -> Registered:
    """Register a webhook; raises WebhookError for an address that nothing may be sent to."""
    async with _sender(settings) as sender:
        await sender.check(url)
    secret = SigningSecret.new()
    async with _connection(settings) as connection:
        webhook_id = await writing.add(
            connection, url=url, events=events, chosen=chosen, secret=secret, now=clock()
        )
    return Registered(
        webhook_id=webhook_id, url=url, events=events, filter=chosen, secret=secret.reveal()
    )


async def every(settings: Settings) -> list[Webhook]:
    """Every webhook."""
    async with _connection(settings) as connection:
        return await reading.webhooks(connection)


async def show(settings: Settings, webhook_id: str) -> Shown:
    """A webhook and what fails of it."""
    async with _connection(settings) as connection:
        return Shown(
            webhook=await reading.webhook(connection, webhook_id),
            failing=await reading.failing_messages(connection, webhook_id, most=_FAILING_SHOWN),
        )


async def rotate(settings: Settings, webhook_id: str) -> Rotated:
    """Give a webhook a new secret."""
    secret = SigningSecret.new()
    async with _connection(settings) as connection:
        until = await writing.rotate(connection, webhook_id, secret, now=clock())
    return Rotated(webhook_id=webhook_id, secret=secret.reveal(), previous_valid_until=until)


async def ping(settings: Settings, webhook_id: str) -> Pinged:
    """Send a ping now, whatever the webhook's state and filter are."""
    now = clock()
    async with _connection(settings) as connection:
        target = await reading.target(connection, webhook_id, now)
    message_id = f"msg_{uuid4().hex}"
    body = payload(PING, b"{}", timestamp=now, sequence=None)
    status: int | None = None
    error: str | None = None
    async with _sender(settings) as sender:
        try:
            answer = await sender.send(target.url, message_id, body, signing=target.signing)
            status = answer.status
        except WebhookError as failure:
            error = str(failure)
            status = failure.status if isinstance(failure, NotDeliveredError) else None
    return Pinged(
        webhook_id=webhook_id,
        message_id=message_id,
        delivered=error is None,
        status=status,
        error=error,
    )


async def enable(settings: Settings, webhook_id: str) -> None:
    """Tell a webhook again."""
    async with _connection(settings) as connection:
        await writing.enable(connection, webhook_id)


async def disable(settings: Settings, webhook_id: str) -> None:
    """Tell a webhook nothing more."""
    async with _connection(settings) as connection:
        await writing.disable(connection, webhook_id)


async def remove(settings: Settings, webhook_id: str) -> None:
    """Forget a webhook and its messages."""
    async with _connection(settings) as connection:
        await writing.remove(connection, webhook_id)


async def dead(settings: Settings, webhook_id: str | None, *, most: int) -> list[OutboxMessage]:
    """Messages that are not tried again, the newest first."""
    async with _connection(settings) as connection:
        if webhook_id is not None:
            await reading.webhook(connection, webhook_id)
        return await reading.dead_messages(connection, webhook_id, most=most)


async def replay(settings: Settings, webhook_id: str) -> int:
    """Have a webhook's dead messages tried again; how many there are."""
    async with _connection(settings) as connection:
        await reading.webhook(connection, webhook_id)
        return await writing.replay(connection, webhook_id, now=clock())


def webhook_lines(webhooks: Sequence[Webhook]) -> list[str]:
    """Webhooks for a person, one a line."""
    return [
        f"{hook.webhook_id}  {hook.state.value:8}  {','.join(hook.events)}  {hook.url}  "
        f"delivered {hook.delivered_count}, waiting {hook.pending}, dead {hook.dead}"
        + (f"  ({hook.reason})" if hook.reason else "")
        for hook in webhooks
    ]


def shown_lines(shown: Shown) -> list[str]:
    """A webhook for a person, fact by fact."""
    hook = shown.webhook
    facts = {
        "webhook": hook.webhook_id,
        "url": hook.url,
        "events": ", ".join(hook.events),
        "filter": msgspec.json.encode(hook.filter).decode(),
        "state": hook.state.value + (f": {hook.reason}" if hook.reason else ""),
        "created": _time(hook.created_at),
        "messages": f"{hook.last_sequence} so far, {hook.delivered_count} delivered, "
        f"{hook.pending} waiting, {hook.dead} dead, {hook.failed_count} attempts failed",
        "last success": _time(hook.last_success_at),
        "failing since": _time(hook.failing_since),
        "old secret until": _time(hook.previous_secret_until),
    }
    told = [f"{name:18}{value}" for name, value in facts.items()]
    return told + [f"{'failing':18}{line}" for line in message_lines(shown.failing)]


def message_lines(messages: Sequence[OutboxMessage]) -> list[str]:
    """Messages for a person, one a line."""
    return [
        f"{message.message_id}  {message.webhook_id}  {message.event} {message.sequence}  "
        f"{message.attempts} attempts, last {_time(message.last_attempt_at)}: {message.last_error}"
        + (f", next {_time(message.next_attempt_at)}" if message.state == "pending" else "")
        for message in messages
    ]


def _time(instant: datetime | None) -> str:
    return "-" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def _connection(settings: Settings) -> AbstractAsyncContextManager[Connection]:
    return open_connection(settings, application_name="darkhorses webhooks")


@asynccontextmanager
async def _sender(settings: Settings) -> AsyncIterator[Sender]:
    async with Sender.open(clock, private_targets=settings.webhook_private_targets) as sender:
        yield sender
