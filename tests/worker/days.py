"""A day that is over, as a feed under our hands tells of it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from darkhorses.store.pool import Database
from darkhorses.store.race_days import race_days_between
from darkhorses.worker.past_days import FilledDay, PastDays
from tests.cards import race, runner
from tests.feeds import Feed, StagedSource
from tests.market import StoppedClock
from tests.past_days import checksums, table
from tests.results import finisher, result

DAY = date(2026, 6, 20)
NEXT_NIGHT = datetime(2026, 6, 21, 0, 0, tzinfo=UTC)
"""01:00 in London, the night after DAY."""

SETTLED = NEXT_NIGHT + timedelta(days=2)


class Desk:
    """A feed as the test lays it out, a clock, and the reading of DAY."""

    def __init__(
        self, database: Database, source: StagedSource, feed: Feed, clock: StoppedClock
    ) -> None:
        self.database = database
        self.source = source
        self.feed = feed
        self.clock = clock
        self.past = PastDays(feed.client, database, clock)

    def stage(self, *runners: tuple[dict[str, Any], dict[str, Any] | None], **facts: Any) -> None:
        """Put a race down: each runner with how it ended, or None when it did not run."""
        finishers = [ended for _, ended in runners if ended is not None]
        self.source.cards.append(race(*(horse for horse, _ in runners), **facts))
        if finishers:
            facts = {name: value for name, value in facts.items() if name in result()}
            self.source.results_of_all.append(result(*finishers, **facts))

    async def fill(self, *regions: str) -> list[FilledDay]:
        filling = self.past.fill(DAY, regions or ("gb",), self.database.transaction)
        return [day async for day in filling]

    async def ledger(self, region: str = "gb") -> tuple[str, str, str | None]:
        async with self.database.connection() as connection:
            days = await race_days_between(connection, DAY, DAY, [region])
        day = days[DAY, region]
        return day.cards.value, day.results.value, day.reason

    async def sums(self) -> tuple[Any, ...]:
        async with self.database.connection() as connection:
            return await checksums(connection)

    async def rows(self, columns: str) -> dict[str, Any]:
        """Columns of the historical rows by horse; of one column its value."""
        found = await table(self.database, f"SELECT horse_id, {columns} FROM ra_odds_historical")  # noqa: S608
        return {horse: facts[0] if len(facts) == 1 else tuple(facts) for horse, *facts in found}


def horse(number: int, /, **fields: Any) -> dict[str, Any]:
    facts = {"horse_id": f"hrs_{number}", "horse": f"Horse {number}", "number": str(number)}
    return runner(**(facts | fields))


def ended(number: int, position: str | None = None, **fields: Any) -> dict[str, Any]:
    return finisher(
        str(number) if position is None else position,
        **{"horse_id": f"hrs_{number}", "horse": f"Horse {number} (GB)", "number": str(number)}
        | {"sp": "4/1", "bsp": "", "ovr_btn": str(number - 1)}
        | fields,
    )


def five_ran() -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    return [(horse(number), ended(number)) for number in range(1, 6)]
