"""Registered webhooks and what became of their messages, for whoever looks after them.

Secrets leave this module inside a ``Target`` alone, for signing.
"""

from datetime import datetime
from enum import StrEnum

import asyncpg
import msgspec

from darkhorses.domain.events import EventKind
from darkhorses.domain.signatures import SigningSecret
from darkhorses.domain.webhooks import Filter
from darkhorses.store.errors import UnknownWebhookError
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


class WebhookState(StrEnum):
    """Whether a webhook is told: by the operator's or receiver's wish not, or given up."""

    ACTIVE = "active"
    DISABLED = "disabled"
    DEAD = "dead"


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook without its secrets (times UTC).

    ``last_sequence`` is its newest message's number; ``delivered_count`` counts messages and
    ``failed_count`` attempts; ``pending`` and ``dead`` are messages in the outbox.
    """

    webhook_id: str
    url: str
    events: tuple[EventKind, ...]
    filter: Filter
    state: WebhookState
    reason: str | None
    last_sequence: int
    delivered_count: int
    failed_count: int
    pending: int
    dead: int
    last_attempt_at: datetime | None
    last_success_at: datetime | None
    failing_since: datetime | None
    previous_secret_until: datetime | None
    created_at: datetime


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to deliver (``at`` UTC, ``ms`` how long it took)."""

    at: datetime
    status: int | None
    error: str | None
    ms: int


class OutboxMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that could not be delivered, or not yet, with its last attempts (times UTC)."""

    message_id: str
    webhook_id: str
    event: str
    sequence: int
    state: str
    created_at: datetime
    next_attempt_at: datetime
    attempts: int
    last_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    attempt_log: tuple[Attempt, ...]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where messages go and what they are signed with, the newest secret first."""

    url: str
    signing: tuple[SigningSecret, ...]


async def webhooks(connection: Connection) -> list[Webhook]:
    """Every webhook, the oldest first."""
    return [_webhook(row) async for row in queries.webhooks_all(connection, webhook_id=None)]


async def webhook(connection: Connection, webhook_id: str) -> Webhook:
    """One webhook; raises UnknownWebhookError."""
    async for row in queries.webhooks_all(connection, webhook_id=webhook_id):
        return _webhook(row)
    raise unknown(webhook_id)


async def target(connection: Connection, webhook_id: str, now: datetime) -> Target:
    """Where a webhook's messages go; raises UnknownWebhookError."""
    row = await queries.webhooks_target(connection, webhook_id=webhook_id, now=now)
    if row is None:
        raise unknown(webhook_id)
    return target_from(row)


async def dead_messages(
    connection: Connection, webhook_id: str | None, *, most: int
) -> list[OutboxMessage]:
    """Messages that are not tried again, the newest first; of one webhook or of all."""
    return await _messages(connection, webhook_id, dead=True, most=most)


async def failing_messages(
    connection: Connection, webhook_id: str, *, most: int
) -> list[OutboxMessage]:
    """Messages that failed and are to be tried again, the newest first."""
    return await _messages(connection, webhook_id, dead=False, most=most)


def target_from(row: asyncpg.Record) -> Target:
    """Read a target from a row with url, secret and previous_secret."""
    texts = (row["secret"], row["previous_secret"])
    return Target(
        url=row["url"], signing=tuple(SigningSecret(text) for text in texts if text is not None)
    )


def unknown(webhook_id: str) -> UnknownWebhookError:
    """Say that there is no such webhook."""
    return UnknownWebhookError(
        f"there is no webhook {webhook_id!r}: see `darkhorses webhooks list`"
    )


async def _messages(
    connection: Connection, webhook_id: str | None, *, dead: bool, most: int
) -> list[OutboxMessage]:
    rows = queries.webhooks_messages(connection, webhook_id=webhook_id, dead=dead, most=most)
    return [_message(row) async for row in rows]


def _message(row: asyncpg.Record) -> OutboxMessage:
    fields = dict(row)
    fields["attempt_log"] = msgspec.json.decode(fields["attempt_log"], type=tuple[Attempt, ...])
    return OutboxMessage(**fields)


def _webhook(row: asyncpg.Record) -> Webhook:
    fields = dict(row)
    fields["events"] = tuple(EventKind(event) for event in fields["events"])
    fields["filter"] = msgspec.json.decode(fields["filter"], type=Filter)
    fields["state"] = WebhookState(fields["state"])
    return Webhook(**fields)
