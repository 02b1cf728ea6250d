"""How much of what the feed allows a backfill uses.

The command ``darkhorses backfill`` fills past days of ``benchmarks.past_feed``, which has made its
answers before and refuses what goes beyond the feed's limits. A day is one request for its cards,
of which the feed takes two a second, and one or more for its results, of which it takes five: so
cards are what limits it. The product keeps a margin of 4.5 % to that limit, so no more than 0.957
can come of it. There is no figure when the feed refused anything.
"""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from benchmarks.databases import a_database, a_server
from benchmarks.figures import Figure, Run
from benchmarks.past_feed import running_past_feed

_DAYS = 60
_WARM_UP = 10
_AGO = timedelta(days=100)
_ALLOWED = 2.0
"""Requests a second for cards."""


def measure(_run: Run) -> list[Figure]:
    """Cards asked for a second, as a share of those that the feed allows."""
    with a_server(durable=True) as server:
        return [asyncio.run(_measure(server))]


async def _measure(server: str) -> Figure:
    first = datetime.now(UTC).date() - _AGO  # noqa: TID251  # real processes have a real clock
    last = first + timedelta(days=_DAYS - 1)
    with running_past_feed(first, _DAYS) as feed:
        backfill = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "darkhorses"),
            *("backfill", "--from", str(first), "--to", str(last)),
            stdout=subprocess.DEVNULL,
            env=os.environ  # noqa: TID251  # a child's
            | {
                "DATABASE_URL": await a_database(server, "backfill"),
                "RACING_API_BASE_URL": feed.base_url,
                "RACING_API_USERNAME": "user",
                "RACING_API_PASSWORD": "password",
                "LOG_LEVEL": "ERROR",
            },
        )
        if code := await backfill.wait():
            raise RuntimeError(f"the backfill ended with {code}")
        asked = feed.asked()
    if asked.refused or len(asked.cards_at) != _DAYS:
        raise RuntimeError(f"refused {asked.refused}, asked {len(asked.cards_at)} for {_DAYS} days")
    at = asked.cards_at[_WARM_UP:]
    pace = (len(at) - 1) / (at[-1] - at[0])
    return Figure(
        name="backfill, of the feed's limit for cards",
        unit="of 1",
        goal=0.95,
        at_least=True,
        runs=(pace / _ALLOWED,),
    )
