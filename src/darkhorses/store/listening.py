"""Waiting for notifications on a connection of its own.

LISTEN is session state: it does not work through a transaction pooler, and it is gone with its
connection. Nothing may depend on it but how soon something is seen.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg

from darkhorses.store.errors import database_errors
from darkhorses.store.queries import queries

MARKET_CHANNEL = "market"


async def listen(
    url: str,
    channel: str,
    heard: Callable[[], None],
    *,
    ping_interval: timedelta = timedelta(seconds=30),
    timeout: timedelta = timedelta(seconds=5),
) -> None:
    """Call ``heard`` at every notification, and once when listening begins, until it ends.

    Returns when the connection is closed under us; raises DatabaseUnavailableError when it cannot
    be made or goes silent.
    """
    seconds = timeout.total_seconds()
    closed = asyncio.Event()

    def on_notification(*_: Any) -> None:
        heard()

    def on_termination(*_: Any) -> None:
        closed.set()

    with database_errors():
        connection = await asyncpg.connect(
            url,
            timeout=seconds,
            statement_cache_size=0,
            server_settings={"application_name": "darkhorses listener"},
        )
        connection.add_termination_listener(on_termination)
        try:
            await connection.add_listener(channel, on_notification)
            heard()
            while not await _is_set_within(closed, ping_interval):
                async with asyncio.timeout(seconds):
                    await queries.still_connected(connection)
        finally:
            connection.terminate()


async def _is_set_within(event: asyncio.Event, time: timedelta) -> bool:
    try:
        async with asyncio.timeout(time.total_seconds()):
            await event.wait()
    except TimeoutError:
        return False
    return True
