"""Regions split over workers: each race by one, whoever is killed."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from darkhorses.store.lease import LIVE, ONCE
from darkhorses.store.pool import Connection
from tests.faults.days import Day
from tests.faults.oracle import Findings
from tests.faults.workers import Pair
from tests.faults.writers import by_stale_leaders, sign_writes, signed

_OTHERS = """
    SELECT count(*) FROM odds_log AS log
    JOIN odds_log_races USING (race_no) JOIN ra_races USING (race_id)
    WHERE lower(region) <> $1 AND log.xmin::text IN (
        SELECT transaction FROM authors WHERE writer LIKE $1 || '%'
    )
"""
_NOTE_AUTHORS = """
    CREATE TABLE authors (transaction text PRIMARY KEY, writer text);
    CREATE FUNCTION note_author() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO authors
        SELECT pg_current_xact_id()::xid::text, session_user
        ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$;
    CREATE TRIGGER authored AFTER INSERT ON odds_log
        FOR EACH STATEMENT EXECUTE FUNCTION note_author();
"""
_RACES = "SELECT lower(region), count(*) FROM ra_races GROUP BY 1"


class Split:
    """A leader and a standby for each region, on one database."""

    def __init__(self, day: Day, stack: AsyncExitStack) -> None:
        self.regions = {
            region: Pair(
                day,
                stack,
                environment=day.environment | {"DARKHORSES_REGIONS": region},
                names=region,
            )
            for region in ("gb", "ire")
        }

    async def begin(self) -> None:
        """Start all four, and see both regions collected."""
        await asyncio.gather(*(pair.begin() for pair in self.regions.values()))
        await self.looked_at()

    async def looked_at(self) -> None:
        """Return when the leader of each region has looked at its whole card once more."""
        leaders = [pair.leader for pair in self.regions.values()]
        await asyncio.gather(
            *(leader.until("poll.finished", after=leader.position) for leader in leaders)
        )

    async def end(self) -> None:
        """Stop all four in order."""
        for pair in self.regions.values():
            await pair.end()

    @property
    def leaders_once(self) -> dict[int, str]:
        """Who acquired which epoch of what is done once."""
        return {
            epoch: name
            for pair in self.regions.values()
            for epoch, name in pair.leaders_once.items()
        }


@pytest.fixture
async def day(database_url: str, tmp_path: Path) -> AsyncIterator[Day]:
    async with Day.begin(database_url, tmp_path, speed=60) as day:
        await sign_writes(day.database, {"%": LIVE, "gb%": "live:gb", "ire%": "live:ire"})
        async with day.database.connection() as connection:
            await connection.execute(_NOTE_AUTHORS)
        yield day


async def _hold_to_it(day: Day, split: Split, connection: Connection) -> Findings:
    """Nobody wrote who did not lead, or of another's region; what the ledger says of the rest."""
    for pair in split.regions.values():
        assert by_stale_leaders(await signed(connection, pair.lease), pair.leaders) == []
    assert by_stale_leaders(await signed(connection, ONCE), split.leaders_once) == []
    for region in split.regions:
        assert await connection.fetchval(_OTHERS, region) == 0
    return await day.judge()


async def test_each_region_is_collected_by_one_and_killing_one_leaves_the_other_alone(
    day: Day, connection: Connection
) -> None:
    async with AsyncExitStack() as stack:
        split = Split(day, stack)
        await split.begin()
        (first_once,) = split.leaders_once.values()
        doing_once = split.regions["gb" if first_once.startswith("gb") else "ire"]
        other = split.regions["ire" if first_once.startswith("gb") else "gb"]
        untouched = other.leader
        await doing_once.kill_leader()
        # What the dead worker did once is done by who is left, or by its successor.
        while len(split.leaders_once) < 2:
            await split.looked_at()
        await split.looked_at()
        assert other.leader is untouched
        await split.end()
    await day.settle()

    assert sorted(doing_once.leaders) == [1, 2]
    assert sorted(other.leaders) == [1]
    races = {row[0]: row[1] for row in await connection.fetch(_RACES)}
    assert races["gb"] > 20
    assert races["ire"] > 10
    found = await _hold_to_it(day, split, connection)
    assert found.faults == {}
    assert found.entries > 2000


@pytest.mark.soak
@pytest.mark.timeout(2400)
async def test_forty_kills_in_two_regions_lose_and_double_nothing(
    day: Day, connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(5)  # noqa: S311  # repeatable, not secret
    async with AsyncExitStack() as stack:
        split = Split(day, stack)
        await split.begin()
        for _ in range(40):
            # Not to wait for anything: the moment of the kill.
            await asyncio.sleep(dice.uniform(0, 3))
            await dice.choice([*split.regions.values()]).kill_leader(both=dice.random() < 0.2)
        await split.looked_at()
        await split.end()
    await day.settle()
    found = await _hold_to_it(day, split, connection)
    # The first of each is no takeover.
    takeovers = [took for pair in split.regions.values() for took in pair.takeovers[1:]]
    with capsys.disabled():
        print(  # noqa: T201  # the soak's report
            f"\n40 kills in two regions: takeover after {max(takeovers):.1f} s at most, "
            f"{len(split.leaders_once)} epochs of what is done once; {found}"
        )
    assert len(takeovers) == 40
    assert max(takeovers) <= 10
    assert found.faults == {}
