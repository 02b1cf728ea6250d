"""The outbox: messages to webhooks, written with what they tell of and sent afterwards.

::

              claim                       delivered ─────> DELIVERED ── days later ──> forgotten
    PENDING ─────────> on its way ───────┤
       ^                                  failed ──> PENDING again, later and later
       │ the claim ran out, or another                 │
       └─ worker leads by now                          └── after the last attempt ──> DEAD

Invariants:

- A message is in the outbox if and only if the write that it tells of was committed.
- A webhook's messages are numbered 1, 2, 3 without holes, in the order of commits.
- A message that is claimed and neither delivered nor failed is claimed again by someone: it
  arrives at least once, always under the same id.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg
import msgspec

from darkhorses.domain.diff import RaceDelta
from darkhorses.domain.webhook_events import ToldPrice, ToldStatus
from darkhorses.domain.webhooks import (
    News,
    RacePlace,
    Recipient,
    messages_for,
    news_of_look,
    news_of_price,
    news_of_status,
    payload,
)
from darkhorses.store.odds import stored_price
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries
from darkhorses.store.webhooks import Target, WebhookState, target_from

GIVE_UP_AFTER = timedelta(days=5)
"""A webhook to which nothing could be delivered for so long is told no more."""

KEEP_DELIVERED = timedelta(days=3)
KEEP_OTHERS = timedelta(days=30)

_PRUNED_AT_A_TIME = 5000

_read_recipients = msgspec.json.Decoder(tuple[Recipient, ...]).decode


class Audience(msgspec.Struct, frozen=True, kw_only=True):
    """Who is to be told of a write; ``change_id`` is where the log ended before it.

    ``change_id`` is None when nobody is told of prices.
    """

    recipients: tuple[Recipient, ...] = ()
    change_id: int | None = None


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is to be sent now; ``attempts`` have failed before."""

    message_no: int
    message_id: str
    webhook_id: str
    payload: bytes
    attempts: int
    claimed_until: datetime
    target: Target


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended; ``retry_at`` None for a failed one that was the last."""

    message_no: int
    webhook_id: str
    claimed_until: datetime
    delivered: bool
    status: int | None
    error: str | None
    attempted_at: datetime
    retry_at: datetime | None
    ms: int


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that is told no more, and why."""

    webhook_id: str
    state: WebhookState
    reason: str


async def audience(connection: Connection) -> Audience:
    """Who is to be told of what this transaction is about to write; ask before writing it."""
    row = await queries.outbox_audience(connection)
    if row["recipients"] is None:
        return Audience()
    return Audience(recipients=_read_recipients(row["recipients"]), change_id=row["change_id"])


async def announce(
    connection: Connection, told: Audience, deltas: Sequence[RaceDelta], *, seen_at: datetime
) -> int:
    """Put what this transaction wrote into the outbox; the number of messages.

    Prices are told by what it added to the change log, everything else by ``deltas``.
    """
    if not told.recipients:
        return 0
    news = [*news_of_look(deltas, seen_at=seen_at), *await _price_news(connection, told)]
    return await _put(connection, told, news, at=seen_at)


async def announce_status(connection: Connection, event: ToldStatus) -> int:
    """Put whether prices are being collected into the outbox; the number of messages."""
    told = await audience(connection)
    return await _put(connection, told, [news_of_status(event)], at=event.timestamp)


async def claim(
    connection: Connection,
    *,
    busy: Mapping[str, int],
    at_once: int,
    now: datetime,
    until: datetime,
) -> list[Claimed]:
    """Claim what is due; ``busy`` messages of a webhook count towards its ``at_once``."""
    rows = queries.outbox_claim(
        connection,
        busy_ids=list(busy),
        busy_counts=list(busy.values()),
        at_once=at_once,
        now=now,
        claim=until,
    )
    return [_claimed(row) async for row in rows]


async def release_claims(connection: Connection) -> None:
    """Let go of what another worker had claimed."""
    await queries.outbox_release_claims(connection)


async def record(connection: Connection, outcomes: Sequence[Outcome]) -> list[Stopped]:
    """Note how attempts ended; the webhooks that are told no more because of it.

    A 410 stops a webhook at once, and so does nothing but failures for GIVE_UP_AFTER.
    """
    rows = queries.outbox_record(
        connection,
        outcomes=msgspec.json.encode(outcomes).decode(),
        give_up_after=GIVE_UP_AFTER,
    )
    return [
        Stopped(
            webhook_id=row["webhook_id"],
            state=WebhookState(row["state"]),
            reason=row["reason"],
        )
        async for row in rows
    ]


async def prune(connection: Connection, now: datetime) -> bool:
    """Forget old messages, some thousands at a time; whether there are no more of them."""
    done: str = await queries.outbox_prune(
        connection,
        delivered_before=now - KEEP_DELIVERED,
        created_before=now - KEEP_OTHERS,
        most=_PRUNED_AT_A_TIME,
    )
    return done != f"DELETE {_PRUNED_AT_A_TIME}"


async def _price_news(connection: Connection, told: Audience) -> list[News]:
    if told.change_id is None:
        return []
    rows = queries.outbox_logged_prices(connection, change_id=told.change_id)
    return [_price_from(row) async for row in rows]


def _price_from(row: asyncpg.Record) -> News:
    price = stored_price(row["odds_decimal"], row["odds_fractional"])
    event = ToldPrice(
        change_id=row["change_id"],
        race_id=row["race_id"],
        horse_id=row["horse_id"],
        bookmaker_id=row["bookmaker_id"],
        odds_decimal=None if price is None else price.decimal,
        odds_fractional=None if price is None else price.fractional,
        changed_at=row["changed_at"],
        seen_at=row["seen_at"],
        source=row["source"],
        ew_places=row["ew_places"],
        ew_denom=row["ew_denom"],
        horse_name=row["horse_name"],
        course=row["course"],
        off_dt=row["off_dt"],
    )
    place = RacePlace(
        race_id=row["race_id"],
        region=row["region"],
        course_id=row["course_id"],
        course=row["course"],
    )
    return news_of_price(event, place)


async def _put(
    connection: Connection, told: Audience, news: Sequence[News], *, at: datetime
) -> int:
    messages = {
        recipient.webhook_id: found
        for recipient in told.recipients
        if (found := messages_for(recipient, news))
    }
    if not messages:
        return 0
    last = {
        row["webhook_id"]: row["last_sequence"]
        async for row in queries.outbox_take_numbers(
            connection, webhook_ids=list(messages), counts=[len(m) for m in messages.values()]
        )
    }
    numbered = [
        (webhook_id, number, message)
        for webhook_id, newest in last.items()
        for number, message in enumerate(
            messages[webhook_id], start=newest - len(messages[webhook_id]) + 1
        )
    ]
    await queries.outbox_insert(
        connection,
        message_ids=[f"msg_{uuid4().hex}" for _ in numbered],
        webhook_ids=[webhook_id for webhook_id, _, _ in numbered],
        events=[message.event.value for _, _, message in numbered],
        sequences=[number for _, number, _ in numbered],
        payloads=[
            payload(message.event, message.data, timestamp=at, sequence=number).decode()
            for _, number, message in numbered
        ],
        created_at=at,
    )
    return len(numbered)


def _claimed(row: asyncpg.Record) -> Claimed:
    return Claimed(
        message_no=row["message_no"],
        message_id=row["message_id"],
        webhook_id=row["webhook_id"],
        payload=row["payload"].encode(),
        attempts=row["attempts"],
        claimed_until=row["claimed_until"],
        target=target_from(row),
    )
