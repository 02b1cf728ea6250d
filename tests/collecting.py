"""What workers collect in a test: a quick simulated day, and what must be true of the log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from darkhorses.simulator import Options, Simulator, running_simulator

DIFFERS_FROM_LIVE = """
    WITH newest AS (
        SELECT DISTINCT ON (race_id, horse_id, bookmaker_id)
            race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional
        FROM ra_odds_changes ORDER BY race_id, horse_id, bookmaker_id, change_id DESC
    )
    SELECT count(*) FROM ra_odds_live AS live
    FULL JOIN newest USING (race_id, horse_id, bookmaker_id)
    WHERE (live.odds_decimal, live.odds_fractional)
        IS DISTINCT FROM (newest.odds_decimal, newest.odds_fractional)
"""
"""How many quotes stand otherwise than the log leads to."""

DOUBLED = """
    SELECT count(*) FROM (
        SELECT (odds_decimal, odds_fractional)
            IS NOT DISTINCT FROM lag((odds_decimal, odds_fractional))
            OVER (PARTITION BY race_id, horse_id, bookmaker_id ORDER BY change_id) AS same,
            row_number()
            OVER (PARTITION BY race_id, horse_id, bookmaker_id ORDER BY change_id) AS position
        FROM ra_odds_changes
    ) AS steps WHERE same AND position > 1
"""
"""How many entries of the log say what the one before them says."""


@asynccontextmanager
async def quick_simulator() -> AsyncIterator[Simulator]:
    """A feed of now whose markets move twenty times as fast."""
    start = datetime.now(UTC)  # noqa: TID251  # worker processes have a real clock
    options = Options(start=start, speed=20, refresh=1, limits=False)
    async with running_simulator(options) as simulator:
        yield simulator


def worker_environment(database_url: str, simulator: Simulator, **more: str) -> dict[str, str]:
    """The settings of a worker that collects from it as often as may be."""
    return {
        "DATABASE_URL": database_url,
        "RACING_API_BASE_URL": simulator.base_url,
        "RACING_API_USERNAME": "simulator",
        "RACING_API_PASSWORD": "simulator",
        "DARKHORSES_POLL_INTERVAL": "5",
        **more,
    }
