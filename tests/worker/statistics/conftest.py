"""A desk that counts, and markets to count."""

import random
from datetime import date

import pytest

from darkhorses.store.pool import Database
from tests.counting import Change, Desk

BOOKS = ("bet365", "coral", "ladbrokes", "betfred")
DAY = date(2026, 6, 20)


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await Desk.leading(database)


def a_market(chance: random.Random, *, changes: int, races: int = 3) -> list[Change]:
    """Changes of a few races, some of them after the off, in the order in which they were seen."""
    ladder = ("2/1", "9/4", "5/2", "3/1", None)
    found = [
        Change(
            f"rac_{chance.randrange(races)}",
            f"hrs_{chance.randrange(3)}",
            chance.choice((*BOOKS, "betfairexchange")),
            chance.randrange(-5, 150),
            chance.choice(ladder),
        )
        for _ in range(changes)
    ]
    return sorted(found, key=lambda change: -change.minutes)


async def some_races(desk: Desk, races: int = 3) -> None:
    await desk.bookmakers(*BOOKS, exchanges=("betfairexchange",))
    for number in range(races):
        await desk.race(f"rac_{number}", "hrs_0", "hrs_1", "hrs_2", course=f"Course {number % 2}")
