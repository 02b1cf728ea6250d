"""Statements that wait for a lock: a test sees that they do before it goes on."""

from darkhorses.store.pool import Connection

_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
_CUT_OFF = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def somebody_waits(watching: Connection) -> None:
    """Return when a statement in this database waits for a lock."""
    while not await watching.fetchval(_WAITING):
        # Within a transaction, who does what is looked at once and kept.
        await watching.execute("SELECT pg_stat_clear_snapshot()")


async def cut_off_who_waits(watching: Connection) -> None:
    """End the connections whose statements wait for a lock, when there are any."""
    await somebody_waits(watching)
    await watching.execute(_CUT_OFF)
