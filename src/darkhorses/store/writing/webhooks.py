"""Registering webhooks and looking after them; each in a statement of its own."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec

from darkhorses.domain.events import EventKind
from darkhorses.domain.signatures import SigningSecret
from darkhorses.domain.webhooks import Filter
from darkhorses.store.errors import TooManyWebhooksError
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries
from darkhorses.store.webhooks import unknown
from darkhorses.store.writing.tags import rows_of

MOST_WEBHOOKS = 100
"""Each may have a few messages on their way at any time."""

BOTH_SECRETS_FOR = timedelta(hours=24)
"""How long a secret that was replaced is still signed with."""


async def add(
    connection: Connection,
    *,
    url: str,
    events: Collection[EventKind],
    chosen: Filter,
    secret: SigningSecret,
    now: datetime,
) -> str:
    """Register a webhook; its id. Raises TooManyWebhooksError."""
    webhook_id = f"wh_{uuid4().hex[:16]}"
    done = await queries.webhooks_add(
        connection,
        webhook_id=webhook_id,
        url=url,
        events=[event.value for event in events],
        filter=msgspec.json.encode(chosen).decode(),
        secret=secret.reveal(),
        now=now,
        most=MOST_WEBHOOKS,
    )
    if not rows_of(done):
        raise TooManyWebhooksError(f"there are {MOST_WEBHOOKS} webhooks already: remove one first")
    return webhook_id


async def rotate(
    connection: Connection, webhook_id: str, secret: SigningSecret, *, now: datetime
) -> datetime:
    """Sign with a new secret, and with the one before until the time returned."""
    until = now + BOTH_SECRETS_FOR
    done = await queries.webhooks_rotate(
        connection, webhook_id=webhook_id, secret=secret.reveal(), until=until
    )
    _require(done, webhook_id)
    return until


async def enable(connection: Connection, webhook_id: str) -> None:
    """Tell it again; raises UnknownWebhookError, as all of these do."""
    _require(await queries.webhooks_enable(connection, webhook_id=webhook_id), webhook_id)


async def disable(connection: Connection, webhook_id: str) -> None:
    """Tell it nothing more; its messages wait."""
    _require(await queries.webhooks_disable(connection, webhook_id=webhook_id), webhook_id)


async def remove(connection: Connection, webhook_id: str) -> None:
    """Forget it with all its messages."""
    _require(await queries.webhooks_remove(connection, webhook_id=webhook_id), webhook_id)


async def replay(connection: Connection, webhook_id: str, *, now: datetime) -> int:
    """Let its dead messages be tried again from the beginning; how many there are."""
    return rows_of(await queries.webhooks_replay(connection, webhook_id=webhook_id, now=now))


def _require(command_tag: Any, webhook_id: str) -> None:
    if not rows_of(command_tag):
        raise unknown(webhook_id)
