"""A small race day as a worker left it, and what two databases know of such a day."""

import random
from datetime import date, timedelta
from typing import Any

import msgspec

from darkhorses.domain.races import Card
from darkhorses.store.pool import Database
from tests.market import NOON, MarketWriter, card, race, runner

DAY = date(2026, 6, 20)
OFF = NOON + timedelta(hours=1)
WITHDRAWN_AT = NOON + timedelta(minutes=20)
REMOVED_AT = NOON + timedelta(minutes=25)
RESULT_AT = OFF + timedelta(minutes=7)
BOOKS = ("Bet365", "Coral", "William Hill", "Betfair Exchange")


async def live_through(writer: MarketWriter) -> None:
    """Three races within half an hour: one loses a runner, one is abandoned, all have an end."""
    chance = random.Random(11)  # noqa: S311  # repeatable
    for minute in range(61):
        await writer.look(
            *(_look(chance, number, minute) for number in range(3)),
            seen_at=NOON + timedelta(minutes=minute),
        )
    for number in (0, 1):
        ended = _look(chance, number, 60)
        over = msgspec.structs.replace(
            ended, race=msgspec.structs.replace(ended.race, race_status="result")
        )
        await writer.look(over, seen_at=RESULT_AT + timedelta(minutes=10 * number))


def _look(chance: random.Random, number: int, minute: int) -> Card:
    at = NOON + timedelta(minutes=minute)
    runners = []
    for horse in range(1, 6):
        name = f"Horse{number}x{horse}"
        if number == 0 and horse == 5 and at >= REMOVED_AT:
            continue
        gone = number == 1 and horse == 4 and at >= WITHDRAWN_AT
        # A bookmaker that is named and never has a price leaves nothing in the log.
        prices: dict[str, str | None] = {"Boylesports": None}
        for book in BOOKS:
            steady = random.Random(f"{name}{book}{minute // chance.randint(2, 9)}")  # noqa: S311
            is_pulled = gone or steady.random() < 0.1
            prices[book] = None if is_pulled else f"{steady.randint(2, 40)}/1"
        runners.append((runner(name, horse, is_non_runner=gone), prices))
    return card(
        race(
            f"rac_{number}",
            off_dt=OFF + timedelta(minutes=10 * number),
            race_status="declared",
            is_abandoned=number == 2 and minute >= 50,
        ),
        *runners,
        places=2 + number,
    )


Known = dict[str, list[tuple[Any, ...]]]


async def known_of_day(database: Database) -> Known:
    """The log in its order, with when prices took effect, and how all of it ended."""
    statements = {
        "log": """
            SELECT race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional,
                coalesce(changed_at, seen_at)
            FROM ra_odds_changes ORDER BY change_id""",
        "live": """
            SELECT race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional, ew_places,
                ew_denom, market_status, fetched_at
            FROM ra_odds_live ORDER BY race_id, horse_id, bookmaker_id""",
        "runners": """
            SELECT race_id, horse_id, horse_name, horse_number, is_non_runner, non_runner_at,
                removed_at
            FROM ra_runners ORDER BY race_id, horse_id""",
        "races": """
            SELECT race_id, off_dt, course, race_name, race_status, is_abandoned, odds_changed_at
            FROM ra_races ORDER BY race_id""",
        "bookmakers": "SELECT bookmaker_id, bookmaker_name FROM ra_bookmakers ORDER BY 1",
    }
    async with database.connection() as connection:
        return {
            name: [tuple(row) for row in await connection.fetch(statement)]
            for name, statement in statements.items()
        }
